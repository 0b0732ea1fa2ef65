"""The built-in shots, and how a catalogue's or product's own list changes them."""

from __future__ import annotations

import difflib
from dataclasses import replace

from pipeline.catalogue import EmbeddedCameraRef, OrbitCamera, Product, Region, Shot
from pipeline.errors import CatalogueError
from pipeline.prompts import filled
from pipeline.settings import Settings, ShotEntry

# Shoes are sold by their side: 90° looks at the side, slightly less shows the toe. A print wrapped around a
# cylinder is cut off beyond some 15°; a box shows two faces.
HERO_AZIMUTH_DEG = {"footwear": 62.0, "box": 32.0, "mug": 24.0, "bottle": 8.0, "jar": 8.0, "bag": 22.0}
DEFAULT_HERO_AZIMUTH_DEG = 30.0

# Where a lifestyle shot is taken: stage, and what a refiner is told of it.
PLACES = {"curb": "on a kerb in the sun, street behind out of focus",
          "cafe": "on a café table, room behind out of focus, warm lamps",
          "window": "on a wooden floor by a window, low warm sun"}
LIFESTYLE_STAGE = {"footwear": "curb", "bag": "curb", "sport": "curb", "mug": "cafe", "bottle": "cafe", "jar": "cafe",
                   "box": "cafe", "toy": "cafe"}
DEFAULT_LIFESTYLE_STAGE = "window"

BUILT_IN = {
    "hero": Shot("hero", OrbitCamera(elevation_deg=14.0, fill=0.62), 1920, 1080, "sweep",
                 prompt="homepage hero, studio product photograph, soft daylight"),
    "square": Shot("square", OrbitCamera(elevation_deg=10.0, fill=0.87), 1080, 1080, "white",
                   prompt="square advertisement, product photograph on pure white"),
    "lifestyle": Shot("lifestyle", OrbitCamera(elevation_deg=16.0, focal_mm=50.0, fill=0.66), 1080, 1350, "window",
                      prompt=f"lifestyle photograph, {PLACES['window']}"),
    "top": Shot("top", OrbitCamera(elevation_deg=89.0, fill=0.84), 1080, 1080, "white",
                prompt="seen from straight above, product photograph on pure white"),
    "detail": Shot("detail", OrbitCamera(elevation_deg=14.0, fill=0.6), 1080, 1080, "white",
                   prompt="close-up, sharp print and stitching"),
}


def shots_for(product: Product, settings: Settings, regions: tuple[Region, ...]) -> tuple[Shot, ...]:
    """The shots of one SKU: the manifest's list, else the catalogue's, else the built-in set.

    ``detail`` frames the largest label or logo and is absent where there is none.
    """
    entries = product.manifest.shots or settings.shots or tuple(BUILT_IN)
    shots = (_shot(entry, product, settings) for entry in entries)
    names = [entry if isinstance(entry, str) else entry.name for entry in entries]
    _check_channels(product, settings)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CatalogueError("shot_duplicate", f"{product.sku}: the shot {twice!r} is listed twice.",
                             "Give one of them another name.")
    marks = [region for region in regions if region.kind in ("label", "logo")]
    framed = max(marks, key=_uv_area).name if marks else None
    taken = tuple(replace(shot, framed_region=framed) if shot.name == "detail" else shot
                  for shot in shots if shot.name != "detail" or framed)
    if not taken:
        raise CatalogueError("no_shots", f"{product.sku}: there is no shot to take.",
                             "`detail` needs a label or logo in product.yaml; list another shot, such as square.")
    return taken


def prompt_for(product: Product, shot: Shot, settings: Settings) -> str:
    """What to tell a refiner: the catalogue's template, by default the product, the shot and the house's own words."""
    kinds = dict.fromkeys(material.kind for material in product.manifest.material.values() if material.kind)
    return filled(settings.prompt_template, {
        "product": product.manifest.prompt or product.description, "name": product.name, "category": product.category,
        "materials": ", ".join(kinds), "shot": shot.prompt, "stage": shot.stage, "house": settings.prompt})


def _shot(entry: str | ShotEntry, product: Product, settings: Settings) -> Shot:
    name = entry if isinstance(entry, str) else entry.name
    if isinstance(entry, str) and name not in BUILT_IN:
        raise CatalogueError("shot_unknown", f"There is no built-in shot {name!r}.",
                             f"Built in: {', '.join(BUILT_IN)}; or give the shot a camera of its own.")
    shot = BUILT_IN.get(name, Shot(name))
    camera = shot.camera
    if isinstance(camera, OrbitCamera) and name == "top":
        # A shoe lies with its toe to the right; everything else shows its front edge below.
        camera = replace(camera, azimuth_deg=90.0 if product.category == "footwear" else 180.0)
    elif isinstance(camera, OrbitCamera):
        camera = replace(camera, azimuth_deg=HERO_AZIMUTH_DEG.get(product.category, DEFAULT_HERO_AZIMUTH_DEG))
    if name == "lifestyle":
        stage = LIFESTYLE_STAGE.get(product.category, DEFAULT_LIFESTYLE_STAGE)
        if isinstance(entry, ShotEntry) and entry.stage is not None:
            stage = entry.stage
        place = PLACES.get(stage)
        shot = replace(shot, stage=stage, prompt=f"lifestyle photograph, {place}" if place else "lifestyle photograph")
    if isinstance(entry, ShotEntry):
        if entry.camera is not None:
            camera = EmbeddedCameraRef(entry.camera)
        elif isinstance(camera, OrbitCamera):
            given = {key: value for key in ("azimuth_deg", "elevation_deg", "focal_mm", "fill")
                     if (value := getattr(entry, key)) is not None}
            camera = replace(camera, **given)
        changes = {key: value for key in ("width", "height", "stage", "environment", "environment_turn_deg", "prompt")
                   if (value := getattr(entry, key)) is not None}
        shot = replace(shot, **changes)
    width, height = (max(64, round(side * settings.scale)) for side in (shot.width, shot.height))
    return replace(shot, camera=camera, width=width, height=height)


def _check_channels(product: Product, settings: Settings) -> None:
    """A channel is chosen for a built-in shot, or for one that the catalogue's or this product's list names."""
    listed = (*(settings.shots or ()), *(product.manifest.shots or ()))
    known = {*BUILT_IN, *(entry if isinstance(entry, str) else entry.name for entry in listed)}
    unknown = next((shot for shot in settings.channels if shot not in known), None)
    if unknown is not None:
        near = difflib.get_close_matches(unknown, sorted(known), n=1, cutoff=0.4)
        raise CatalogueError("channel_shot_unknown", f"catalogue.yaml: `channels` names the shot {unknown!r}, which "
                             "there is not.", f"Did you mean `{near[0]}`?" if near
                             else f"Shots: {', '.join(sorted(known))}.")


def _uv_area(region: Region) -> float:
    """Shoelace area of the region's polygon in uv."""
    corners = region.polygon
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, corners[1:] + corners[:1], strict=True))) / 2
