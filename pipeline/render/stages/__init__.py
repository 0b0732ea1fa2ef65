"""The stages by name. A new one is a module beside these that defines ``STAGE``, and its entry here."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import RenderError
from pipeline.render.sets import SETS, is_baked, stage_of
from pipeline.render.stage import Stage
from pipeline.render.stages import white

STAGES: Mapping[str, Stage] = {stage.name: stage for stage in (
    white.STAGE, *(stage_of(name) for name in SETS if is_baked(name)))}
ALIASES: Mapping[str, str] = {"lifestyle": "window"}


def find_stage(name: str) -> Stage:
    """The stage of that name. Raises RenderError ``stage_unknown``."""
    name = ALIASES.get(name, name)
    if name not in STAGES:
        raise RenderError("stage_unknown", f"There is no stage {name!r}.", f"Stages: {', '.join(STAGES)}.")
    return STAGES[name]


def stage_hash(name: str) -> str:
    """Hash of everything that defines the stage; part of what passes depend on. Raises RenderError."""
    return find_stage(name).sha256
