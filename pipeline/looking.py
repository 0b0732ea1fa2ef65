"""What a SKU's regions are: those product.yaml names, and what is found on its diffuse maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from pipeline.catalogue import Region
from pipeline.finding import beside_manifest, find_regions
from pipeline.mesh.types import Mesh
from pipeline.region_pictures import file_name, on_map, on_shot
from pipeline.render import Textures
from pipeline.sentinel import expected_from
from pipeline.sentinel.occurrences import Occurrence, occurrences
from pipeline.workpiece import Workpiece


@dataclass(frozen=True)
class Looked:
    """A SKU's regions, with the maps they lie on."""

    regions: tuple[Region, ...]
    maps: Textures = field(default_factory=Textures)
    unread: dict[str, str] = field(default_factory=dict)  # by material, why its map was passed over


def look(piece: Workpiece) -> Looked:
    """Find a SKU's regions, where finding is on. A map that cannot be decoded is passed over and named."""
    if not piece.finds_regions:
        return Looked(piece.product.regions)
    maps, unread = piece.diffuse_maps()
    found = find_regions(piece.mesh, maps)
    return Looked(beside_manifest(piece.product.regions, found, piece.product.manifest.ignore_regions), maps, unread)


def draw_maps(mesh: Mesh, looked: Looked, place: Callable[[str], Path], side: int) -> list[Path]:
    """Every diffuse map that holds a region, by material, with its regions drawn; ``place`` says where a name goes."""
    drawn = []
    for number, material in enumerate(mesh.materials):
        ref = material.textures.get("base_color")
        own = [region for region in looked.regions if region.material in ("*", material.name)]
        if ref is None or not own or (ref.source, ref.path) not in looked.maps.images:
            continue
        drawn.append(place(file_name(number, material.name)))
        Image.fromarray(on_map(looked.maps.of(ref), own, side)).save(drawn[-1])
    return drawn


def draw_shot(piece: Workpiece, shot: str, regions: tuple[Region, ...], path: Path) -> list[Occurrence]:
    """One shot as it should look, with every occurrence outlined; they are returned, as Sentinel would check them."""
    expected = expected_from(piece.passes(shot))
    seen = occurrences(expected, regions)
    Image.fromarray(on_shot(expected.display, seen)).save(path)
    return seen
