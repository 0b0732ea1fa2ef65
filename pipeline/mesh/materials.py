"""Materials from little: what a file does not say is guessed from words, and the guess recorded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pipeline.mesh.raw import RawMaterial
from pipeline.mesh.types import Material

if TYPE_CHECKING:
    from pipeline.settings import MaterialOverride


@dataclass(frozen=True, slots=True)
class Kind:
    """How a material usually looks, for the fields a file leaves open."""

    words: tuple[str, ...]       # that name it, accents left out; the kind's own name is one of them
    roughness: float             # 0 mirror .. 1 matte
    metallic: float = 0.0
    sheen: float = 0.0           # 0..1 grazing lobe of fibres
    relief_mm: float = 0.0       # peak height of its micro relief
    clearcoat: float = 0.0
    transmission: float = 0.0    # 0..1 light that passes through
    parts: tuple[str, ...] = ()  # parts of a product that are usually made of it; they count after all words
    color: tuple[float, float, float] | None = None  # linear, where the material itself has one


UNCOLOURED = (0.6, 0.6, 0.6)  # linear; a light grey of code 203

# Ordered: where one name holds words of two kinds, the first wins ("painted_steel" looks like paint).
KINDS: Mapping[str, Kind] = {
    "suede": Kind(("suede", "nubuck", "velvet", "velour", "wildleder", "daim", "ante", "samt"), 0.9, sheen=0.6,
                  relief_mm=0.15),
    "patent": Kind(("patent", "lackleder"), 0.15, relief_mm=0.02, clearcoat=0.8),
    "lacquer": Kind(("lacquer", "lacquered", "paint", "painted", "powder", "lack", "laque", "lackiert"), 0.3,
                    clearcoat=0.6, parts=("gloss", "glossy")),
    "denim": Kind(("denim", "jeans"), 0.9, sheen=0.2, relief_mm=0.3),
    "knit": Kind(("knit", "knitted", "mesh", "jersey", "wool", "strick", "wolle", "tricot", "laine", "lana", "punto"),
                 0.85, sheen=0.35, relief_mm=0.4, parts=("sock",)),
    "canvas": Kind(("canvas", "linen", "twill", "leinen", "segeltuch", "toile", "lona", "lino"), 0.85, sheen=0.2,
                   relief_mm=0.25),
    "lace": Kind(("lace", "laces", "cord", "rope", "thread", "jute"), 0.8, sheen=0.25, relief_mm=0.3,
                 parts=("shoelace", "shoelaces", "string", "strings")),
    "foam": Kind(("foam", "eva", "schaum", "mousse", "espuma"), 0.8, relief_mm=0.05, parts=("midsole",)),
    "rubber": Kind(("rubber", "silicone", "latex", "gummi", "caoutchouc", "goma", "gomma"), 0.65, relief_mm=0.1,
                   parts=("sole", "outsole", "tire", "tyre", "grip")),
    "leather": Kind(("leather", "nappa", "cowhide", "leder", "cuir", "cuero", "piel", "pelle"), 0.5, sheen=0.05,
                    relief_mm=0.12, parts=("upper",)),
    "synthetic": Kind(("synthetic", "microfibre", "microfiber", "softshell"), 0.7, relief_mm=0.05),
    "wicker": Kind(("wicker", "rattan", "cane", "seagrass", "korb", "osier", "mimbre"), 0.65, relief_mm=0.8,
                   color=(0.45, 0.30, 0.16)),
    "cork": Kind(("cork", "kork", "corcho", "sughero"), 0.85, relief_mm=0.15, color=(0.47, 0.29, 0.15)),
    "wood": Kind(("wood", "wooden", "oak", "walnut", "beech", "pine", "bamboo", "teak", "holz", "bois", "madera",
                  "legno", "eiche"), 0.55, relief_mm=0.08, color=(0.38, 0.22, 0.11)),
    "cardboard": Kind(("cardboard", "corrugated", "kraft", "pappe", "karton", "cartone"), 0.85, relief_mm=0.05,
                      parts=("carton",), color=(0.41, 0.26, 0.14)),
    "paper": Kind(("paper", "papier", "papel", "carta"), 0.7, relief_mm=0.02, parts=("label", "sticker", "print")),
    "glass": Kind(("glass", "crystal", "glas", "verre", "vidrio", "vetro", "cristal"), 0.05, transmission=0.9),
    "porcelain": Kind(("porcelain", "china", "porzellan", "porcelaine", "porcelana", "porcellana"), 0.12,
                      relief_mm=0.01, clearcoat=0.7),
    "ceramic": Kind(("ceramic", "stoneware", "earthenware", "enamel", "glaze", "glazed", "keramik", "ceramique",
                     "ceramica", "steingut"), 0.2, relief_mm=0.02, clearcoat=0.5, parts=("mug",)),
    "chrome": Kind(("chrome", "chromed", "chrom", "mirror"), 0.06, metallic=1.0, color=(0.55, 0.55, 0.55)),
    "gold": Kind(("gold", "golden", "gilded", "oro", "dore"), 0.2, metallic=1.0, color=(1.0, 0.77, 0.34)),
    "copper": Kind(("copper", "bronze", "kupfer", "cuivre", "cobre", "rame"), 0.3, metallic=1.0,
                   color=(0.93, 0.62, 0.52)),
    "brass": Kind(("brass", "messing", "laiton", "laton", "ottone"), 0.3, metallic=1.0, color=(0.89, 0.78, 0.42)),
    "steel": Kind(("steel", "inox", "stainless", "stahl", "edelstahl", "acier", "acero", "acciaio"), 0.25,
                  metallic=1.0, color=(0.56, 0.57, 0.58)),
    "metal": Kind(("metal", "metallic", "aluminium", "aluminum", "iron", "silver", "zinc", "tin", "titanium", "metall",
                   "metallo", "silber", "argent", "plata"), 0.35, metallic=1.0, parts=("eyelet", "eyelets", "buckle"),
                  color=(0.75, 0.75, 0.75)),
    "stone": Kind(("stone", "marble", "granite", "concrete", "slate", "stein", "beton", "pierre", "piedra", "marmor"),
                  0.5, relief_mm=0.1),
    "wax": Kind(("wax", "candle", "wachs", "cire", "cera", "soap"), 0.45, transmission=0.1),
    "skin": Kind(("skin", "flesh"), 0.5, relief_mm=0.03),
    "plastic": Kind(("plastic", "abs", "nylon", "polymer", "acrylic", "pvc", "pp", "pet", "vinyl", "kunststoff",
                     "plastik", "plastique", "plastico", "plastica", "resin", "acetate"), 0.4, relief_mm=0.01,
                    parts=("cap",)),
    "fabric": Kind(("fabric", "cloth", "textile", "cotton", "polyester", "felt", "stoff", "tissu", "tela", "tessuto",
                    "baumwolle", "coton", "algodon", "filz"), 0.9, sheen=0.3, relief_mm=0.2,
                   parts=("lining", "cushion", "upholstery", "tongue")),
}
# A word of finish in the material's name replaces the kind's roughness.
FINISHES: Mapping[str, float] = {"polished": 0.1, "mirror": 0.05, "glossy": 0.15, "gloss": 0.15, "shiny": 0.15,
                                 "satin": 0.4, "brushed": 0.38, "frosted": 0.5, "matte": 0.8, "matt": 0.8, "mat": 0.8}
CATEGORY_KIND: Mapping[str, str] = {"footwear": "synthetic", "mug": "ceramic", "bottle": "plastic", "box": "cardboard",
                                    "furniture": "wood", "sport": "plastic", "appliance": "plastic", "bag": "canvas",
                                    "toy": "plastic", "jar": "ceramic"}
# Words that name a product or a colour more often than a material, where they stand in a description.
_PROSE = frozenset({"mesh", "tin", "gold", "golden", "silver", "stone", "powder", "copper", "bronze", "mirror", "china",
                    "skin", "candle", "soap", "ante", "punto", "argent", "plata", "iron", "cane", "lace", "patent"})
_OPEN_FIELDS = ("roughness", "metallic", "sheen", "relief_mm", "clearcoat", "transmission")
_OVERRIDABLE = (*_OPEN_FIELDS, "kind")


def words_of(text: str) -> list[str]:
    """Lower-case words of a name without accents, split at camel case, digits and punctuation."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain).lower())


