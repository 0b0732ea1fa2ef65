"""Small catalogues that lose nothing: good products, one that Sentinel fails, one whose texture cannot be read."""

from __future__ import annotations

from pathlib import Path

from tests.small_catalogue import box_obj, checks

SETTINGS = """\
scale: 0.1
shots: [square]
regions_found: false
delivery: {deliver_unrefined: true}
rules: [{name: huge, reading: delivery.fill_share, min: 0.99, category: specimen}]
"""
GOOD = {"bar": ((0.2, 0.1, 0.12), (60, 140, 90)), "cube": ((0.1, 0.1, 0.1), (170, 60, 50))}
WITHHELD, BROKEN, CHANGED = "withheld", "broken", "cube"
SKUS = tuple(sorted([*GOOD, WITHHELD, BROKEN]))


def write_catalogue(root: Path, *, changed: bool = False) -> Path:
    """The catalogue, or the same with another texture of one product."""
    root.mkdir(parents=True)
    (root / "catalogue.yaml").write_text(SETTINGS)
    for sku, (size, colour) in GOOD.items():
        _product(root / sku, size, (200, 150, 40) if changed and sku == CHANGED else colour)
    _product(root / WITHHELD, (0.15, 0.2, 0.1), (120, 120, 60))
    (root / WITHHELD / "product.yaml").write_text("category: specimen\n")
    _product(root / BROKEN, (0.1, 0.2, 0.3), (90, 90, 90))
    (root / BROKEN / "diffuse.png").write_bytes(b"this is no picture")
    return root


def _product(folder: Path, size: tuple[float, float, float], colour: tuple[int, int, int]) -> None:
    folder.mkdir()
    (folder / "box.obj").write_text(box_obj(size))
    checks(colour).save(folder / "diffuse.png")
