"""How far the identity lock trusts a refiner. A preset that says nothing gets the defaults, meant for strong ones."""

from __future__ import annotations

from dataclasses import dataclass

LONG_SIDE = 1024               # pixels of a picture's long side to which every length below refers; they scale with it


@dataclass(frozen=True, slots=True)
class LockSettings:
    """Lengths are pixels at a long side of 1024."""

    aligned: bool = False          # the refiner cannot move or recolour anything: only regions are locked
    detail_px: float = 2.0         # σ below which detail comes from the albedo; 4 brings blurred texture back
    region_px: float = 12.0        # σ of the light inside regions; less lets smeared glyphs through, more flattens it
    feather_px: float = 3.0        # from a region's edge outwards; narrower shows a seam, wider touches the material
    edge_px: float = 3.0           # how far the refiner may have moved the silhouette; 0 trusts it
    relief: float = 1.0            # share of fine shading kept where the albedo is flat; 0 keeps only coarse light


UNTRUSTED = LockSettings()             # a model that redraws the picture
ALIGNED = LockSettings(aligned=True, edge_px=0.0)  # one that only adds light and zero-mean relief to the passes
