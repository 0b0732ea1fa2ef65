"""What became of every SKU of a run, written while it runs: a killed run has told all it did.

``<store>/state/outcomes/<digest of the run key>/<run id>-<part>.json`` holds a handful of SKUs each, so that
a batch of a thousand is read back in twenty objects and not in a thousand. A SKU that was begun and has no
outcome was being worked on when its process ended: it, and not those waiting behind it, may be what ended it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pipeline.store import ArtifactStore

FOLDER = "state/outcomes"
SKUS_PER_PART = 50

# postponed: the run's time was up before it came to this SKU.
Result = Literal["made", "kept", "failed", "postponed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one SKU in one run."""

    result: Result
    at: float                                  # seconds since 1970, UTC
    seconds: float = 0.0                       # spent on it, its share of common batches included
    run_id: str = ""
    made: tuple[str, ...] = ()                 # assets with a new version
    asset: str = ""                            # where it failed
    kind: str = ""                             # class of its error
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class RunOutcomes:
    """What is known of one run key."""

    ended: dict[str, Outcome] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()

    @property
    def unfinished(self) -> frozenset[str]:
        """SKUs that were being worked on when the run was last heard of."""
        return self.begun - set(self.ended)


class OutcomeLog:
    """Written by the one process that carries out a run."""

    def __init__(self, store: ArtifactStore, run_key: str, run_id: str) -> None:
        self._store, self._folder, self.run_id = store, folder_of(run_key), run_id
        self._part = 0
        self._begun: set[str] = set()          # of this part
        self._ended: dict[str, Outcome] = {}   # of this part

    def begin(self, skus: Iterable[str]) -> None:
        """Say that work on these SKUs starts now."""
        self._begun |= set(skus)
        self._write()

    def end(self, sku: str, outcome: Outcome) -> None:
        """Say what became of one SKU."""
        self._ended[sku] = outcome
        self._write()
        if len(self._ended) >= SKUS_PER_PART:
            self._part += 1
            self._begun, self._ended = set(), {}

    def end_all(self, outcomes: Mapping[str, Outcome]) -> None:
        """Say what became of many SKUs at once, a part at a time."""
        names = list(outcomes)
        while names:
            space = SKUS_PER_PART - len(self._ended)
            self._ended |= {sku: outcomes[sku] for sku in names[:space - 1]}
            for sku in names[space - 1:space]:
                self.end(sku, outcomes[sku])
            if len(names) < space:
                self._write()
            names = names[space:]

    def _write(self) -> None:
        record = {"begun": sorted(self._begun), "ended": {sku: asdict(each) for sku, each in self._ended.items()}}
        self._store.write_bytes(f"{self._folder}/{self.run_id}-{self._part:05d}.json", json.dumps(record).encode())


def read_outcomes(store: ArtifactStore, run_key: str) -> RunOutcomes:
    """Everything that runs under this key have told, the latest word on each SKU."""
    ended: dict[str, Outcome] = {}
    begun: set[str] = set()
    folder = folder_of(run_key)
    parts = sorted(name for name in store.listing(store.root / folder)
                   if name.endswith(".json") and not name.startswith("."))
    for data in store.read_all([f"{folder}/{name}" for name in parts]).values():
        record = json.loads(data)
        begun |= set(record["begun"])
        for sku, entry in record["ended"].items():
            outcome = Outcome(**_tupled(entry))
            if sku not in ended or outcome.at >= ended[sku].at:
                ended[sku] = outcome
    return RunOutcomes(ended, frozenset(begun))


def forget(store: ArtifactStore, run_key: str) -> None:
    """Remove what was told under a run key, once whoever needs it has read it."""
    folder = store.root / folder_of(run_key)
    if folder.exists():
        folder.fs.rm(folder.path, recursive=True)


def folder_of(run_key: str) -> str:
    """The folder of one run key inside the store. Keys may hold any characters, folders may not."""
    return f"{FOLDER}/{hashlib.sha256(run_key.encode()).hexdigest()[:24]}"


def _tupled(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "made": tuple(entry["made"])}
