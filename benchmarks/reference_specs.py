"""What a made photo shows, what is known of it, and the file it is kept in."""

from __future__ import annotations

import io
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Kind = Literal["shoe", "mug", "bottle"]
View = Literal["top", "three-quarter", "side"]
Ground = Literal["plain", "wood", "stone", "fabric"]


@dataclass(frozen=True, slots=True)
class Spec:
    """One photo. A pair is a left and a right shoe."""

    kind: Kind
    count: int
    view: View
    ground: Ground
    seed: int
    width: int = 1024
    height: int = 1024

    def __post_init__(self) -> None:
        if self.count not in (1, 2) or (self.count == 2 and (self.kind != "shoe" or self.view == "side")):
            raise ValueError("pairs are of shoes, and from the side one hides the other")

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.count}-{self.view}-{self.ground}-{self.seed:04d}"


@dataclass(frozen=True, slots=True)
class Truth:
    """One product of a photo. Directions are unit vectors in the camera's axes (x right, y up, z backwards)."""

    mask: Mask                             # (H, W)
    view: F64                              # 4×4 mesh → camera, with the mirror
    front: F64                             # of a shoe where its toe points, of a mug its handle; of a bottle anything
    up: F64
    mirrored: bool
    left: bool                             # a left shoe; says nothing of others


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A photo and what is known of it."""

    spec: Spec
    data: bytes                            # a JPEG
    pixels: U8                             # (H, W, 3) of it
    figures: tuple[Truth, ...]             # from left to right in the picture
    plate: U8 | None                       # (H, W, 3) the ground alone, without shadow or noise, where asked for
    light: F64                             # (3,) towards the lamp, camera space
    focal_mm: float                        # 35 mm equivalent


def spec_of(number: int, seed: int = 0) -> Spec:
    """The numbered photo of an endless series: kinds, views, grounds and counts in turn."""
    kinds: tuple[Kind, ...] = ("shoe", "shoe", "mug", "shoe", "shoe", "bottle")
    views: tuple[View, ...] = ("top", "three-quarter", "side")
    grounds: tuple[Ground, ...] = ("plain", "wood", "stone", "fabric")
    kind = kinds[number % 6]
    view = views[(number // 6 + number) % 3]
    pair = kind == "shoe" and view != "side" and number % 2 == 1
    size = (640, 640) if number % 4 else (800, 600)  # products are looked for at 512 px
    return Spec(kind, 2 if pair else 1, view, grounds[(number + number // 4) % 4], seed + number, *size)


def save(made: Synthetic, path: Path) -> None:
    """Write one .npz; it appears whole or not at all."""
    spec = made.spec
    about = {"spec": asdict(spec), "focal_mm": made.focal_mm, "mirrored": [truth.mirrored for truth in made.figures],
             "left": [truth.left for truth in made.figures]}
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8), "data": np.frombuffer(made.data, np.uint8),
        "light": made.light, "masks": np.packbits(np.stack([truth.mask for truth in made.figures])),
        "views": np.stack([truth.view for truth in made.figures]),
        "fronts": np.stack([truth.front for truth in made.figures]),
        "ups": np.stack([truth.up for truth in made.figures])}
    if made.plate is not None:
        arrays["plate"] = made.plate
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def load(path: Path) -> Synthetic:
    """What :func:`save` wrote."""
    with np.load(path) as file:
        about = json.loads(file["about"].tobytes())
        spec = Spec(**about["spec"])
        count = len(about["left"])
        bits = np.unpackbits(file["masks"], count=count * spec.width * spec.height)
        masks = bits.reshape(count, spec.height, spec.width).astype(np.bool_)
        figures = tuple(Truth(masks[k], file["views"][k], file["fronts"][k], file["ups"][k], about["mirrored"][k],
                              about["left"][k]) for k in range(count))
        data = file["data"].tobytes()
        return Synthetic(spec, data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), figures,
                         file.get("plate"), file["light"], about["focal_mm"])
