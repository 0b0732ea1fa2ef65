"""What a person may say about a reference photo: ``reference/<photo's name>.yaml`` beside it. All of it is optional."""

from __future__ import annotations

from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.errors import PhotoError

DARKEST_WHITE = 64             # of 255, the brightest channel of what is said to be white
View = Literal["top", "three-quarter", "side"]
# Elevations of the camera in degrees, from and to.
VIEWS: dict[View, tuple[float, float]] = {"top": (62.0, 90.0), "three-quarter": (12.0, 62.0), "side": (-5.0, 20.0)}


class Hints(BaseModel):
    """One photo's hints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: Annotated[View | None, Field(description="from where the photo was taken")] = None
    toe_direction: Annotated[float | None, Field(ge=0, lt=360, description="where the first product's front points in "
                                                 "the picture, degrees as on a clock: 0 up, 90 right")] = None
    pair: Annotated[bool | None, Field(description="two figures are a left and a right one, and one may be both; "
                                       "default: for footwear")] = None
    mask: Annotated[str | None, Field(description="file beside the photo, product white on black")] = None
    light: Annotated[float | None, Field(ge=0, lt=360, description="where the light comes from in the picture, degrees "
                                         "as on a clock; default: read from the photo's shadows")] = None
    white: Annotated[str | None, Field(pattern="^#?[0-9a-fA-F]{6}$", description="a white sheet's colour in the photo's"
                                       " light, as f6e7d0; default: read from a bright neutral ground")] = None

    @field_validator("white")
    @classmethod
    def _is_bright(cls, white: str | None) -> str | None:
        if white is not None and max(bytes.fromhex(white.removeprefix("#"))) < DARKEST_WHITE:
            raise ValueError("a white sheet is brighter than that")
        return white

    @property
    def elevations(self) -> tuple[float, float]:
        """Of the camera in degrees, from and to."""
        return VIEWS[self.view] if self.view else (-5.0, 90.0)


def read_hints(text: str, name: str) -> Hints:
    """Parse a hint file. Raises PhotoError ``hints_invalid`` with the fields there are."""
    try:
        data = yaml.safe_load(text) or {}
        if isinstance(data, dict) and (empty := [field for field, value in data.items() if value is None]):
            raise PhotoError("hints_invalid", f"{name}: {empty[0]} says nothing.",
                             "Where a value begins with #, put it in quotes: YAML takes it for a comment.")
        return Hints.model_validate(data)
    except (yaml.YAMLError, ValidationError) as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error).replace("\n", " ")
        where = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else ""
        raise PhotoError("hints_invalid", f"{name}: {where + ': ' if where else ''}{told}.",
                         f"Fields: {', '.join(Hints.model_fields)}.") from error
