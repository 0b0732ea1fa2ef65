"""The identity lock: whatever a refiner painted, the product keeps its albedo, its print and its outline.

>>> locked = lock(picture, passes, regions)
>>> locked.pixels                          # (H, W, 3) uint8: the refiner's light on the product's own colours

In scene-linear light, through the inverse view transform:

- the raster's specular light, with a gain fitted per material, is split off;
- what remains is albedo × light. The light is an achromatic gain k on the raster's diffuse light, smooth
  over a few pixels, never averaged across two instances or materials; the albedo is the passes'.
  This is the ratio A · blur(D) / blur(A) + S with the raster's shading inside both blurs;
- fine shading that the refiner added stays where the albedo around it is flat: there no texture can be wrong;
- labels, logos and stitching are set anew: exact albedo under light so smooth that no smeared glyph is left in it;
- the outline is alpha's: product over background, the latter carried under the product's edge.

Where an earlier picture of the shot was wrong, restraints make the lock treat the place as a region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.catalogue import Region
from pipeline.colour import from_display, quantise, srgb_encode, view_transform
from pipeline.refine.lock_fields import Segment, Window, luminance, segments_of, smooth
from pipeline.refine.lock_light import (
    Parts,
    cast_of,
    fit_gloss,
    gloss_share,
    legitimate,
    light_gain,
    light_step,
    ramp,
    structure,
    unclipped,
)
from pipeline.refine.lock_plate import AGREES, SPREAD, grown, plate_behind, pure_white
from pipeline.refine.lock_settings import LONG_SIDE, LockSettings
from pipeline.refine.regions_in_picture import coverage_of
from pipeline.refine.restraining import freedom_map
from pipeline.refine.types import Restraint
from pipeline.render.types import F32, ControlPasses

VERSION = 2                    # bumped by hand when a locked picture changes
FLAT = 0.05                    # of log albedo; detail above it makes fine shading suspect of being texture
FAITHFUL = (0.80, 0.95)        # of SSIM's structure term: from where detail is believed, and from where wholly
CAST_SPREAD = 0.12             # of the product's extent, σ; a colour cast is slower than that, a coloured thing is not
SOLID = 0.999                  # alpha from which a pixel is all product


@dataclass(frozen=True, slots=True)
class Locked:
    """The picture after the lock, and what was done to it."""

    pixels: NDArray[np.uint8]              # (H, W, 3) sRGB
    record: dict[str, object]              # JSON-able, for the provenance


def lock(pixels: NDArray[np.uint8], passes: ControlPasses, regions: Sequence[Region] = (),
         settings: LockSettings | None = None, restraints: Sequence[Restraint] = ()) -> Locked:
    """Lock (H, W, 3) sRGB pixels of the passes' own size. The same input gives the same bytes."""
    chosen = settings or LockSettings()
    window = _window(passes, margin=_scaled(8.0 * SPREAD, passes))
    if window is None:
        return Locked(pixels.copy(), {"version": VERSION, "regions": 0})
    protected = coverage_of(passes, regions)
    told: dict[str, object] = {
        "version": VERSION, "aligned": chosen.aligned, "regions": len(regions),
        "protected_share": round(float(protected.sum() / max(passes.alpha.sum(), 1.0)), 4)}
    if restraints:
        held = (1.0 - freedom_map(passes.alpha.shape, restraints)) * passes.alpha
        protected = np.maximum(protected, held)
        told["restrained_share"] = round(float(held.sum() / max(passes.alpha.sum(), 1.0)), 4)
    out = pixels.copy()
    out[window] = _locked(pixels[window], _cut(passes, window), protected[window], chosen,
                          max(passes.alpha.shape) / LONG_SIDE)
    return Locked(out, told)


def _scaled(length: float, passes: ControlPasses) -> float:
    """A length at a long side of 1024, in this picture's pixels."""
    return float(length * max(passes.alpha.shape) / LONG_SIDE)


