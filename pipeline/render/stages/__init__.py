"""The stages by name. A new one is a module beside these that defines ``STAGE``, and its entry here."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.catalogue import Shot
from pipeline.errors import RenderError
from pipeline.render.sets import SETS, is_baked, stage_of
from pipeline.render.stage import Stage
from pipeline.render.stages import photo, white

STAGES: Mapping[str, Stage] = {stage.name: stage for stage in (
    white.STAGE, *(stage_of(name) for name in SETS if is_baked(name)))}
ALIASES: Mapping[str, str] = {"lifestyle": "window"}


def find_stage(name: str) -> Stage:
    """The stage of that name. Raises RenderError ``stage_unknown``."""
    name = ALIASES.get(name, name)
    if name not in STAGES:
        raise RenderError("stage_unknown", f"There is no stage {name!r}.", f"Stages: {', '.join(STAGES)}.")
    return STAGES[name]


def stage_of_shot(shot: Shot) -> Stage:
    """Where a shot is taken: the stage it names, or a photo's light. Raises RenderError ``stage_unknown``."""
    return find_stage(shot.stage) if shot.light is None else photo.stage_in(shot.light)


def stage_hash(shot: Shot) -> str:
    """Hash of everything that defines a shot's stage; part of what passes depend on. Raises RenderError."""
    return stage_of_shot(shot).sha256
