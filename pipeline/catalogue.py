"""What a catalogue folder says: products, shots, regions. Local or s3:// through one path type.

A SKU is a folder. A mesh file and its texture maps are all it needs; ``product.yaml`` may name
or correct what Packshot would otherwise guess, ``catalogue.yaml`` holds a catalogue's own choices.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from upath import UPath

from pipeline.errors import CatalogueError
from pipeline.place import place
from pipeline.settings import Manifest, Point, RegionKind, Settings, parsed

MESH_SUFFIXES = (".fbx", ".glb", ".gltf", ".obj", ".stl")
TEXTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga")
SKU_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
MANIFEST = "product.yaml"
SETTINGS = "catalogue.yaml"
REFERENCE_FOLDER = "reference"
_CAPITALS = 0.55               # cap height as a share of a line's height on a printed label

# Ordered: the first word found in a description decides.
CATEGORY_WORDS: Mapping[str, tuple[str, ...]] = {
    "footwear": ("sneaker", "trainer", "shoe", "boot", "sandal", "oxford", "loafer", "derby", "slipper", "heel"),
    "mug": ("mug", "cup"),
    "bottle": ("bottle", "flask", "thermos"),
    "jar": ("candle", "jar", "vase", "pot"),
    "box": ("box", "carton", "package", "packaging", "tin"),
    "furniture": ("chair", "sofa", "table", "stool", "lamp", "shelf"),
    "sport": ("racquet", "racket", "ball", "bat"),
    "appliance": ("mixer", "blender", "kettle", "toaster"),
    "bag": ("bag", "backpack", "tote", "wallet"),
    "toy": ("toy", "figure", "figurine", "cow"),
}


def guess_category(description: str) -> str:
    """First category whose word stands in the description, else ``product``."""
    words = re.findall(r"[a-z]+", description.lower())
    for category, names in CATEGORY_WORDS.items():
        if any(word == name or word == name + "s" for word in words for name in names):
            return category
    return "product"


@dataclass(frozen=True, slots=True)
class OrbitCamera:
    """Looks at the product's centre from a direction; framing is solved from the mesh."""

    azimuth_deg: float = 35.0    # 0 looks at the product's front; positive moves the camera to its left side
    elevation_deg: float = 12.0  # above the horizon, -90..90
    focal_mm: float = 85.0       # on a 36 mm wide sensor; longer is flatter
    fill: float = 0.78           # share of the frame the product's larger extent takes


@dataclass(frozen=True, slots=True)
class EmbeddedCameraRef:
    """A camera stored in the mesh file, by name or position; used as it is."""

    name: str


@dataclass(frozen=True, slots=True)
class SolvedCamera:
    """A camera solved from a photo."""

    view: tuple[tuple[float, ...], ...]        # 4×4 world → camera
    projection: tuple[tuple[float, ...], ...]  # 4×4


Camera = OrbitCamera | EmbeddedCameraRef | SolvedCamera

IDENTITY = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Instance:
    """One copy of the mesh in the scene."""

    world: tuple[tuple[float, ...], ...] = IDENTITY  # 4×4 mesh → world, row-major
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class PhotoLight:
    """The light of a photo, as far as it tells."""

    azimuth_deg: float = -45.0                 # as a stage's: 0 is behind the camera, positive to its right
    elevation_deg: float = 58.0
    width_deg: float = 60.0                    # of the source, as seen from the product
    key_share: float = 0.45                    # of the light on the ground that a shadow takes away
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)  # linear, of mean 1
    exposure: float = 1.0                      # of our own stages'
    blur_px: float = 0.0                       # sigma of the lens, in pixels of the shot
    grain: float = 0.0                         # sigma of the noise, in codes


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to take of a product."""

    name: str
    camera: Camera = OrbitCamera()
    width: int = 1080
    height: int = 1080
    stage: str = "white"                       # an entry of pipeline.render.stages
    environment: str = ""                      # .hdr or .exr panorama that lights the stage instead of its own lights
    environment_turn_deg: float = 0.0          # turned to the right
    instances: tuple[Instance, ...] = (Instance(),)
    prompt: str = ""                           # appended to the product's own prompt
    framed_region: str | None = None           # frame this region instead of the whole product
    backplate: str = ""                        # sha256 of the photo's plate, where the shot is one in a photo
    light: PhotoLight | None = None            # of that photo


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the texture that a customer will check. UV has its origin top-left, as in glTF."""

    name: str
    kind: RegionKind
    material: str                              # material name; "*" any
    polygon: tuple[Point, ...] = ()            # uv corners, for label and logo
    path: tuple[Point, ...] = ()               # uv centre line, for stitching
    text: str = ""                             # what a label says
    rows: int = 1                              # parallel rows of stitching
    width: float = 0.0                         # uv width of the band around ``path`` that holds all rows
    source: Literal["manifest", "found"] = "manifest"

    def cap_height(self, shorter_side: float) -> float:
        """Height of its capitals, estimated from its shorter side and in the same unit; without text, all of it."""
        return _CAPITALS * shorter_side / (self.text.count("\n") + 1) if self.text else shorter_side


