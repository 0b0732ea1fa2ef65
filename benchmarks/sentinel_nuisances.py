"""What may differ in an honest picture: light, white balance, exposure, blur, warp, noise, JPEG.

>>> drawn = draw(np.random.default_rng(5), white=False)
>>> picture = seen_through(drawn, image, alpha, rng)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.colour import from_display, quantise, srgb_encode, view_transform

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

SHARE = 0.5            # of the nuisances that a drawn picture has


@dataclass(frozen=True, slots=True)
class Nuisance:
    """Sizes of one picture's; 0 leaves the picture alone."""

    relight: float = 0.0       # relative size of a smooth, achromatic change of light over the product
    balance: float = 0.0       # relative change of red, opposite of blue; of the whole picture
    exposure: float = 0.0      # relative change of the product's light
    blur: float = 0.0          # σ px
    warp: float = 0.0          # largest displacement, px
    noise: float = 0.0         # σ code values, on the product where the backdrop is pure white
    jpeg: int = 0              # quality

    @property
    def names(self) -> str:
        """Which are there, for the table."""
        return "+".join(field.name for field in fields(self) if getattr(self, field.name)) or "plain"

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


LARGEST = Nuisance(relight=0.12, balance=0.04, exposure=0.10, blur=0.5, warp=0.5, noise=1.2, jpeg=85)


def draw(rng: np.random.Generator, white: bool) -> Nuisance:
    """Each nuisance with a chance of one half, of any size up to ``LARGEST``.

    On a white backdrop, which is composited and says nothing of the light, another white balance of the product is
    another colour: it is left out there.
    """
    chance, size = rng.random(7) < SHARE, rng.uniform(0.2, 1.0, 7)
    sign = rng.choice([-1.0, 1.0], 7)
    return Nuisance(
        relight=float(chance[0] * size[0] * LARGEST.relight),
        balance=float((not white) * chance[1] * sign[1] * size[1] * LARGEST.balance),
        exposure=float(chance[2] * sign[2] * size[2] * LARGEST.exposure),
        blur=float(chance[3] * size[3] * LARGEST.blur), warp=float(chance[4] * size[4] * LARGEST.warp),
        noise=float(chance[5] * size[5] * LARGEST.noise), jpeg=int(chance[6] * rng.integers(LARGEST.jpeg, 97)))


def seen_through(nuisance: Nuisance, image: U8, alpha: F32, white: bool, rng: np.random.Generator) -> U8:
    """The picture (H, W, 3) with all of them, in the order in which they come about. ``alpha``: (H, W) coverage."""
    shape, cover = alpha.shape, alpha[..., None]
    if nuisance.relight or nuisance.exposure:
        field = ndimage.gaussian_filter(rng.standard_normal(shape), max(shape) / 5, mode="nearest")
        gain = 1.0 + nuisance.exposure + nuisance.relight * field / max(float(np.abs(field).max()), 1e-9)
        coded = _lit(image, gain[..., None])
        image = quantise((image + cover * (coded - image)) / 255.0)
    if nuisance.balance:
        image = quantise(_lit(image, np.array([1.0 + nuisance.balance, 1.0, 1.0 - nuisance.balance])) / 255.0)
    picture = image.astype(np.float32)
    if nuisance.warp:
        way = np.stack([ndimage.gaussian_filter(rng.standard_normal(shape), max(shape) / 16) for _ in range(2)])
        grid = np.mgrid[0:shape[0], 0:shape[1]] + way * nuisance.warp / np.hypot(*way).max()
        picture = np.stack([ndimage.map_coordinates(picture[..., c], grid, order=3, mode="nearest") for c in range(3)],
                           axis=-1)
    if nuisance.blur:
        picture = ndimage.gaussian_filter(picture, (nuisance.blur, nuisance.blur, 0.0))
    if nuisance.noise:
        picture = picture + rng.normal(0.0, nuisance.noise, picture.shape) * (cover if white else 1.0)
    image = quantise(picture / 255.0)
    return _jpeg(image, nuisance.jpeg) if nuisance.jpeg else image


def _lit(image: U8, gain: NDArray[np.floating]) -> F32:
    """Code values 0..255 of the picture in light that is ``gain`` times as bright."""
    return np.asarray(255.0 * srgb_encode(view_transform(from_display(image) * gain)), np.float32)


def _jpeg(image: U8, quality: int) -> U8:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(buffer).convert("RGB"))
