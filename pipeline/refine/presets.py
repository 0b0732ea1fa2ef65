"""Presets as data: ``presets.yaml``, validated.

>>> preset_data("sdxl-union").steps
30
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Family = Literal["sd15", "sdxl-union"]
Drive = Literal["depth", "normal", "edges"]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]

OWN_MODEL = "diffusers"        # the preset that brings no weights: a Stable Diffusion 1.5 folder or hub id of one's own


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedModel(_Strict):
    """Weights on the hub, and what their licence allows."""

    id: str
    revision: Commit | None                                  # None: whatever the branch holds; refused in production
    licence: str
    commercial_use: bool


class PublishedControlNet(PublishedModel):
    """A ControlNet, the pass that drives it, and the part of the steps in which it is heard."""

    drive: Drive
    scale: float
    start: float                                             # share of the steps
    end: float


class PresetData(_Strict):
    """One entry of presets.yaml; the meaning and limits of every value are RefinerSettings'."""

    family: Family
    summary: str
    model: PublishedModel
    controlnets: tuple[PublishedControlNet, ...]
    dtype: str
    steps: int
    strength: float
    guidance_scale: float
    product_strength: float
    edge_strength: float
    long_side: int
    offload: str
    vae_tiling: bool
    batch: int

    @property
    def models(self) -> tuple[PublishedModel, ...]:
        """Every model once, in the order they are loaded."""
        return tuple({each.id: each for each in (self.model, *self.controlnets)}.values())

    @property
    def commercial_use(self) -> bool:
        return all(each.commercial_use for each in self.models)

    def settings(self) -> dict[str, Any]:
        """The values as fields of RefinerSettings."""
        own = {"family", "summary", "model", "controlnets"}
        return {**self.model_dump(exclude=own), **_weights(self.model),
                "controlnets": [{**_weights(net), "drive": net.drive, "scale": net.scale, "start": net.start,
                                 "end": net.end} for net in self.controlnets]}


class _File(_Strict):
    schema_: Annotated[Literal[1], Field(alias="schema")]
    presets: dict[str, PresetData]


@cache
def all_presets() -> Mapping[str, PresetData]:
    """Every preset of the packaged file, by name."""
    text = resources.files(__package__).joinpath("presets.yaml").read_text(encoding="utf-8")
    return _File.model_validate(yaml.safe_load(text)).presets


def preset_data(name: str) -> PresetData | None:
    """The data of a preset; None for one that names no published weights."""
    return all_presets().get(name)


def family_of(name: str) -> Family:
    """Which pipeline class a preset drives."""
    data = preset_data(name)
    return data.family if data else "sd15"


def _weights(model: PublishedModel) -> dict[str, Any]:
    return {"model": model.id, "revision": model.revision or "", "licence": model.licence,
            "commercial_use": model.commercial_use}
