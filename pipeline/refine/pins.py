"""``refiner-pins.yaml``: which commit of each model on the hub a catalogue uses. `packshot refine --pin` writes it.

    schema: 1
    pins:
      xinsir/controlnet-union-sdxl-1.0: {revision: 40 hex digits, licence: apache-2.0, commercial_use: true}
      /models/sdxl: {sha256: 64 hex digits}

A model's weights may change under its name; a commit's never do. A folder is held to its sha256 the same way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from upath import UPath

from pipeline.errors import RefineError

FILE = "refiner-pins.yaml"
VARIABLE = "PACKSHOT_REFINER_PINS"
_HEAD = """# The commit of every model, resolved by `packshot refine --pin`. Keep this file with the catalogue.
# A folder's sha256 may be added by hand:  /models/sdxl: {sha256: …}
"""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pin(_Strict):
    """What is held of one model."""

    revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""   # hub commit
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""     # of a folder
    licence: str = ""
    commercial_use: bool = True


class _File(_Strict):
    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    pins: dict[str, Pin] = {}


def location(variables: Mapping[str, str]) -> UPath:
    """PACKSHOT_REFINER_PINS, else the file beside the catalogue's own catalogue.yaml."""
    named = variables.get(VARIABLE, "").strip()
    return UPath(named) if named else UPath(variables.get("PACKSHOT_CATALOGUE") or "examples/catalogue") / FILE


def read(path: UPath) -> dict[str, Pin]:
    """Pins by model; {} where there is no file. RefineError names the first thing wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RefineError("pins_unreadable", f"{path} cannot be read.", f"Correct {VARIABLE} or the file.") from error
    try:
        return _File.model_validate(yaml.safe_load(text) or {}).pins
    except yaml.YAMLError as error:
        raise RefineError("pins_invalid", f"{path.name} is not valid YAML.",
                          "Delete it and run `packshot refine --pin` again.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or path.name
        raise RefineError("pins_invalid", f"{path.name}: {where}: {first['msg']}.",
                          "A commit has 40 hexadecimal digits, a sha256 has 64.") from error


def write(path: UPath, pins: Mapping[str, Pin]) -> None:
    """The whole file at once: a reader sees the old pins or the new ones."""
    entries = {model: pin.model_dump(exclude_defaults=True) or {} for model, pin in sorted(pins.items())}
    text = _HEAD + yaml.safe_dump({"schema": 1, "pins": entries}, sort_keys=False, allow_unicode=True)
    if "://" in str(path):
        path.write_text(text, encoding="utf-8")
        return
    beside = UPath(f"{path}.new")
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(text, encoding="utf-8")
    os.replace(str(beside), str(path))
