"""Environments from ``.hdr`` and ``.exr`` files, as light for any stage."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from pipeline.errors import RenderError
from pipeline.render.environment import panorama_directions
from pipeline.render.stage import Environment, Stage

SUFFIXES = (".hdr", ".exr")
SAMPLES = 64               # shadow-casting directions of an environment
WHITE_CARD = 0.95          # what a white card on the floor sends back: exposure is the stage's, not the file's
_ROWS = 512                # kept of larger files; no reflection shows more
_MAX_PIXELS = 1 << 27

F32 = NDArray[np.float32]


def read_panorama(data: bytes, name: str, turn_deg: float = 0.0) -> Environment:
    """Decode a latitude-longitude panorama; its middle stands behind the product, turned by ``turn_deg`` to the right.

    Its brightness is set so that a white card on the floor sends back WHITE_CARD. Raises RenderError
    ``environment_unreadable``.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".hdr":
        image = _radiance_hdr(data, name)
    elif suffix == ".exr":
        image = _open_exr(data, name)
    else:
        raise _unreadable(name, "it is neither .hdr nor .exr")
    rows, columns = image.shape[:2]
    if abs(columns - 2 * rows) > 2 or rows < 16:
        raise _unreadable(name, f"{columns}×{rows} is not twice as wide as high")
    image = _reduced(np.clip(np.nan_to_num(image, nan=0.0, posinf=6e4, neginf=0.0), 0.0, 6e4))
    image = np.roll(image, round(turn_deg / 360.0 * image.shape[1]), axis=1)
    card = _white_card(image)
    if not card > 0.0:
        raise _unreadable(name, "no light comes from above")
    image = np.ascontiguousarray(image * (WHITE_CARD / card), np.float32)
    return Environment(image, hashlib.sha256(data + str(turn_deg).encode()).hexdigest())


def lit_by(stage: Stage, environment: Environment) -> Stage:
    """The stage's backdrop in another light."""
    return replace(stage, key=None, others=(), environment=environment, dome_samples=SAMPLES)


def _white_card(image: F32) -> float:
    """Green light that an upward white card sends back."""
    rows = image.shape[0]
    height = panorama_directions(rows)[..., 1]
    solid = np.sqrt(np.maximum(1.0 - height * height, 0.0)) * (math.pi / rows) ** 2
    return float((image[..., 1] * np.maximum(height, 0.0) * solid).sum() / math.pi)


def _reduced(image: F32) -> F32:
    """Box-filtered to at most _ROWS rows, and exactly twice as wide as high."""
    rows = image.shape[0]
    step = max(1, rows // _ROWS)
    rows = rows // step * step
    image = image[:rows]
    columns = 2 * rows
    if image.shape[1] < columns:
        image = np.concatenate([image, image[:, -1:].repeat(columns - image.shape[1], axis=1)], axis=1)
    image = image[:, :columns]
    reduced: F32 = image.reshape(rows // step, step, columns // step, step, 3).mean(axis=(1, 3)).astype(np.float32)
    return reduced


def _open_exr(data: bytes, name: str) -> F32:
    with tempfile.TemporaryDirectory(prefix="packshot-") as folder:
        path = os.path.join(folder, "panorama.exr")
        with open(path, "wb") as file:
            file.write(data)
        try:
            channels = OpenEXR.File(path, separate_channels=True).parts[0].channels
            return np.stack([channels[key].pixels for key in "RGB"], axis=-1).astype(np.float32)
        except Exception as error:  # OpenEXR raises RuntimeError, ValueError or TypeError by what is wrong
            raise _unreadable(name, "it is not an OpenEXR picture with channels R, G and B") from error


def _radiance_hdr(data: bytes, name: str) -> F32:
    """Radiance's RGBE (G. Ward, "Real Pixels", Graphics Gems II), flat or with run-length coded rows."""
    head, _, body = data.partition(b"\n\n")
    if not head.startswith((b"#?RADIANCE", b"#?RGBE")) or b"32-bit_rle_rgbe" not in head:
        raise _unreadable(name, "it is not a Radiance picture")
    line, _, body = body.partition(b"\n")
    words = line.split()
    if len(words) != 4 or words[0] != b"-Y" or words[2] != b"+X" or not (words[1].isdigit() and words[3].isdigit()):
        raise _unreadable(name, "its rows do not run from top left")
    rows, columns = int(words[1]), int(words[3])
    if not 0 < rows * columns <= _MAX_PIXELS:
        raise _unreadable(name, f"it claims {columns}×{rows} pixels")
    raw = np.frombuffer(body, np.uint8)
    if len(raw) == rows * columns * 4:
        coded = raw.reshape(rows, columns, 4)
    else:
        coded = np.empty((rows, columns, 4), np.uint8)
        at = 0
        for row in range(rows):
            at = _row(raw, at, coded[row], name)
    mantissa = coded[..., :3].astype(np.float32)
    scale = np.ldexp(np.float32(1.0), coded[..., 3].astype(np.int32) - 136)
    return np.where(coded[..., 3:] > 0, (mantissa + 0.5) * scale[..., None], 0.0).astype(np.float32)


def _row(raw: NDArray[np.uint8], at: int, row: NDArray[np.uint8], name: str) -> int:
    """Decode one run-length coded row of (columns, 4); where the next begins."""
    columns = len(row)
    damaged = _unreadable(name, "its pixels end early or are damaged")
    if at + 4 > len(raw) or raw[at] != 2 or raw[at + 1] != 2 or (int(raw[at + 2]) << 8 | int(raw[at + 3])) != columns:
        raise damaged
    at += 4
    for channel in range(4):
        x = 0
        while x < columns:
            if at >= len(raw):
                raise damaged
            count = int(raw[at])
            run = count > 128
            count = count - 128 if run else count
            taken = 1 if run else count
            if count == 0 or x + count > columns or at + 1 + taken > len(raw):
                raise damaged
            row[x:x + count, channel] = raw[at + 1:at + 1 + taken]
            at += 1 + taken
            x += count
    return at


def _unreadable(name: str, why: str) -> RenderError:
    return RenderError("environment_unreadable", f"{name} cannot light a stage: {why}.",
                       "Give a latitude-longitude panorama as .hdr or .exr, twice as wide as high.")
