"""Where an image came from, read back from the image or from the record beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import UnidentifiedImageError

from pipeline.errors import CatalogueError
from pipeline.refine import read_provenance

COLUMN = 18
SHA_DIGITS = 12

# What the IPTC's word for the kind of picture means here.
MEANINGS = {
    "digitalCreation": "rendered from a 3D model, no trained model involved",
    "compositeWithTrainedAlgorithmicMedia": "a render whose light and surface a trained model has changed",
    "trainedAlgorithmicMedia": "painted by a trained model",
}


def read_record(path: Path) -> dict[str, Any]:
    """The record of a PNG, JPEG or WebP that Packshot made, or of a .json beside one.

    Raises CatalogueError ``image_unreadable`` or ``no_provenance``.
    """
    try:
        record = json.loads(path.read_text()) if path.suffix.lower() == ".json" else read_provenance(path)
    except (UnidentifiedImageError, UnicodeDecodeError, json.JSONDecodeError, OSError, SyntaxError) as error:
        raise CatalogueError("image_unreadable", f"{path} is neither an image nor a record that can be read.",
                             "Give a PNG, JPEG or WebP file, or the .json beside it.") from error
    if not isinstance(record, dict) or "digital_source_type" not in record:
        raise CatalogueError("no_provenance", f"{path} carries no provenance of Packshot's.",
                             "It was made elsewhere, or a tool has stripped its metadata.")
    return dict(record)


def told(record: Mapping[str, Any]) -> str:
    """A record as text for people: what it is, what made it, from what, and how to make it again."""
    return "\n".join(line for line in _lines(record) if line)


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    kind = str(record["digital_source_type"]).rsplit("/", 1)[-1]
    what = " / ".join(str(record[key]) for key in ("sku", "shot") if record.get(key))
    attempt = f", attempt {record['attempt']}" if record.get("attempt") else ""
    yield f"{what or 'image'}{attempt}: {'refined' if record.get('refined') else 'not refined'}"
    yield _line("picture", record.get("stage"))
    yield _line("declared as", f"{kind}: {MEANINGS.get(kind, 'see the IPTC vocabulary')}")
    yield _line("light", {"traced": "path-traced", "raster": "drawn"}.get(record.get("light", ""), ""))
    yield _line("preset", f"{record.get('preset')}, version {record.get('preset_version')}")
    model = ", ".join(str(part) for part in (record.get("model"), record.get("revision")) if part)
    yield _line("model", model)
    yield _line("model sha256", record.get("model_sha256"))  # whole: a setting can ask for exactly this model
    yield _line("seed", record.get("seed"))
    yield _line("prompt", record.get("prompt"))
    yield _line("negative prompt", record.get("negative_prompt"))
    yield from _block("parameters", record.get("parameters"))
    yield from _block("identity lock", record.get("lock"))
    batch = record.get("batch", {"size": 1})
    yield _line("shared batch", f"{batch['size']} images, this one in place {batch['position']}"
                if batch["size"] > 1 else "")
    yield from _block("attempts", _attempts(record.get("attempts", ())))
    yield from _block("data versions", record.get("data_versions"))
    yield from _block("from files", _short(record.get("inputs")))
    yield from _block("from passes", _short(record.get("input_sha256")))
    stages = {f"{room} stage": version for room, version in record.get("code", {}).items()}
    yield from _block("made with", {"packshot": record.get("packshot"), **stages, **record.get("libraries", {})})
    yield _line("make it again", record.get("command"))


def _attempts(attempts: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Of a guarded image, what was tried."""
    found: dict[str, object] = {}
    for each in attempts:
        flagged = dict.fromkeys(f"{finding['check']} of {finding['region']}" for finding in each["findings"])
        told = [each["verdict"] or each["error"]["message"], *flagged]
        found[f"{each['attempt']}:"] = ", ".join([*told, *each["changed"], *(["kept"] if each["kept"] else [])])
    return found


def _line(name: str, value: object) -> str:
    return f"  {name:<{COLUMN}}{value}" if value not in (None, "") else ""


def _block(name: str, entries: Mapping[str, object] | None) -> Iterator[str]:
    for number, (key, value) in enumerate((entries or {}).items()):
        yield f"  {'' if number else name:<{COLUMN}}{key} {value}"


def _short(hashes: Mapping[str, object] | None) -> dict[str, object]:
    return {name: f"sha256 {str(sha256)[:SHA_DIGITS]}…" for name, sha256 in (hashes or {}).items()}
