"""What a store says, read by nobody's help: whether two stores are equal, and whether one is whole.

Everything that somebody may read is entered through ``current.json``, ``errors/``, the score tables and the timings.
Left out of the comparison, and nothing else: who and when (``run_id``, ``made_in``, ``scored_at``, ``at``,
``written_at``), what took how long (``seconds``, ``*_seconds``), the name of a writing's own folder, the report page
(it shows all of these; that it is there and whole counts) and Packshot's and Dagster's own records of runs.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import PackshotError
from pipeline.score_schema import KEY
from pipeline.store import ArtifactStore
from pipeline.verify import SKU_ASSETS, verify

UNCOMPARED_COLUMNS = ("run_id", "scored_at")
UNCOMPARED_METADATA = ("made_in",)             # and every key that is, or ends in, `seconds`

Contents = dict[str, str]


def contents(store: Path) -> Contents:
    """Everything in the store that has to be the same whatever happened on the way, by name."""
    found: Contents = {}
    for manifest in _manifests(store):
        record, name = json.loads(manifest.read_bytes()), manifest.parent.relative_to(store).as_posix()
        metadata = {key: value for key, value in record["metadata"].items()
                    if key not in UNCOMPARED_METADATA and not key.endswith("seconds")}
        found[name] = json.dumps([record["data_version"], record["inputs"], metadata], sort_keys=True)
        for file in sorted(record["files"]):
            data = (manifest.parent / _folder(record) / file).read_bytes()
            found[f"{name}/{file}"] = "\n".join(_rows(data)) if file == "scores.parquet" else _sha256(data)
    for error in sorted((store / "errors").glob("*.json")):
        record = json.loads(error.read_bytes())
        found[f"errors/{error.stem}"] = json.dumps({**record, "at": 0}, sort_keys=True)
    for table in ("current", "history"):
        rows = [row for part in _parts(store, table) for row in _rows(part.read_bytes())]
        found[f"score_table/{table}"] = "\n".join(sorted(rows))
    # A row per image and run: two runs that made the same image at once have both spent their time.
    timed = {(row["sku"], row["shot"], row["data_version"]) for path in sorted((store / "timings").glob("*.json"))
             for row in json.loads(path.read_bytes())["rows"]}
    found["timings"] = json.dumps(sorted(timed))
    found["report"] = str((store / "report" / "index.html").read_text().rstrip().endswith("</html>"))
    return found


def unequal(reference: Contents, found: Contents) -> list[str]:
    """Names that only one has, or that differ."""
    return sorted(name for name in reference.keys() | found.keys() if reference.get(name) != found.get(name))


def torn(store: Path) -> list[str]:
    """What can be read and is not whole: any time, also right after a kill."""
    problems = [f"{each.asset}/{each.sku}/{each.file}: {each.problem}"
                for each in verify(ArtifactStore(store)).findings]
    for manifest in _manifests(store):
        record = _json(manifest, problems)
        for file, stored in (record or {"files": {}})["files"].items():
            path = manifest.parent / _folder(record) / file
            if not path.is_file() or _sha256(path.read_bytes()) != stored["sha256"]:
                problems.append(f"{path}: not what its manifest says")
    for path in [*(store / "errors").glob("*.json"), *(store / "timings").glob("*.json"),
                 *(store / "state").rglob("*.json")]:
        if not path.name.startswith("."):
            _json(path, problems)
    for part in [*_parts(store, "current"), *_parts(store, "history"), *(store / "timing_table").rglob("*.parquet")]:
        try:
            pq.ParquetFile(io.BytesIO(part.read_bytes())).read()
        except (OSError, ValueError, PackshotError) as error:
            problems.append(f"{part}: {error}")
    page = store / "report" / "index.html"
    if page.is_file() and not page.read_text().rstrip().endswith("</html>"):
        problems.append(f"{page}: cut short")
    return problems


def doubled(store: Path) -> list[str]:
    """Rows of the score tables that carry the same key: of `current`, and of one data version in `history`."""
    return [f"{table}: {key} {count} times" for table in ("current", "history")
            for key, count in _keys(store, table).items() if count > 1]


def kept_rows(store: Path) -> set[tuple[Any, ...]]:
    """Keys of the rows that finished compactions have written to `history`."""
    return set(_keys(store, "history"))


def pixels(found: Contents) -> int:
    """How many of the files compared are images."""
    return sum(name.endswith((".png", ".webp", ".jpg", ".exr")) for name in found)


def score_values(found: Contents) -> int:
    """How many scores were compared."""
    return len(found["score_table/history"].splitlines())


def _keys(store: Path, table: str) -> Counter[tuple[Any, ...]]:
    columns = (*KEY, "data_version")
    counted: Counter[tuple[Any, ...]] = Counter()
    for part in _parts(store, table):
        read = pq.ParquetFile(io.BytesIO(part.read_bytes())).read(columns=list(columns)).to_pydict()
        counted.update(zip(*(read[name] for name in columns), strict=True))
    return counted


def _parts(store: Path, table: str) -> list[Path]:
    return sorted(path for path in (store / "score_table" / table).rglob("*.parquet") if not path.name.startswith("."))


def _rows(data: bytes) -> list[str]:
    table = pq.ParquetFile(io.BytesIO(data)).read()
    table = table.drop_columns([name for name in UNCOMPARED_COLUMNS if name in table.column_names])
    return [json.dumps(row, sort_keys=True, default=str) for row in table.to_pylist()]


def _manifests(store: Path) -> Iterator[Path]:
    for asset in SKU_ASSETS:
        yield from sorted((store / asset).glob("*/current.json"))


def _folder(record: Any) -> str:
    return str(record.get("folder", record["data_version"]))


def _json(path: Path, problems: list[str]) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None                            # removed since it was listed
    except ValueError as error:
        problems.append(f"{path}: {error}")
        return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