def _window(passes: ControlPasses, margin: float) -> Window | None:
    covered = passes.alpha > 0.0
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if not len(rows):
        return None
    height, width = passes.alpha.shape
    extra = int(np.ceil(margin))
    return (slice(max(int(rows[0]) - extra, 0), min(int(rows[-1]) + 1 + extra, height)),
            slice(max(int(columns[0]) - extra, 0), min(int(columns[-1]) + 1 + extra, width)))


@dataclass(frozen=True, slots=True)
class _Cut:
    """What the passes say of one window of the picture."""

    alpha: F32                             # (h, w)
    albedo: F32                            # (h, w, 3)
    metal: F32                             # (h, w) 0..1; it has no albedo to lock, and reflections that no raster knows
    parts: Parts
    plate: F32                             # (h, w, 3) linear, or the shadow ratio on white
    white: bool
    segments: list[Segment]
    solid: F32                             # (h, w) 1 where a pixel is all product


def _cut(passes: ControlPasses, window: Window) -> _Cut:
    albedo = passes.diffuse_albedo[window]
    metal = 1.0 - luminance(albedo) / np.maximum(luminance(passes.base_color[window]), np.float32(1e-3))
    parts = Parts(albedo * passes.diffuse[window], passes.specular[window], passes.emissive[window])
    return _Cut(passes.alpha[window], albedo, np.clip(metal, 0.0, 1.0), parts, passes.plate[window],
                passes.white_backdrop, segments_of(passes, window),
                np.asarray(passes.alpha[window] >= SOLID, np.float32))


def _locked(pixels: NDArray[np.uint8], cut: _Cut, protected: F32, settings: LockSettings, scale: float
            ) -> NDArray[np.uint8]:
    """(h, w, 3) the window after the lock; pixels it has no reason to touch keep their bytes."""
    seen = from_display(pixels)
    edge = 0 if settings.aligned else int(np.ceil(settings.edge_px * scale))
    trust = _trusted(cut, edge) * unclipped(pixels)
    if not settings.aligned:
        seen = seen / cast_of(seen, cut.parts, trust, CAST_SPREAD * max(seen.shape))
    region_sigma, detail_sigma = settings.region_px * scale, settings.detail_px * scale
    gloss_gain = fit_gloss(seen, cut.parts, trust, cut.segments, region_sigma)
    gloss = gloss_gain[..., None] * cut.parts.gloss + cut.parts.glow
    matt = luminance(cut.parts.matt)
    shown, shine = luminance(seen), luminance(gloss)
    calm = trust * (1.0 - gloss_share(cut.parts, gloss_gain)) ** 2
    slow = light_gain(shown, matt, shine, calm, cut.segments, region_sigma)
    fast = light_step(shown, matt, shine, calm, cut.segments, detail_sigma, slow)
    in_print = _feathered(protected, cut.alpha, max(1, round(settings.feather_px * scale)))
    if settings.aligned:
        return _with_print(pixels, cut, _filled(slow, cut), _filled(fast, cut), gloss, in_print * cut.alpha)
    fast, slow = _filled(fast, cut), _filled(slow, cut)
    expected = cut.parts.matt * fast[..., None] + gloss
    # Against the slow light: the fast one would follow a blurred picture and call it right.
    faithful = ramp(structure(shown, matt * slow + shine, cut.solid, 2.0 * detail_sigma), *FAITHFUL)
    flat = _flatness(cut.albedo, detail_sigma) * np.minimum(4.0 * trust, 1.0)
    kept = settings.relief * cut.solid * (1.0 - (1.0 - faithful) * (1.0 - flat) * (1.0 - cut.metal))
    outside = expected + kept[..., None] * legitimate(seen - expected, expected, cut.parts.gloss)
    inside = cut.parts.matt * (slow + (fast - slow) * faithful)[..., None] + gloss
    colour = outside + (inside - outside) * (in_print * (1.0 - cut.metal))[..., None]
    return _composited(pixels, np.maximum(colour, 0.0), cut, edge, SPREAD * scale)


