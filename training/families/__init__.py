"""Families of procedural products.

    sample = make_sample("mug", 7)
    passes = Renderer().render(sample.known, shot, sample.known_textures)
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from training.families.backpack import backpack
from training.families.boot import boot
from training.families.bottle import bottle
from training.families.carton import carton
from training.families.cushion import cushion
from training.families.headwear import headwear
from training.families.kettle import kettle
from training.families.lamp import lamp
from training.families.mug import mug
from training.families.product import Builder
from training.families.puck import puck
from training.families.sample import sample_of
from training.families.shoe import shoe
from training.families.stool import stool
from training.families.tote import tote
from training.families.vase import vase
from training.types import Sample

FAMILIES: Mapping[str, Builder] = {
    "mug": mug, "bottle": bottle, "carton": carton, "cushion": cushion, "tote": tote, "shoe": shoe, "vase": vase,
    "puck": puck, "headwear": headwear, "stool": stool,
}
# Never trained on.
HELD_OUT: Mapping[str, Builder] = {"boot": boot, "kettle": kettle, "backpack": backpack, "lamp": lamp}


def make_sample(family: str, seed: int) -> Sample:
    """The product of a family that a seed stands for: always the same."""
    rng = np.random.default_rng([zlib.crc32(family.encode()), seed])
    builder = FAMILIES[family] if family in FAMILIES else HELD_OUT[family]
    return sample_of(family, seed, builder(rng), rng)


__all__ = ["FAMILIES", "HELD_OUT", "Builder", "make_sample"]
