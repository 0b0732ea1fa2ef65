"""One SKU on its way through the graph, and what its stages share while it is worked on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalogue import Catalogue, Product, Region, Shot
from pipeline.mesh import load_mesh
from pipeline.mesh.types import Mesh, TextureRef
from pipeline.render import Textures, load_passes, load_textures
from pipeline.render.types import ControlPasses
from pipeline.shots import shots_for
from pipeline.store import Artifact, ArtifactStore
from resources import RefinerResource, RendererResource, SentinelResource


@dataclass(frozen=True)
class Bench:
    """What every SKU of a run is worked on with."""

    catalogue: Catalogue
    store: ArtifactStore
    renderer: RendererResource
    refiner: RefinerResource
    sentinel: SentinelResource
    run_id: str


@dataclass
class Sku:
    """A product with its artefacts. Passes and images stay in memory until the SKU is done: read once, written once."""

    bench: Bench
    product: Product
    _passes: dict[str, ControlPasses] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.product.sku

    @property
    def store(self) -> ArtifactStore:
        return self.bench.store

    def artifact(self, asset: str) -> Artifact:
        """The current version of one of this SKU's assets. Raises StoreError with what to run."""
        return self.store.require(asset, self.name)

    @cached_property
    def mesh(self) -> Mesh:
        return load_mesh(self.artifact("product_mesh").path("mesh.npz"))

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        return regions_from_json(self.artifact("product_regions").json("regions.json"))

    @cached_property
    def shots(self) -> tuple[Shot, ...]:
        return shots_for(self.product, self.bench.catalogue.settings, self.regions)

    @cached_property
    def textures(self) -> Textures:
        return load_textures(self.mesh, self._read_texture, self.bench.catalogue.settings.max_texture_megapixels)

    def render(self, shot: Shot) -> ControlPasses:
        """Render one shot now and keep it for the stages that follow."""
        region = next((region for region in self.regions if region.name == shot.framed_region), None)
        passes = self.bench.renderer.get().render(self.mesh, shot, self.textures, region)
        self._passes[shot.name] = passes
        return passes

    def passes(self, shot: str) -> ControlPasses:
        """One shot's passes: from memory, from the store, or rendered again where the file was not kept."""
        if shot not in self._passes:
            artifact = self.artifact("control_passes")
            if f"{shot}.exr" in artifact.files:
                self._passes[shot] = load_passes(artifact.path(f"{shot}.exr"))
            else:
                self.render(next(s for s in self.shots if s.name == shot))
        return self._passes[shot]

    def forget_passes(self) -> None:
        """After control_passes has a new version: nothing in memory may outlive it."""
        self._passes.clear()
        for name in ("mesh", "regions", "shots", "textures"):
            self.__dict__.pop(name, None)

    def image(self, shot: str) -> NDArray[np.uint8]:
        """The refined image (H, W, 3) of one shot."""
        with Image.open(self.artifact("refined_images").path(f"{shot}.png")) as image:
            return np.asarray(image.convert("RGB"))

    def _read_texture(self, ref: TextureRef) -> bytes:
        if ref.source == "store":
            return self.store.texture(ref.path)
        return (self.product.folder / ref.path).read_bytes()


def regions_from_json(entries: list[Mapping[str, object]]) -> tuple[Region, ...]:
    """Inverse of ``dataclasses.asdict`` over regions, after JSON."""
    return tuple(Region(**{**entry,  # type: ignore[arg-type]
                           "polygon": tuple(map(tuple, entry["polygon"])),  # type: ignore[call-overload]
                           "path": tuple(map(tuple, entry["path"]))})  # type: ignore[call-overload]
                 for entry in entries)
