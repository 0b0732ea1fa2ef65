"""What a refiner is asked to be: one frozen settings object, from code, a file or the environment."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import RefineError
from pipeline.refine import pins as pin_file
from pipeline.refine.presets import Drive, preset_data

VARIABLE = "PACKSHOT_REFINER"
PREFIX = VARIABLE + "_"
FILE_SUFFIXES = (".json", ".yaml", ".yml")
PINS_VARIABLE = PREFIX + "PINS"
PRODUCTION_VARIABLE = "PACKSHOT_PRODUCTION"
_NO = ("", "0", "false", "no", "off")

# depth · depth@0.8 · depth@0.8=folder-or-hub-id
_CONTROLNET = re.compile(r"(?P<drive>[a-z]+)(@(?P<scale>[0-9.]+))?(=(?P<model>.+))?")


OF_THE_MODEL = ("revision", "sha256", "licence", "commercial_use")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Weights(_Strict):
    """A model, and what is known of it."""

    model: str = ""                                          # folder, s3:// path or hub id; safetensors only
    revision: str = ""                                       # hub commit or branch; pin a commit, a branch may move
    sha256: str = ""                                         # of a folder, as `packshot explain` shows it; checked
    licence: str = ""                                        # of the weights, in words; "" unknown
    commercial_use: bool = True                              # whether that licence allows it


class ControlNetSettings(Weights):
    """One ControlNet and the pass that drives it. Without a model it is the one in the pipeline's folder."""

    drive: Drive = "depth"                                   # must be what the ControlNet was trained on
    scale: Annotated[float, Field(ge=0, le=2)] = 0.8         # 0 ignores the pass; above 1 looks etched
    start: Annotated[float, Field(ge=0, lt=1)] = 0.0         # share of the steps before it is heard
    end: Annotated[float, Field(gt=0, le=1)] = 1.0           # and after which it is not; lines to the end look etched

    @model_validator(mode="after")
    def _is_heard(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"start {self.start:g} is not before end {self.end:g}")
        return self