@dataclass(frozen=True)
class Product:
    """One SKU folder, looked at but not opened."""

    sku: str
    folder: UPath
    mesh_file: str                             # path inside the folder
    files: tuple[str, ...]                     # every file of the folder, sorted, relative, posix
    manifest: Manifest = field(default_factory=Manifest)

    @property
    def name(self) -> str:
        return self.manifest.name or re.sub(r"[-_]+", " ", self.sku)

    @property
    def description(self) -> str:
        """What the product is, in words: the manifest's, else read from the SKU's and file's names."""
        stem = Path(self.mesh_file).stem
        words = re.sub(r"[-_]+", " ", self.sku if stem.lower() in {"mesh", "model", "scene"} else f"{self.sku} {stem}")
        return self.manifest.description or self.manifest.name or words

    @property
    def category(self) -> str:
        return self.manifest.category or guess_category(self.description)

    @property
    def texture_files(self) -> tuple[str, ...]:
        return tuple(f for f in self.files
                     if f.lower().endswith(TEXTURE_SUFFIXES) and not f.startswith(REFERENCE_FOLDER + "/"))

    @property
    def reference_files(self) -> tuple[str, ...]:
        return tuple(f for f in self.files
                     if f.lower().endswith(TEXTURE_SUFFIXES) and f.startswith(REFERENCE_FOLDER + "/"))

    @property
    def regions(self) -> tuple[Region, ...]:
        """Regions the manifest names."""
        return tuple(Region(**entry.model_dump()) for entry in self.manifest.regions)

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {}

    @cached_property
    def _fetched(self) -> dict[str, bytes]:
        """A remote folder, all in one go: each file is hashed, copied for its loader and read for its pixels."""
        paths = {(self.folder / file).path: file for file in self.files if not file.startswith(REFERENCE_FOLDER + "/")}
        found = self.folder.fs.cat(list(paths), on_error="omit")  # what cannot be had says so when it is read
        return {paths[path]: data for path, data in found.items() if path in paths}

    def read(self, file: str) -> bytes:
        """One file of the folder; remote ones are fetched once per Product. Raises OSError or StoreError."""
        fetched = None if is_local(self.folder) else self._fetched.get(file)
        return (self.folder / file).read_bytes() if fetched is None else fetched

    def sha256(self, file: str) -> str:
        """Content hash of one file of the folder, read once per Product."""
        if file not in self._hashes:
            try:
                self._hashes[file] = hashlib.sha256(self.read(file)).hexdigest()
            except OSError as error:
                raise CatalogueError("file_unreadable", f"{self.sku}: {file} cannot be read: {error.strerror}.",
                                     "Check its permissions, or copy it again.") from error
        return self._hashes[file]

    def beside_catalogue(self, name: str) -> bytes:
        """A file that catalogue.yaml names beside itself. Raises OSError."""
        if "/" in name or "\\" in name or name.startswith("."):
            raise FileNotFoundError(name)
        return (self.folder.parent / name).read_bytes()

    def environment(self, name: str) -> bytes:
        """A panorama of the SKU's folder, or of the catalogue's. Raises CatalogueError ``environment_missing``."""
        try:
            return self.read(name) if name in self.files else self.beside_catalogue(name)
        except OSError as error:
            raise CatalogueError("environment_missing", f"{self.sku}: there is no environment {name!r}.",
                                 f"Put the .hdr or .exr file into the SKU's folder or beside {SETTINGS}.") from error

    @contextmanager
    def local_folder(self) -> Iterator[Path]:
        """The folder as a local path; a remote one is downloaded for the time of the block."""
        if is_local(self.folder):
            yield Path(self.folder.path)
            return
        with tempfile.TemporaryDirectory(prefix="packshot-") as temporary:
            for file in self.files:
                target = Path(temporary, file)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.read(file))
            yield Path(temporary)


