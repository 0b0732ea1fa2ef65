"""Places modelled in 3D. A new one is a module beside these that defines ``SET``, its baked light, its entry here."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pipeline.render.sets import cafe, curb, sweep, window
from pipeline.render.sets.types import StageSet
from pipeline.render.stage import Environment, Stage

SETS: Mapping[str, StageSet] = {each.name: each for each in (sweep.SET, window.SET, cafe.SET, curb.SET)}
DOME_SAMPLES = 24


@dataclass(frozen=True, slots=True)
class BakedLight:
    """What bake.py has written."""

    key: NDArray[np.float16]               # (ATLAS, ATLAS, 3)
    rest: NDArray[np.float16]
    probe: NDArray[np.float32]             # (H, 2·H, 3) panorama at the product's place
    sha256: str


def is_baked(name: str) -> bool:
    """Whether a set has its light; one that is being made has none yet."""
    return files("pipeline.render.sets").joinpath(f"{name}.npz").is_file()


@cache
def baked(name: str) -> BakedLight:
    data = files("pipeline.render.sets").joinpath(f"{name}.npz").read_bytes()
    with np.load(io.BytesIO(data)) as found:
        return BakedLight(found["key"], found["rest"], found["probe"].astype(np.float32),
                          hashlib.sha256(data).hexdigest())


def source(module: str) -> bytes:
    """Of what a set looks like, beside its panels and light: a change in it is a change of every set."""
    return files("pipeline.render.sets").joinpath(f"{module}.py").read_bytes()


def stage_of(name: str) -> Stage:
    """The set as a stage: the product is lit by the key and by what surrounds its place, and mirrors it."""
    stage_set, light = SETS[name], baked(name)
    black = (0.0, 0.0, 0.0)
    code = b"".join(source(module) for module in ("panels", "textures", "draw"))
    sha256 = hashlib.sha256((light.sha256 + repr(stage_set)).encode() + code).hexdigest()
    return Stage(name, "set", stage_set.key, stage_set.others, black, black, black, DOME_SAMPLES,
                 stage_set.floor_albedo, environment=Environment(light.probe, sha256))
