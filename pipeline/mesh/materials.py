"""Materials from little: what a file does not say is guessed from words, and the guess recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pipeline.mesh.raw import RawMaterial
from pipeline.mesh.types import Material

if TYPE_CHECKING:
    from pipeline.catalogue import MaterialOverride


@dataclass(frozen=True, slots=True)
class Kind:
    """How a material usually looks, for the fields a file leaves open."""

    words: tuple[str, ...]       # that name it; the kind's own name is one of them
    roughness: float             # 0 mirror .. 1 matte
    metallic: float = 0.0
    sheen: float = 0.0           # 0..1 grazing lobe of fibres
    relief_mm: float = 0.0       # peak height of its micro relief
    clearcoat: float = 0.0
    parts: tuple[str, ...] = ()  # parts of a product that are usually made of it; they count after all words


# Ordered: where one name holds words of two kinds, the first wins ("painted_steel" looks like paint).
UNCOLOURED = (0.6, 0.6, 0.6, 1.0)  # linear; a light grey of code 203

KINDS: Mapping[str, Kind] = {
    "suede": Kind(("suede", "nubuck", "velvet", "velour"), 0.9, sheen=0.6, relief_mm=0.15),
    "patent": Kind(("patent",), 0.15, relief_mm=0.02, clearcoat=0.8),
    "lacquer": Kind(("lacquer", "lacquered", "paint", "painted", "powder", "gloss", "glossy"), 0.3, clearcoat=0.6),
    "knit": Kind(("knit", "mesh", "jersey", "wool"), 0.85, sheen=0.35, relief_mm=0.4, parts=("sock",)),
    "canvas": Kind(("canvas", "denim", "linen", "twill"), 0.85, sheen=0.2, relief_mm=0.25),
    "lace": Kind(("lace", "laces", "cord", "rope", "thread"), 0.8, sheen=0.25, relief_mm=0.3,
                 parts=("shoelace", "shoelaces", "string", "strings")),
    "foam": Kind(("foam", "eva"), 0.8, relief_mm=0.05, parts=("midsole",)),
    "rubber": Kind(("rubber", "silicone"), 0.65, relief_mm=0.1, parts=("sole", "outsole", "tire", "tyre", "grip")),
    "leather": Kind(("leather", "nappa", "cowhide"), 0.5, sheen=0.05, relief_mm=0.12, parts=("upper",)),
    "synthetic": Kind(("synthetic", "microfibre", "microfiber", "softshell"), 0.7, relief_mm=0.05),
    "wicker": Kind(("wicker", "rattan", "cane", "seagrass"), 0.65, relief_mm=0.8),
    "wood": Kind(("wood", "wooden", "oak", "walnut", "beech", "pine", "bamboo", "teak"), 0.55, relief_mm=0.08),
    "cardboard": Kind(("cardboard", "corrugated", "kraft"), 0.85, relief_mm=0.05, parts=("carton",)),
    "paper": Kind(("paper",), 0.7, relief_mm=0.02, parts=("label", "sticker", "print")),
    "glass": Kind(("glass", "crystal"), 0.05),
    "ceramic": Kind(("ceramic", "porcelain", "stoneware", "earthenware", "enamel", "glaze", "glazed"), 0.2,
                    relief_mm=0.02, clearcoat=0.5, parts=("mug",)),
    "steel": Kind(("steel", "chrome", "inox", "stainless"), 0.25, metallic=1.0),
    "metal": Kind(("metal", "metallic", "aluminium", "aluminum", "iron", "brass", "copper", "gold", "silver", "zinc",
                   "tin"), 0.35, metallic=1.0, parts=("eyelet", "eyelets", "buckle")),
    "stone": Kind(("stone", "marble", "granite", "concrete", "slate"), 0.5, relief_mm=0.1),
    "plastic": Kind(("plastic", "abs", "nylon", "polymer", "acrylic", "pvc", "pp", "pet", "vinyl"), 0.4,
                    relief_mm=0.01, parts=("cap",)),
    "fabric": Kind(("fabric", "cloth", "textile", "cotton", "polyester", "felt"), 0.9, sheen=0.3, relief_mm=0.2,
                   parts=("lining", "cushion", "upholstery", "tongue")),
}
CATEGORY_KIND: Mapping[str, str] = {"footwear": "synthetic", "mug": "ceramic", "bottle": "plastic", "box": "cardboard",
                                    "furniture": "wood", "sport": "plastic", "appliance": "plastic", "bag": "canvas",
                                    "toy": "plastic", "jar": "ceramic"}
# Words that name a product or a colour more often than a material, where they stand in a description.
_PROSE = frozenset({"mesh", "tin", "gold", "silver", "stone", "powder", "copper"})
_OPEN_FIELDS = ("roughness", "metallic", "sheen", "relief_mm", "clearcoat")
_OVERRIDABLE = (*_OPEN_FIELDS, "kind")


def words_of(text: str) -> list[str]:
    """Lower-case words of a name, split at camel case, digits and punctuation."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


