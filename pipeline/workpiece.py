"""One SKU with its artefacts: what the assets and the commands share while they work on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalogue import Product, Region, Shot
from pipeline.errors import CatalogueError, TextureError
from pipeline.mesh import load_mesh
from pipeline.mesh.types import Mesh, TextureRef
from pipeline.render import (
    Environment,
    Renderer,
    Textures,
    load_passes,
    load_textures,
    read_panorama,
    shot_from_dict,
)
from pipeline.render.in_photo import in_photo
from pipeline.render.partner_prints import with_readable_prints
from pipeline.render.textures import key_of
from pipeline.render.types import ControlPasses, Replaced
from pipeline.settings import Settings
from pipeline.shots import shots_for
from pipeline.store import Artifact, ArtifactStore


@dataclass
class Workpiece:
    """Passes stay in memory until the SKU is done: each artefact is written once and read at most once."""

    product: Product
    settings: Settings
    store: ArtifactStore
    get_renderer: Callable[[], Renderer]       # called when a shot has to be rendered
    _artifacts: dict[str, Artifact] = field(default_factory=dict, init=False)
    _passes: dict[str, ControlPasses] = field(default_factory=dict, init=False)
    _environments: dict[tuple[str, float], Environment] = field(default_factory=dict, init=False)

    @property
    def name(self) -> str:
        return self.product.sku

    def artifact(self, asset: str) -> Artifact:
        """One of this SKU's assets, as it was first read: all work on a SKU sees the same version of it.

        Raises StoreError with what to run where there is none.
        """
        if asset not in self._artifacts:
            self._artifacts[asset] = self.store.require(asset, self.name)
        return self._artifacts[asset]

    def note(self, artifact: Artifact) -> None:
        """What was just made, or found to be up to date, is what later stages work on."""
        self._artifacts[artifact.asset] = artifact

    @cached_property
    def mesh(self) -> Mesh:
        return load_mesh(self.artifact("product_mesh").path("mesh.npz"))

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        return regions_from_json(self.artifact("product_regions").json("regions.json"))

    @property
    def finds_regions(self) -> bool:
        """Whether regions are looked for on the diffuse maps: the manifest's word, else the catalogue's."""
        said = self.product.manifest.regions_found
        return self.settings.regions_found if said is None else said

    @cached_property
    def shots(self) -> tuple[Shot, ...]:
        return (*shots_for(self.product, self.settings, self.regions), *self.photo_shots)

    @property
    def photo_shots(self) -> tuple[Shot, ...]:
        """Shots in accepted reference photos; none where nobody has looked at the photos yet."""
        solved = self._artifacts.get("reference_shots") or self.store.current("reference_shots", self.name)
        return () if solved is None else tuple(shot_from_dict(entry) for entry in solved.json("shots.json"))

    def shot(self, name: str) -> Shot:
        """One shot by name. Raises CatalogueError with the names there are."""
        for shot in self.shots:
            if shot.name == name:
                return shot
        raise CatalogueError("shot_unknown", f"{self.name} has no shot {name!r}.",
                             f"Its shots: {', '.join(shot.name for shot in self.shots)}.")

    @cached_property
    def textures(self) -> Textures:
        found = load_textures(self.mesh, self._read_texture, self.settings.max_texture_megapixels)
        return with_readable_prints(found, self.mesh, self.regions) if self.turns_prints else found

    @property
    def turns_prints(self) -> bool:
        """Whether a partner is in a photo whose texts are to be readable."""
        return (self.product.manifest.partner_prints == "readable"
                and any(instance.mirrored for shot in self.photo_shots for instance in shot.instances))

    def diffuse_maps(self) -> tuple[Textures, dict[str, str]]:
        """The diffuse maps alone, and by material why one cannot be decoded: that error is control_passes' to raise."""
        images: dict[tuple[str, str], NDArray[np.uint8]] = {}
        unread: dict[str, str] = {}
        for material in self.mesh.materials:
            ref = material.textures.get("base_color")
            if ref is None or key_of(ref) in images:
                continue
            alone = replace(self.mesh, materials=(replace(material, textures={"base_color": ref}),))
            try:
                images.update(load_textures(alone, self._read_texture, self.settings.max_texture_megapixels).images)
            except TextureError as error:
                unread[material.name] = error.message
            except OSError as error:
                unread[material.name] = f"{ref.path}: {error.strerror}."
        return Textures(images), unread

    def render(self, shot: Shot) -> ControlPasses:
        """Render one shot now and keep it for the stages that follow."""
        region = next((region for region in self.regions if region.name == shot.framed_region), None)
        passes = self.get_renderer().render(self.mesh, shot, self.textures, region, self._environment(shot))
        if self.product.category != "footwear":
            passes = replace(passes, toe_direction=None)  # a mug has a front, but no toe to check on its own
        if shot.backplate:
            passes = in_photo(passes, Replaced(self._photo(shot.name, "photo"),
                                               self._photo(shot.name, "mask")[..., 0] > 127,
                                               self._photo(shot.name, "plate")))
        self._passes[shot.name] = passes
        return passes

    def _photo(self, shot: str, kind: str) -> NDArray[np.uint8]:
        """(H, W, 3) one of the pictures of a shot in a photo."""
        with Image.open(self.artifact("reference_shots").path(f"{shot}.{kind}.png")) as image:
            return np.asarray(image.convert("RGB"))

    def _environment(self, shot: Shot) -> Environment | None:
        if not shot.environment:
            return None
        key = (shot.environment, shot.environment_turn_deg)
        if key not in self._environments:
            self._environments[key] = read_panorama(self.product.environment(shot.environment), *key)
        return self._environments[key]

    def passes(self, name: str) -> ControlPasses:
        """One shot's passes: from memory, from the store, or rendered again where the file was not kept."""
        if name not in self._passes:
            artifact = self.artifact("control_passes")
            if f"{name}.exr" in artifact.files:
                self._passes[name] = load_passes(artifact.path(f"{name}.exr"))
            else:
                self.check_current(artifact)
                self.render(self.shot(name))
        return self._passes[name]

    def check_current(self, artifact: Artifact) -> None:
        """Called before passes that were not kept are rendered again: the asset layer knows their exact inputs."""

    def image(self, shot: str) -> NDArray[np.uint8]:
        """The refined image (H, W, 3) of one shot."""
        with Image.open(self.artifact("refined_images").path(f"{shot}.png")) as image:
            return np.asarray(image.convert("RGB"))

    def passes_at_hand(self) -> bool:
        """Whether no shot would have to be rendered again to look at its passes."""
        return all(shot.name in self._passes or f"{shot.name}.exr" in self.artifact("control_passes").files
                   for shot in self.shots)

    def put_down_passes(self) -> None:
        """Free the memory of the passes: whoever needs them next opens or renders them again."""
        self._passes.clear()

    def forget(self) -> None:
        """An upstream asset has a new version: nothing read before may outlive it."""
        self._passes.clear()
        for name in ("mesh", "regions", "shots", "textures"):
            self.__dict__.pop(name, None)

    def _read_texture(self, ref: TextureRef) -> bytes:
        if ref.source == "store":
            return self.store.texture(ref.path)
        if ref.path not in self.product.files:  # the folder's own files and no others, whatever a mesh names
            raise FileNotFoundError(ref.path)
        return self.product.read(ref.path)


def regions_from_json(entries: Sequence[Mapping[str, Any]]) -> tuple[Region, ...]:
    """Inverse of ``dataclasses.asdict`` over regions, after JSON."""
    return tuple(Region(**{**entry, "polygon": _points(entry["polygon"]), "path": _points(entry["path"])})
                 for entry in entries)


def _points(pairs: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(u), float(v)) for u, v in pairs)
