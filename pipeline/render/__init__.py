"""From a mesh and a shot to control passes."""

from pipeline.render.context import gl_info
from pipeline.render.exr import load_passes, save_passes, shot_from_dict, shot_to_dict
from pipeline.render.panoramas import read_panorama
from pipeline.render.previews import preview_images
from pipeline.render.renderer import Renderer
from pipeline.render.scene import Scene, compose
from pipeline.render.stage import Environment
from pipeline.render.stages import STAGES, stage_hash
from pipeline.render.textures import Textures, load_textures

VERSION = 3  # bump when rendered output changes

__all__ = ["STAGES", "VERSION", "Environment", "Renderer", "Scene", "Textures", "compose", "gl_info", "load_passes",
           "load_textures", "preview_images", "read_panorama", "save_passes", "shot_from_dict", "shot_to_dict",
           "stage_hash"]
