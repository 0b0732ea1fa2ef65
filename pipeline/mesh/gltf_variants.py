"""KHR_materials_variants: the colourways of one glTF file, and which material a primitive wears in one of them."""

from __future__ import annotations

from typing import Any

from pipeline.errors import IngestError
from pipeline.mesh.gltf_container import Document, Json, malformed

_EXTENSION = "KHR_materials_variants"


def variant_names(document: Document) -> list[str]:
    """Names of the file's variants, in its order; [] where it has none."""
    extensions = document.json.get("extensions")
    entry = extensions.get(_EXTENSION) if isinstance(extensions, dict) else None
    if entry is None:
        return []
    variants = entry.get("variants") if isinstance(entry, dict) else None
    if not isinstance(variants, list):
        raise malformed(document.context, f"{_EXTENSION} lists no variants")
    names = [variant.get("name") if isinstance(variant, dict) else None for variant in variants]
    return [name if isinstance(name, str) else f"variant_{i}" for i, name in enumerate(names)]


def choose_variant(names: list[str], wanted: str | None, mesh_file: str) -> int | None:
    """Index of the wanted variant, None for the file's default materials.

    The exact name, else the only one that differs in case alone. IngestError ``unknown_variant`` names
    what there is.
    """
    if wanted is None:
        return None
    if wanted in names:
        return names.index(wanted)
    alike = [i for i, name in enumerate(names) if name.strip().casefold() == wanted.strip().casefold()]
    if len(alike) == 1:
        return alike[0]
    there = ", ".join(names[:20]) if names else "none"
    raise IngestError("unknown_variant", f"{mesh_file} has no variant {wanted[:80]!r}; its variants: {there[:400]}.",
                      "Name one of them as `variant:` in product.yaml, or leave it out for the file's default.")


def material_of(document: Document, primitive: Json, variant: int | None) -> int:
    """Index of the material of a primitive in a variant, -1 where it has none."""
    chosen = primitive.get("material", -1)
    if variant is not None:
        chosen = _mapped(document, primitive, variant, chosen)
    if chosen == -1:
        return -1
    document.item("materials", chosen)
    return int(chosen)


def _mapped(document: Document, primitive: Json, variant: int, default: Any) -> Any:
    extensions = primitive.get("extensions")
    entry = extensions.get(_EXTENSION) if isinstance(extensions, dict) else None
    mappings = entry.get("mappings", []) if isinstance(entry, dict) else []
    if not isinstance(mappings, list):
        raise malformed(document.context, "a primitive's variant mappings are not an array")
    for mapping in mappings:
        listed = mapping.get("variants") if isinstance(mapping, dict) else None
        if not isinstance(listed, list):
            raise malformed(document.context, "a variant mapping is incomplete")
        if variant in listed:
            return mapping.get("material")
    return default