def _trusted(cut: _Cut, edge: int) -> F32:
    """(h, w) how far a pixel of the refined picture shows its own segment alone, 0..1."""
    inner = np.zeros(cut.alpha.shape, np.float32)
    for segment in cut.segments:
        inside = np.pad(segment.inside, 2).astype(np.float32)
        share = ndimage.uniform_filter(inside, 5, mode="constant")[2:-2, 2:-2]
        # All of it five pixels in, a hundredth on the border itself: thin parts have nothing better.
        inner[segment.window][segment.inside] = np.clip(2.0 * share[segment.inside] - 1.0, 0.1, 1.0) ** 2
    solid = ndimage.minimum_filter(cut.solid, size=2 * edge + 1) if edge else cut.solid
    return np.asarray(inner * (0.01 * cut.solid + 0.99 * solid), np.float32)


def _feathered(protected: F32, alpha: F32, reach: int) -> F32:
    """(h, w) 1 in the regions, falling to 0 over twice ``reach`` pixels outside; not weighed by alpha."""
    if not protected.any():
        return protected
    share = np.minimum(protected / np.maximum(alpha, 1e-3), 1.0)
    wide = ndimage.maximum_filter(share, size=2 * reach + 1)
    return np.maximum(share, ndimage.uniform_filter(wide, 2 * reach + 1))


def _flatness(albedo: F32, sigma: float) -> F32:
    """(h, w) 1 where the albedo has no detail near that a refiner could have got wrong, 0 at print and edges."""
    reach = 2 * int(np.ceil(2.0 * sigma)) + 1
    spread = np.zeros(albedo.shape[:2], np.float32)
    for channel in range(3):
        log = np.log(albedo[..., channel] + np.float32(0.02))
        span = ndimage.maximum_filter(log, size=reach) - ndimage.minimum_filter(log, size=reach)
        np.maximum(spread, span, out=spread)
    return smooth(np.asarray(1.0 / (1.0 + (spread / np.float32(FLAT)) ** 2), np.float32), sigma)


def _filled(gain: F32, cut: _Cut) -> F32:
    """The gain on silhouette pixels whose centre misses the product, from their neighbours."""
    known = np.zeros(gain.shape, np.float32)
    for segment in cut.segments:
        known[segment.window][segment.inside] = 1.0
    around = (smooth(gain * known, 1.0) + 1e-4) / (smooth(known, 1.0) + 1e-4)
    return np.where(known > 0.0, gain, around).astype(np.float32)


def _display(colour: F32) -> F32:
    """Scene-linear light to code values 0..1."""
    return srgb_encode(view_transform(colour))


def _composited(pixels: NDArray[np.uint8], colour: F32, cut: _Cut, edge: int, spread: float) -> NDArray[np.uint8]:
    """The locked product over the picture's own background, its outline where alpha has it."""
    touched = cut.alpha > 0.0
    rim = grown(touched, edge + 1)
    coded = pixels.astype(np.float32) / np.float32(255.0)
    ground, plate = (coded, pure_white(cut.plate)) if cut.white else (from_display(pixels), cut.plate)
    behind = plate_behind(ground, plate, ~rim, spread)
    ring = rim & (cut.alpha < 1.0)
    alpha, out = cut.alpha[ring][:, None], pixels.copy()
    full = touched & ~ring
    out[full] = quantise(_display(colour[full]))
    if cut.white:
        mixed = _display(colour[ring]) * alpha + behind[ring] * (1.0 - alpha)
    else:
        mixed = _display(colour[ring] * alpha + behind[ring] * (1.0 - alpha))
    astray = np.abs(mixed - coded[ring]).max(axis=-1) > AGREES
    out[ring] = np.where((touched[ring] | astray)[:, None], quantise(mixed), pixels[ring])
    return out


def _with_print(pixels: NDArray[np.uint8], cut: _Cut, slow: F32, near: F32, gloss: F32, share: F32
                ) -> NDArray[np.uint8]:
    """Only the regions set anew; everything else keeps its bytes."""
    coded = pixels.astype(np.float32) / np.float32(255.0)
    exact = _display(cut.parts.matt * slow[..., None] + gloss)
    # Under a silhouette the pixel also holds background: there the product's own part is estimated.
    now = np.where(cut.solid[..., None] > 0.0, coded, _display(cut.parts.matt * near[..., None] + gloss))
    return np.where((share > 0.0)[..., None], quantise(coded + (exact - now) * share[..., None]), pixels)
