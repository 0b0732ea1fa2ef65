"""From a mesh and a shot to control passes."""

from pipeline.render.context import gl_info
from pipeline.render.renderer import Renderer
from pipeline.render.textures import Textures, load_textures

VERSION = 1  # bump when rendered output changes

__all__ = ["VERSION", "Renderer", "Textures", "gl_info", "load_textures"]
