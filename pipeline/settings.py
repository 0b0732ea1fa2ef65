"""What ``product.yaml`` and ``catalogue.yaml`` may say, and how they are read."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from upath import UPath

from pipeline import prompts
from pipeline.errors import CatalogueError

Point = tuple[float, float]
Model = TypeVar("Model", bound=BaseModel)
AxisName = Literal["+x", "-x", "+y", "-y", "+z", "-z"]
RegionKind = Literal["label", "logo", "stitching"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MaterialOverride(_Strict):
    """Values for one material that replace what the file says or Packshot guesses."""

    kind: str | None = None
    base_color: Annotated[tuple[float, float, float] | None, Field(description="linear Rec. 709, 0..1")] = None
    roughness: Annotated[float | None, Field(ge=0, le=1)] = None
    metallic: Annotated[float | None, Field(ge=0, le=1)] = None
    sheen: Annotated[float | None, Field(ge=0, le=1)] = None
    clearcoat: Annotated[float | None, Field(ge=0, le=1)] = None
    transmission: Annotated[float | None, Field(ge=0, le=1)] = None
    relief_mm: Annotated[float | None, Field(ge=0, le=10)] = None
    texture: Annotated[str | None, Field(description="diffuse map, a file of the SKU folder")] = None


class RegionEntry(_Strict):
    name: str
    kind: RegionKind
    material: str = "*"
    polygon: tuple[Point, ...] = ()
    path: tuple[Point, ...] = ()
    text: str = ""
    rows: Annotated[int, Field(ge=1, le=6)] = 1
    width: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _has_a_shape(self) -> Self:
        if self.kind == "stitching" and len(self.path) < 2:
            raise ValueError("a stitching region needs `path` with at least two uv points")
        if self.kind != "stitching" and len(self.polygon) < 3:
            raise ValueError(f"a {self.kind} region needs `polygon` with at least three uv points")
        return self


class ShotEntry(_Strict):
    """A shot by name, with whatever differs from the built-in shot of that name."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    azimuth_deg: float | None = None
    elevation_deg: Annotated[float | None, Field(ge=-90, le=90)] = None
    focal_mm: Annotated[float | None, Field(gt=5, le=1000)] = None
    fill: Annotated[float | None, Field(gt=0.05, le=1)] = None
    camera: Annotated[str | None, Field(description="a camera inside the mesh file")] = None
    width: Annotated[int | None, Field(ge=64, le=8192)] = None
    height: Annotated[int | None, Field(ge=64, le=8192)] = None
    stage: str | None = None
    environment: Annotated[str | None, Field(description="panorama that lights the stage: an .hdr or .exr file of the "
                                                         "SKU folder, or beside catalogue.yaml")] = None
    environment_turn_deg: float | None = None
    prompt: str | None = None


class Manifest(_Strict):
    """``product.yaml``. Every field is optional."""

    name: str | None = None
    description: str | None = None
    category: str | None = None
    mesh: Annotated[str | None, Field(description="mesh file, where the folder holds several")] = None
    front: AxisName | None = None
    up: AxisName | None = None
    units: Annotated[Literal["m", "cm", "mm", "in", "ft"] | None, Field(description="of files without units")] = None
    variant: Annotated[str | None, Field(description="colourway of a glTF file with KHR_materials_variants")] = None
    prompt: str | None = None
    material: dict[str, MaterialOverride] = {}
    regions: tuple[RegionEntry, ...] = ()
    regions_found: Annotated[bool | None, Field(description="look for regions on the diffuse maps; default the "
                                                            "catalogue's")] = None
    partner_prints: Annotated[Literal["readable", "mirrored"], Field(
        description="texts on the mirrored partner of a pair in a photo: readable, or mirrored with it")] = "readable"
    ignore_regions: Annotated[tuple[str, ...], Field(description="names of found regions that are none")] = ()
    shots: tuple[str | ShotEntry, ...] | None = None


class DeliverySettings(_Strict):
    deliver_warn: bool = True
    deliver_unrefined: Annotated[bool, Field(description="deliver images of preset `none`")] = False
    webp_quality: Annotated[int, Field(ge=50, le=100)] = 90
    jpeg_quality: Annotated[int, Field(ge=50, le=100)] = 92


class GuardSettings(_Strict):
    attempts: Annotated[int, Field(ge=1, le=10, description="pictures of a shot that may be made until one passes; 1: "
                                                            "no image is refined again for what Sentinel says")] = 1


class LimitEntry(_Strict):
    """Overrides of one estimator's limit, by ``check.estimator``, or of a whole check's limits, by ``check``."""

    fail: float | None = None
    warn: float | None = None
    min_coverage: float | None = None
    required: Annotated[bool | None, Field(description="false: advisory, never worse than a warning")] = None
    enabled: Annotated[bool | None, Field(description="false: not judged at all")] = None