@dataclass(frozen=True)
class Catalogue:
    """A folder or prefix with one folder per SKU."""

    root: UPath

    @classmethod
    def at(cls, location: str | os.PathLike[str] | UPath) -> Self:
        """Open a catalogue; raises CatalogueError where there is none."""
        root = place(location)
        if not root.is_dir():
            raise CatalogueError("catalogue_missing", f"There is no catalogue at {location}.",
                                 "Set PACKSHOT_CATALOGUE to a folder or s3:// prefix with one folder per SKU.")
        return cls(UPath(Path(root.path).resolve()) if is_local(root) else root)

    @cached_property
    def settings(self) -> Settings:
        path = self.root / SETTINGS
        return parsed(Settings, path) if path.exists() else Settings()

    def folders(self) -> list[str]:
        """Names of all SKU folders, legal or not, sorted."""
        entries = self.root.fs.ls(self.root.path, detail=True)  # one listing, whatever the storage
        names = (entry["name"].rstrip("/").rpartition("/")[2] for entry in entries if entry["type"] == "directory")
        return sorted(name for name in names if not name.startswith("."))

    def skus(self) -> list[str]:
        """Legal SKU names, sorted."""
        return [name for name in self.folders() if SKU_PATTERN.fullmatch(name)]

    def illegal(self, folders: Iterable[str] | None = None) -> dict[str, CatalogueError]:
        """Folders whose name cannot be a SKU, each with its error; ``folders`` where they were listed already."""
        names = self.folders() if folders is None else folders
        return {name: _illegal_name(name) for name in names if not SKU_PATTERN.fullmatch(name)}

    def product(self, sku: str) -> Product:
        """Look at one SKU folder. Raises CatalogueError with what is wrong and what to do."""
        if not SKU_PATTERN.fullmatch(sku):
            raise _illegal_name(sku)
        folder = self.root / sku
        files = tuple(sorted(listing(folder)))
        if not files:
            raise CatalogueError("sku_empty", f"{sku}: the folder is empty or does not exist.",
                                 "Put a mesh file (.fbx, .glb, .gltf, .obj or .stl) and its textures there.")
        if "product.yml" in files:
            raise CatalogueError("manifest_invalid", f"{sku}: product.yml is not read.", f"Rename it to {MANIFEST}.")
        manifest = parsed(Manifest, folder / MANIFEST) if MANIFEST in files else Manifest()
        return Product(sku, folder, _choose_mesh(sku, files, manifest), files, manifest)


def is_local(path: UPath) -> bool:
    return path.protocol in ("", "file", "local")


def _illegal_name(name: str) -> CatalogueError:
    return CatalogueError("sku_name", f"{name!r} cannot be a SKU name.",
                          "Use letters, digits, - and _, at most 100, beginning with a letter or digit.")


def listing(folder: UPath) -> dict[str, str]:
    """Every file below a SKU folder by relative posix path, with a signature that moves when its content may have.

    Size and ETag on object stores; size, modification and change time on a disk. Hidden files and links
    that lead out of the folder are left out: nothing outside a SKU's folder is part of it.
    """
    try:
        found = folder.fs.find(folder.path, detail=True)
    except FileNotFoundError:
        return {}
    base = folder.path.rstrip("/") + "/"
    inside = Path(folder.path).resolve() if is_local(folder) else None
    files = {}
    for path, info in found.items():
        name = path.removeprefix(base)
        if name == path or not name or any(part.startswith(".") for part in name.split("/")):
            continue
        if inside is not None and not Path(os.path.realpath(path)).is_relative_to(inside):
            continue
        moved = info.get("ETag") or f"{info.get('mtime')}:{info.get('created')}"
        files[name] = f"{info['size']}:{moved}"
    return files


def _choose_mesh(sku: str, files: tuple[str, ...], manifest: Manifest) -> str:
    if manifest.mesh is not None:
        if manifest.mesh in files:
            return manifest.mesh
        raise CatalogueError("mesh_missing", f"{sku}: {MANIFEST} names the mesh {manifest.mesh!r}, which is not there.",
                             f"Correct `mesh:` in {MANIFEST} or add the file.")
    meshes = [f for f in files if f.lower().endswith(MESH_SUFFIXES)]
    if len(meshes) > 1:
        raise CatalogueError("several_meshes", f"{sku}: {len(meshes)} mesh files: {', '.join(meshes[:4])}.",
                             f"Keep one, or name it with `mesh: {meshes[0]}` in {MANIFEST}.")
    if not meshes:
        others = [f for f in files if not f.lower().endswith((*TEXTURE_SUFFIXES, ".yaml", ".mtl", ".bin", ".txt"))]
        if others:
            raise CatalogueError("unknown_format", f"{sku}: no mesh of a known format, but {', '.join(others[:4])}.",
                                 "Export the model as .glb, .gltf, .fbx, .obj or .stl.")
        raise CatalogueError("mesh_missing", f"{sku}: no mesh file.",
                             "Add one .fbx, .glb, .gltf, .obj or .stl file.")
    return meshes[0]
