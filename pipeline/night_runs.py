"""What a night has asked for, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pipeline.store import ArtifactStore

PLANS = "state/nights"


@dataclass(frozen=True)
class Night:
    """What one night asks for."""

    night: str                             # ISO date of its start, UTC
    started: float                         # seconds since 1970
    deadline: float | None
    runs: Mapping[str, Mapping[str, str]]  # run key → SKU → why it was asked for


def plan_night(store: ArtifactStore, night: Night) -> None:
    """Say what a night has asked for, before it is asked. A second plan of the same date adds its runs."""
    name = f"{PLANS}/{night.night}.json"
    before = json.loads(store.read_bytes(name) or b'{"runs": {}}')
    record = asdict(night) | {"runs": {**before["runs"], **{key: dict(skus) for key, skus in night.runs.items()}}}
    store.write_bytes(name, json.dumps(record).encode())
