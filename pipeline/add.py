"""Make a SKU folder from loose files: a mesh, its textures and a sentence that says what the product is."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import yaml
from upath import UPath

from pipeline.catalogue import MANIFEST, MESH_SUFFIXES, SKU_PATTERN, TEXTURE_SUFFIXES, Catalogue, Product, is_local
from pipeline.errors import CatalogueError

_MTL_MAPS = ("map_kd", "map_bump", "bump", "norm", "map_pr", "map_pm", "map_ke")  # the maps that ingest reads
_GLB_HEADER = struct.Struct("<4sIIII")  # magic, version, length; first chunk's length and type


def add_product(catalogue_root: UPath, sku: str, mesh: Path, textures: Sequence[Path], description: str, *,
                name: str | None = None, category: str | None = None, overwrite: bool = False) -> Product:
    """Copy the files into ``<catalogue>/<sku>`` with a product.yaml, and look at the result.

    The description decides category, material guesses and prompt. Files that a glTF or OBJ names
    (.bin, .mtl, pictures) come along. The folder appears whole: it is built under a hidden name and
    renamed; on S3 the mesh is uploaded last, and without a mesh a folder is no product yet.

    Raises CatalogueError: sku_name, sku_exists, unknown_format, file_missing, file_conflict,
    catalogue_unwritable.
    """
    if not SKU_PATTERN.fullmatch(sku):
        raise CatalogueError("sku_name", f"{sku!r} cannot be a SKU name.",
                             "Use letters, digits, - and _, at most 100, beginning with a letter or digit.")
    root = UPath(catalogue_root)
    if _exists(root / sku) and not overwrite:
        raise CatalogueError("sku_exists", f"The catalogue already has a SKU {sku}.",
                             "Choose another name, or overwrite it.")
    files = _collect(mesh, textures)
    manifest = _manifest(description, name, category)
    try:
        if is_local(root):
            _write_local(Path(root.path), sku, files, manifest)
        else:
            _upload(root / sku, mesh.name, files, manifest)
    except OSError as error:
        raise CatalogueError("catalogue_unwritable", f"{sku} could not be written to {root}: {error}.",
                             "Check permissions and free space, then run the command again.") from error
    return Catalogue(root).product(sku)


def _collect(mesh: Path, textures: Sequence[Path]) -> dict[str, Path]:
    """Source by path inside the SKU folder, the mesh first."""
    _require(mesh, MESH_SUFFIXES, "mesh", "Export the model as .fbx, .glb, .gltf, .obj or .stl.")
    files = {mesh.name: mesh}
    for texture in textures:
        _require(texture, TEXTURE_SUFFIXES, "texture", "Save the map as .png, .jpg, .webp, .tif, .bmp or .tga.")
        if files.get(texture.name, texture).resolve() != texture.resolve():
            raise CatalogueError("file_conflict", f"Two different files are named {texture.name}.",
                                 "Rename one of them; a SKU folder holds each name once.")
        files[texture.name] = texture
    given = {texture.name for texture in textures}
    for reference in _references(mesh):
        inside = PurePosixPath(reference)
        if inside.as_posix() in files or inside.name in given:
            continue
        source = mesh.parent / inside
        # Only what lies beside the mesh or below it: the reference must mean the same in the SKU folder.
        if not inside.is_absolute() and ".." not in inside.parts and source.is_file():
            files[inside.as_posix()] = source
        elif inside.suffix.lower() not in TEXTURE_SUFFIXES or not given:
            raise CatalogueError("file_missing", f"{mesh.name} needs {reference}, which is not beside it.",
                                 f"Put {inside.name} next to {mesh.name}, or pass the texture to use instead.")
    return files


def _require(file: Path, suffixes: tuple[str, ...], kind: str, hint: str) -> None:
    if not file.is_file():
        raise CatalogueError("file_missing", f"There is no {kind} file {file}.", "Check the path.")
    if file.suffix.lower() not in suffixes:
        raise CatalogueError("unknown_format", f"{file.name} is not a {kind} of a known format.", hint)


def _references(mesh: Path) -> Iterator[str]:
    """Relative paths of the files a glTF, GLB or OBJ names, as written there, with forward slashes."""
    suffix = mesh.suffix.lower()
    if suffix in (".gltf", ".glb"):
        yield from _gltf_references(mesh)
    elif suffix == ".obj":
        for statement in _statements(mesh, ("mtllib",)):
            words = statement.split()
            for library in words if all(word.lower().endswith(".mtl") for word in words) else [statement]:
                yield library
                if (mesh.parent / library).is_file():
                    yield from (_beside(library, picture) for picture in _statements(mesh.parent / library, _MTL_MAPS))


def _gltf_references(mesh: Path) -> Iterator[str]:
    """URIs of buffers and images; a damaged file names none, and ingest says what is wrong with it."""
    data = mesh.read_bytes()
    if data[:4] == b"glTF" and len(data) >= _GLB_HEADER.size:
        length = _GLB_HEADER.unpack_from(data)[3]
        data = data[_GLB_HEADER.size:_GLB_HEADER.size + length]
    try:
        document = json.loads(data)
    except ValueError:
        return
    if not isinstance(document, dict):
        return
    for entry in [*(document.get("buffers") or []), *(document.get("images") or [])]:
        uri = entry.get("uri", "") if isinstance(entry, dict) else ""
        if isinstance(uri, str) and uri and not uri.startswith("data:"):
            yield unquote(uri).replace("\\", "/")


def _statements(file: Path, keywords: Sequence[str]) -> Iterator[str]:
    """The file names of an OBJ's or MTL's statements; options before the name are skipped."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            keyword, _, rest = line.strip().partition(" ")
            if keyword.lower() not in keywords or not rest.strip():
                continue
            value = rest.strip().replace("\\", "/")
            yield value.split()[-1] if value.startswith("-") else value