class LayerEntry(_Strict):
    """What is decided for all checks of one layer at once; `limits` may say otherwise for single ones."""

    required: bool | None = None
    enabled: bool | None = None


class RuleEntry(_Strict):
    """A house's own rule over one reading: a score of the check ``house``."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
    reading: Annotated[str, Field(description="`check.estimator`, as `packshot explain` lists them")]
    max: float | None = None
    min: float | None = None
    warn: Annotated[float | None, Field(description="the stricter limit beyond which it warns")] = None
    shot: Annotated[str, Field(description="shot name or pattern")] = "*"
    region: Annotated[str, Field(description="region or pattern, as `label:*`")] = "*"
    category: Annotated[str, Field(description="product category or pattern")] = "*"
    sentence: Annotated[str, Field(description="what is wrong, after the region's name; {value} is the reading")] = ""
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    required: bool = True

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.max is None) == (self.min is None):
            raise ValueError("a rule needs either `max` or `min`; two rules make a range")
        return self


class SegmentationSettings(_Strict):
    """A network that finds the products in reference photos, instead of what is built in."""

    model: Annotated[str, Field(description="an ONNX file beside catalogue.yaml")]
    side: Annotated[int, Field(ge=32, le=4096, description="px of its input, where the file leaves it open")] = 320
    mean: Annotated[tuple[float, float, float], Field(description="taken off RGB of 0..1")] = (0.485, 0.456, 0.406)
    std: Annotated[tuple[float, float, float], Field(description="then divided by")] = (0.229, 0.224, 0.225)


class NightSettings(_Strict):
    hours: Annotated[float, Field(gt=0, le=24, description="no SKU is begun later after the start")] = 6.0
    batch: Annotated[int, Field(ge=1, le=5000, description="SKUs that share a process")] = 200
    visits: Annotated[int, Field(ge=0, description="SKUs that nothing calls for and that are looked at all the same, "
                                                   "those longest not looked at first: damage is found so")] = 500


class Settings(_Strict):
    """``catalogue.yaml``. Every field is optional."""

    shots: tuple[str | ShotEntry, ...] | None = None
    scale: Annotated[float, Field(gt=0.05, le=4, description="multiplies every shot's size")] = 1.0
    regions_found: Annotated[bool, Field(description="look for labels, logos and stitching on diffuse maps")] = True
    prompt: str = ""
    prompt_template: Annotated[str, AfterValidator(prompts.checked)] = prompts.DEFAULT
    negative_prompt: str = "cartoon, illustration, blurry, deformed, extra text"
    layers: dict[Literal["quality", "fidelity", "house"], LayerEntry] = {}
    limits: dict[str, LimitEntry] = {}
    rules: tuple[RuleEntry, ...] = ()
    checks: Annotated[tuple[str, ...], Field(description="Python files beside catalogue.yaml, or importable modules, "
                                                         "with checks of the house's own")] = ()
    calibration: Annotated[str, Field(description="a file beside catalogue.yaml that `packshot calibrate` wrote, a "
                                                  "built-in name, or `engineering` for none")] = "standard"
    delivery: DeliverySettings = DeliverySettings()
    channels: Annotated[dict[str, tuple[str, ...]], Field(description="which shops a shot is for: channel names by "
                                                                      "shot name")] = {}
    guard: GuardSettings = GuardSettings()
    night: NightSettings = NightSettings()
    segmentation: SegmentationSettings | None = None
    keep_passes: Literal["all", "failed", "none"] = "all"
    max_texture_megapixels: Annotated[float, Field(gt=0)] = 67.2  # 8192²; bounds memory, 4 bytes a pixel
    max_triangles: Annotated[int, Field(gt=0)] = 5_000_000


def parsed(model: type[Model], path: UPath) -> Model:
    """Read YAML into a model; a typo becomes one readable line that names the nearest known field."""
    where = f"{path.parent.name}/{path.name}"
    try:
        data: Any = yaml.safe_load(path.read_text()) or {}
        if not isinstance(data, dict):
            raise CatalogueError("manifest_invalid", f"{where}: expected `key: value` lines.", "See docs/catalogue.md.")
        return model.model_validate(data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = str(error).replace("\n", " ")
        raise CatalogueError("manifest_invalid", f"{where} is not valid YAML: {line}", "Check quotes and indentation."
                             ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field_path = ".".join(str(part) for part in first["loc"])
        hint = "See docs/catalogue.md for the fields."
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(first["loc"][-1]), model.model_fields, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known fields: {', '.join(model.model_fields)}."
        raise CatalogueError("manifest_invalid", f"{where}: `{field_path}`: {first['msg']}.", hint) from error
