"""A reference photo as plain sRGB pixels, whatever file it comes in."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from pipeline.errors import PhotoError

U8 = NDArray[np.uint8]

SMALLEST_SIDE = 256        # px; below it a silhouette says too little
LARGEST_SIDE = 4096        # px; a larger photo is made smaller, and the shot with it
MOST_MEGAPIXELS = 120.0    # refused unread above: memory, 4 bytes a pixel
FOCAL_MM = 50.0            # of a camera that does not say: 35 mm equivalent
_EXIF_IFD, _FOCAL_35 = 0x8769, 0xA405


@dataclass(frozen=True, slots=True)
class Photo:
    """An upright photo."""

    pixels: U8                             # (H, W, 3) sRGB
    focal_mm: float = FOCAL_MM             # 35 mm equivalent
    reduced: float = 1.0                   # of the file's size

    @property
    def focal_px(self) -> float:
        """Focal length in pixels: 36 mm are the longer side."""
        return self.focal_mm / 36.0 * float(max(self.pixels.shape[:2]))


def read_photo(data: bytes, name: str) -> Photo:
    """Decode a photo: turned as EXIF says, its profile converted to sRGB, transparency laid on white.

    CMYK, grey and 16-bit files become 8-bit sRGB. Raises PhotoError ``photo_unreadable``, ``photo_small`` or
    ``photo_large``.
    """
    try:
        with warnings.catch_warnings():  # Pillow's own limit of size is nearer than ours
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(data))
        with opened:
            megapixels = opened.width * opened.height / 1e6
            if megapixels > MOST_MEGAPIXELS:
                raise PhotoError("photo_large", f"{name} has {megapixels:.0f} megapixels; {MOST_MEGAPIXELS:.0f} are "
                                 "read.", f"Make it smaller: {LARGEST_SIDE} px are used at most.")
            opened.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))  # a large JPEG is decoded at a fraction of its size
            full = max(opened.size)
            focal = opened.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_35)
            image = _srgb(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError("photo_unreadable", f"{name} cannot be read as a picture: {error}",
                         "Give a PNG, JPEG, WebP or TIFF file.") from error
    if min(image.size) < SMALLEST_SIDE:
        raise PhotoError("photo_small", f"{name} is {image.width} × {image.height} px.",
                         f"Give a photo of at least {SMALLEST_SIDE} px on its shorter side.")
    if max(image.size) > LARGEST_SIDE:
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    known = float(focal) if isinstance(focal, int) and 8 <= focal <= 800 else FOCAL_MM
    return Photo(np.asarray(image), known, max(image.size) / full)


def _srgb(image: Image.Image) -> Image.Image:
    """Any mode as 8-bit sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        high = 65535.0 if values.max() > 255.0 else 255.0
        image = Image.fromarray(np.clip(values / high * 255.0 + 0.5, 0, 255).astype(np.uint8))
        profile = None
    clear = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    alpha = image.convert("RGBA").getchannel("A") if clear else None
    opaque = image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(opaque, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            opaque = converted if converted is not None else opaque
        except ImageCms.PyCMSError:
            pass  # a damaged profile: the pixels are taken as they are
    opaque = opaque.convert("RGB")
    return opaque if alpha is None else Image.composite(opaque, Image.new("RGB", opaque.size, "white"), alpha)