def _beside(library: str, picture: str) -> str:
    """A picture's path as the OBJ would write it: an MTL's names are relative to the MTL."""
    return (PurePosixPath(library).parent / picture).as_posix()


def _manifest(description: str, name: str | None, category: str | None) -> bytes:
    entries = {"name": name, "description": " ".join(description.split()), "category": category}
    text = yaml.safe_dump({key: value for key, value in entries.items() if value}, sort_keys=False, allow_unicode=True,
                          width=1000)
    return text.encode()


def _exists(folder: UPath) -> bool:
    return folder.exists() and any(folder.iterdir())


def _write_local(root: Path, sku: str, files: dict[str, Path], manifest: bytes) -> None:
    """Build beside the target under a hidden name, which readers of the catalogue skip, then rename."""
    root.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=root, prefix=f".adding-{sku}-"))
    try:
        fresh, replaced = building / "new", building / "old"
        fresh.mkdir()
        for inside, source in files.items():
            (fresh / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, fresh / inside)
        (fresh / MANIFEST).write_bytes(manifest)
        if (root / sku).exists():
            (root / sku).rename(replaced)
        try:
            fresh.rename(root / sku)
        except OSError:
            if replaced.exists():
                replaced.rename(root / sku)
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _upload(folder: UPath, mesh_name: str, files: dict[str, Path], manifest: bytes) -> None:
    """Textures and manifest first, the mesh last; then whatever an overwritten SKU had and this one has not."""
    before = {path.path for path in folder.rglob("*") if path.is_file()} if folder.exists() else set()
    written = {MANIFEST: manifest} | {inside: source.read_bytes() for inside, source in files.items()
                                      if inside != mesh_name}
    for inside, data in [*written.items(), (mesh_name, files[mesh_name].read_bytes())]:
        (folder / inside).write_bytes(data)
        before.discard((folder / inside).path)
    for stale in before:
        folder.fs.rm_file(stale)