@dataclass(frozen=True, slots=True)
class Guess:
    """A kind and the words that led to it, as a person would say them."""

    kind: str
    reason: str


def guess_kind(material_name: str, description: str, category: str) -> Guess | None:
    """Kind from the material's name, else the first word of the description that names one, else the category's."""
    named = words_of(material_name)
    for attribute in ("words", "parts"):
        for kind, entry in KINDS.items():
            word = next((w for w in named if w in getattr(entry, attribute)), None)
            if word is not None:
                return Guess(kind, f"material name: {word}")
    for word in words_of(description):
        for kind, entry in KINDS.items():
            if word in entry.words and word not in _PROSE:
                return Guess(kind, f"description: {word}")
    usual = CATEGORY_KIND.get(category)
    return Guess(usual, f"category: {category}") if usual else None


def guess_finish(material_name: str) -> tuple[float, str] | None:
    """Roughness and the word of the material's name that says it. "Mat" before a number or name is Material."""
    words = words_of(material_name)
    word = next((w for w in words if w in FINISHES and (w != "mat" or words[0] != "mat")), None)
    return (FINISHES[word], word) if word else None


def complete(raw: RawMaterial, description: str, category: str, overrides: Sequence[MaterialOverride]) -> Material:
    """The canonical material without its textures: file, then guesses, then the manifest over both."""
    stated = {name: value for override in overrides for name in _OVERRIDABLE
              if (value := getattr(override, name)) is not None}
    stated_kind = stated.pop("kind", None)
    kind, source, reason = _kind(raw, stated_kind, description, category)
    red, green, blue, alpha = (min(max(value, 0.0), 1.0) for value in raw.base_color or (1.0, 1.0, 1.0, 1.0))
    material = Material(raw.name, (red, green, blue, alpha), emissive=raw.emissive, alpha_mode=raw.alpha_mode,
                        alpha_cutoff=raw.alpha_cutoff, double_sided=raw.double_sided, unlit=raw.unlit, kind=kind,
                        kind_source=source)
    # A file that speaks in PBR terms and names no sheen or coat means none; only relief has no field in any format.
    silent = None if raw.roughness is None else 0.0
    given = {"roughness": raw.roughness, "metallic": raw.metallic, "relief_mm": None,
             "sheen": silent if raw.sheen is None else raw.sheen,
             "clearcoat": silent if raw.clearcoat is None else raw.clearcoat,
             "transmission": silent if raw.transmission is None else raw.transmission}
    from_file = {name: value for name, value in given.items() if value is not None}
    table = KINDS.get(kind)
    guesses = {name: getattr(table, name) for name in _OPEN_FIELDS} if table else {}
    finish = guess_finish(raw.name) if stated_kind is None else None
    if finish is not None:
        guesses["roughness"] = finish[0]
        reason = ", ".join(filter(None, (reason, f"finish: {finish[1]}")))
    guessed = tuple(name for name in guesses if name not in from_file and name not in stated)
    material = replace(material, **{**guesses, **from_file, **stated}, guessed=guessed,
                       guess_reason=reason if guessed else "")
    colors = [override.base_color for override in overrides if override.base_color is not None]
    if colors:
        material = replace(material, base_color=(*colors[-1], material.base_color[3]))
    return material


def coloured(material: Material, raw: RawMaterial, overrides: Sequence[MaterialOverride]) -> Material:
    """The kind's own colour, else a light grey, where neither file, texture nor manifest gives one.

    Pure white would vanish on white.

    For formats in which silence is no statement; a glTF material without a colour is white by specification.
    """
    given = raw.base_color is not None or any(override.base_color is not None for override in overrides)
    if given or "base_color" in material.textures:
        return material
    kind = KINDS.get(material.kind)
    color = UNCOLOURED if kind is None or kind.color is None else kind.color
    return replace(material, base_color=(*color, material.base_color[3]), guessed=(*material.guessed, "base_color"))


def _kind(raw: RawMaterial, stated: str | None, description: str, category: str
          ) -> tuple[str, Literal["manifest", "guess", "default"], str]:
    """Kind, where it comes from, and the words that led to it."""
    if stated is not None:
        return stated.lower(), "manifest", f"product.yaml: {stated}"
    guess = guess_kind(raw.name, description, category)
    return (guess.kind, "guess", guess.reason) if guess else ("unknown", "default", "")