def guess_kind(material_name: str, description: str, category: str) -> str | None:
    """Kind from the material's name, else the first word of the description that names one, else the category's."""
    named = set(words_of(material_name))
    for kind, entry in KINDS.items():
        if named.intersection(entry.words):
            return kind
    for kind, entry in KINDS.items():
        if named.intersection(entry.parts):
            return kind
    for word in words_of(description):
        for kind, entry in KINDS.items():
            if word in entry.words and word not in _PROSE:
                return kind
    return CATEGORY_KIND.get(category)


def complete(raw: RawMaterial, description: str, category: str, overrides: Sequence[MaterialOverride]) -> Material:
    """The canonical material without its textures: file, then guesses, then the manifest over both."""
    stated = {name: value for override in overrides for name in _OVERRIDABLE
              if (value := getattr(override, name)) is not None}
    kind, source = _kind(raw, stated.pop("kind", None), description, category)
    red, green, blue, alpha = (min(max(value, 0.0), 1.0) for value in raw.base_color or (1.0, 1.0, 1.0, 1.0))
    material = Material(raw.name, (red, green, blue, alpha), emissive=raw.emissive,
                        transmission=raw.transmission or 0.0, alpha_mode=raw.alpha_mode,
                        alpha_cutoff=raw.alpha_cutoff, double_sided=raw.double_sided, kind=kind, kind_source=source)
    # A file that speaks in PBR terms and names no sheen or coat means none; only relief has no field in any format.
    silent = None if raw.roughness is None else 0.0
    given = {"roughness": raw.roughness, "metallic": raw.metallic, "relief_mm": None,
             "sheen": silent if raw.sheen is None else raw.sheen,
             "clearcoat": silent if raw.clearcoat is None else raw.clearcoat}
    from_file = {name: value for name, value in given.items() if value is not None}
    table = KINDS.get(kind)
    guesses = {name: getattr(table, name) for name in _OPEN_FIELDS} if table else {}
    guessed = tuple(name for name in guesses if name not in from_file and name not in stated)
    material = replace(material, **{**guesses, **from_file, **stated}, guessed=guessed)
    colors = [override.base_color for override in overrides if override.base_color is not None]
    if colors:
        material = replace(material, base_color=(*colors[-1], material.base_color[3]))
    return material


def coloured(material: Material, raw: RawMaterial, overrides: Sequence[MaterialOverride]) -> Material:
    """A light grey where neither file, texture nor manifest gives a colour: pure white would vanish on white.

    For formats in which silence is no statement; a glTF material without a colour is white by specification.
    """
    given = raw.base_color is not None or any(override.base_color is not None for override in overrides)
    if given or "base_color" in material.textures:
        return material
    return replace(material, base_color=UNCOLOURED, guessed=(*material.guessed, "base_color"))


def _kind(raw: RawMaterial, stated: str | None, description: str, category: str
          ) -> tuple[str, Literal["manifest", "guess", "default"]]:
    if stated is not None:
        return stated.lower(), "manifest"
    guess = guess_kind(raw.name, description, category)
    return (guess, "guess") if guess else ("unknown", "default")