class RefinerSettings(Weights):
    """Which refiner, and how it runs. Every field has a working default."""

    preset: str = "embedded"                                 # an entry of pipeline.refine.PRESETS
    controlnets: Annotated[tuple[ControlNetSettings, ...], Field(min_length=1, max_length=3)] = (ControlNetSettings(),)
    allow_noncommercial: bool = False                        # use weights whose licence forbids commercial use
    production: bool = False                                 # refuse hub weights that are not pinned to a commit
    strength: Annotated[float, Field(gt=0, le=1)] = 0.4      # share of the noise schedule; above 0.6 redraws labels
    steps: Annotated[int, Field(ge=1, le=200)] = 30          # of the whole schedule; steps × strength are computed
    per_pixel_strength: bool = True                          # False: one strength everywhere, labels included
    product_strength: Annotated[float, Field(ge=0, le=1)] = 0.7  # share of ``strength`` inside the product
    edge_strength: Annotated[float, Field(ge=0, le=1)] = 0.3  # and along its silhouette and its stitching
    guidance_scale: Annotated[float, Field(ge=0, le=30)] = 6.0  # ≤ 1 ignores the negative prompt and halves the work
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"  # auto: float16 on a GPU, else float32
    offload: Literal["none", "auto", "model", "sequential"] = "none"  # auto: model on a GPU of less than 16 GB;
    #                                                          sequential: slow, fits 4 GB
    device: str = "auto"                                     # auto: cuda where there is one, else cpu; or cuda:1
    threads: Annotated[int, Field(ge=0, le=256)] = 0         # CPU; 0: one per core. More than are free is far slower
    batch: Annotated[int, Field(ge=1, le=64)] = 1            # images per forward pass; part of the image's identity
    vae_tiling: bool = False                                 # decode in tiles: less memory, faint seams above 1024 px
    long_side: Annotated[int, Field(ge=64, le=4096)] = 768   # px worked at; larger passes are reduced, come back soft
    local_files_only: bool = False                           # never ask the hub; False may download gigabytes once

    @model_validator(mode="before")
    @classmethod
    def _on_its_preset(cls, value: Any) -> Any:
        """Values of presets.yaml where none is given. Another model has another revision and licence."""
        data = preset_data(str(value.get("preset"))) if isinstance(value, dict) else None
        if data is None:
            return value
        defaults = data.settings()
        if value.get("model", defaults["model"]) != defaults["model"]:
            defaults = {name: default for name, default in defaults.items() if name not in OF_THE_MODEL}
        return {**defaults, **value}

    @model_validator(mode="after")
    def _takes_a_step(self) -> Self:
        if int(self.steps * self.strength) < 1:
            raise ValueError(f"steps × strength is {self.steps * self.strength:.2f}: below one step nothing is refined")
        return self

    @classmethod
    def parse(cls, value: Mapping[str, Any], source: str = "the refiner's settings") -> Self:
        """Validated settings; RefineError names the first wrong field of ``source``."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "settings"
            raise RefineError("refiner_settings", f"{source}: {where}: {first['msg']}.",
                              f"Fields: {', '.join(cls.model_fields)}.") from error

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Settings in a JSON or YAML file. Model folders may be given relative to the file."""
        file = Path(path).expanduser()
        try:
            value = json.loads(file.read_text()) if file.suffix == ".json" else yaml.safe_load(file.read_text())
        except OSError as error:
            raise RefineError("refiner_file", f"The refiner file {file} cannot be read.",
                              f"Correct {VARIABLE} or create the file.") from error
        except (json.JSONDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise RefineError("refiner_file", f"{file.name} is not valid {file.suffix.lstrip('.').upper()}.",
                              "One field per line, for example `preset: none`.") from error
        if not isinstance(value, dict):
            raise RefineError("refiner_file", f"{file.name} does not hold settings.", "Begin with `preset: none`.")
        settings = cls.parse(value, file.name)
        nets = tuple(net.model_copy(update={"model": _beside(file, net.model)}) for net in settings.controlnets)
        return settings.model_copy(update={"model": _beside(file, settings.model), "controlnets": nets})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Settings from ``PACKSHOT_REFINER`` and ``PACKSHOT_REFINER_<FIELD>``.

        ``PACKSHOT_REFINER`` is a preset (``none``), a preset with its model (``diffusers:/models/sd15`` or
        ``diffusers:owner/name``) or a .json/.yaml file. Any other field follows as a variable of its name,
        and wins: ``PACKSHOT_REFINER_STRENGTH=0.5``. ControlNets are a list of ``drive[@scale][=model]``:
        ``PACKSHOT_REFINER_CONTROLNETS=depth@0.8=/models/depth,edges@0.4=owner/name``.
        """
        variables = os.environ if environment is None else environment
        chosen = variables.get(VARIABLE, "").strip()
        base = cls()
        if chosen.endswith(FILE_SUFFIXES):
            base = cls.from_file(chosen)
        elif chosen:
            preset, _, model = chosen.partition(":")
            base = cls.parse({"preset": preset, **({"model": model} if model else {})}, VARIABLE)
        fields = _fields(variables, tuple(cls.model_fields))
        given = base.model_dump()
        if fields.get("model", base.model) != base.model:
            given = {name: value for name, value in given.items() if name not in OF_THE_MODEL}
        fields = {"production": base.production or _is_production(variables), **fields}
        settings = cls.parse({**given, **fields}, "environment")
        return settings.pinned(pin_file.read(pin_file.location(variables))) if settings.model else settings

    @property
    def weights(self) -> tuple[Weights, ...]:
        """The pipeline's, then every ControlNet's."""
        return (self, *self.controlnets)

    def pinned(self, pins: Mapping[str, pin_file.Pin]) -> Self:
        """With the commits and hashes of a pins file, where these settings give none themselves."""
        nets = tuple(net.model_copy(update=_pin(net, pins)) for net in self.controlnets)
        return self.model_copy(update={**_pin(self, pins), "controlnets": nets})


def _pin(of: Weights, pins: Mapping[str, pin_file.Pin]) -> dict[str, Any]:
    pin = pins.get(of.model)
    if pin is None:
        return {}
    return {"revision": of.revision or pin.revision, "sha256": of.sha256 or pin.sha256,
            "licence": of.licence or pin.licence, "commercial_use": of.commercial_use and pin.commercial_use}


def _is_production(variables: Mapping[str, str]) -> bool:
    """A store on S3 is somebody's production; PACKSHOT_PRODUCTION says it or denies it."""
    said = variables.get(PRODUCTION_VARIABLE)
    if said is not None:
        return said.strip().lower() not in _NO
    return variables.get("PACKSHOT_STORE", "").startswith("s3://")


def _fields(variables: Mapping[str, str], known: tuple[str, ...]) -> dict[str, Any]:
    """Every PACKSHOT_REFINER_<FIELD>, as the field it sets."""
    fields: dict[str, Any] = {}
    for name, text in variables.items():
        if not name.startswith(PREFIX) or name == PINS_VARIABLE:
            continue
        field = name.removeprefix(PREFIX).lower()
        if field not in known:
            raise RefineError("refiner_settings", f"{name} is not a setting.",
                              f"Known: {', '.join(PREFIX + each.upper() for each in known)}, {PINS_VARIABLE}.")
        fields[field] = _controlnets(name, text) if field == "controlnets" else text.strip()
    return fields


def _controlnets(variable: str, text: str) -> list[dict[str, str]]:
    found = []
    for entry in (part.strip() for part in text.split(",")):
        match = _CONTROLNET.fullmatch(entry)
        if match is None:
            raise RefineError("refiner_settings", f"{variable}: {entry!r} is not drive[@scale][=model].",
                              "For example depth@0.8=/models/depth,edges@0.4=owner/name.")
        found.append({name: value for name, value in match.groupdict().items() if value})
    return found


def _beside(file: Path, model: str) -> str:
    folder = file.parent / Path(model).expanduser()
    return str(folder) if model and folder.is_dir() else model
