"""Format writers: each puts one Model into a SKU folder. A new format is one new file and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from examples.generate.model import Model
from examples.generate.writers.fbx import write_fbx
from examples.generate.writers.glb import write_glb
from examples.generate.writers.gltf import write_gltf
from examples.generate.writers.obj import write_obj, write_obj_without_mtl
from examples.generate.writers.stl import write_stl

# Called with the model, the folder and the file's name without suffix.
WRITERS: Mapping[str, Callable[[Model, Path, str], None]] = {
    "fbx": write_fbx,
    "glb": write_glb,
    "gltf": write_gltf,
    "obj": write_obj,
    "obj-without-mtl": write_obj_without_mtl,
    "stl": write_stl,
}
