"""What has to run: one decision for the sensor, the nightly job and `make run`.

Decided by content. A SKU's fingerprint covers every file of its folder, the catalogue's settings, and
what images depend on beyond the folder (stage versions, refiner). It runs when the fingerprint differs
from the last *requested* one and that request is not still under way; a request whose run was lost or
cancelled is made again; a deterministic failure waits for a changed input, or for the night.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from assets.sku_graph import STAGES
from pipeline.catalogue import SETTINGS, Catalogue
from pipeline.refine.types import RefinerIdentity
from pipeline.store import ArtifactStore

STATE = "state/refresh.json"
STATE_SCHEMA = 1

Reason = Literal["new", "changed", "lost", "failed"]
RunState = Literal["absent", "in_flight", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class SkuState:
    """What is known of one SKU between ticks."""

    fingerprint: str = ""                      # of the last request
    sequence: int = 0                          # counts requests; makes A→B→A run again
    run_key: str = ""                          # of the batch that the last request belongs to
    files: tuple[tuple[str, str, str], ...] = ()  # name, cheap signature, sha256: hashed only when the signature moves
    missing: bool = False                      # the folder is gone; history is kept


@dataclass(frozen=True)
class Request:
    """One SKU that has to run, and why."""

    sku: str
    reason: Reason


@dataclass
class Plan:
    """The outcome of one look at the catalogue. Save it before its requests are acted on."""

    requests: list[Request] = field(default_factory=list)
    new_skus: list[str] = field(default_factory=list)      # keys to add to the partitions
    removed_skus: list[str] = field(default_factory=list)  # folders that are gone
    illegal: dict[str, str] = field(default_factory=dict)  # folder name → message
    unchanged: int = 0
    states: dict[str, SkuState] = field(default_factory=dict)

    def batches(self, size: int) -> list[list[str]]:
        names = [request.sku for request in self.requests]
        return [names[start : start + size] for start in range(0, len(names), size)]


def decide(catalogue: Catalogue, store: ArtifactStore, refiner: RefinerIdentity, run_state: Callable[[str], RunState],
           *, night: bool = False) -> Plan:
    """Look at the whole catalogue once. ``run_state`` tells what became of a run key's run.

    At night failed SKUs are tried again and come first.
    """
    states = load_states(store)
    code = _code_fingerprint(catalogue, refiner)
    errors = store.errors()
    plan = Plan(states=dict(states))
    run_states: dict[str, RunState] = {}
    for sku in catalogue.skus():
        known = states.get(sku)
        state = known or SkuState()
        files = _files(catalogue, sku, state)
        fingerprint = hashlib.sha256(json.dumps([code, [(name, sha) for name, _, sha in files]]).encode()).hexdigest()
        if state.run_key and state.run_key not in run_states:
            run_states[state.run_key] = run_state(state.run_key)
        reason = _reason(state, fingerprint, run_states.get(state.run_key, "absent"), failed=sku in errors, night=night,
                         done=store.current(STAGES[-1].name, sku) is not None)
        if known is None or known.missing:
            plan.new_skus.append(sku)
        if reason is None:
            plan.unchanged += 1
            plan.states[sku] = replace(state, files=files, missing=False)
        else:
            plan.requests.append(Request(sku, reason))
            plan.states[sku] = SkuState(fingerprint, state.sequence + 1, "", files)
    present = set(catalogue.skus())
    plan.removed_skus = [sku for sku, state in states.items() if sku not in present and not state.missing]
    for sku in plan.removed_skus:
        plan.states[sku] = replace(states[sku], missing=True)
    plan.illegal = {name: str(error) for name, error in catalogue.illegal().items()}
    plan.requests.sort(key=lambda request: request.reason != "failed")
    return plan


def _reason(state: SkuState, fingerprint: str, run: RunState, *, failed: bool, night: bool,
            done: bool) -> Reason | None:
    if run == "in_flight":
        return None
    if not state.fingerprint:
        return "new"
    if state.fingerprint != fingerprint:
        return "changed"
    if failed:
        return "failed" if night else None
    # A run that ended without an artefact or an error was killed before it reached this SKU.
    return None if done else "lost"


def assign_batches(plan: Plan, batches: Sequence[Sequence[str]]) -> list[str]:
    """Give every requested SKU its batch's run key, ``<first sku>:<digest of all sku:sequence>``."""
    keys = []
    for batch in batches:
        key = ",".join(f"{sku}:{plan.states[sku].sequence}" for sku in batch)
        if len(batch) > 1:
            key = f"{batch[0]}+{len(batch) - 1}:{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        keys.append(key)
        for sku in batch:
            plan.states[sku] = replace(plan.states[sku], run_key=key)
    return keys


def load_states(store: ArtifactStore) -> dict[str, SkuState]:
    data = store.read_bytes(STATE)
    if data is None:
        return {}
    record = json.loads(data)
    if record["schema"] != STATE_SCHEMA:
        return {}  # everything is looked at once more; unchanged artefacts are kept anyway
    return {sku: SkuState(**{**entry, "files": tuple(map(tuple, entry["files"]))})
            for sku, entry in record["skus"].items()}


def save_states(store: ArtifactStore, states: dict[str, SkuState]) -> None:
    record = {"schema": STATE_SCHEMA, "skus": {sku: asdict(state) for sku, state in sorted(states.items())}}
    store.write_bytes(STATE, json.dumps(record).encode())


def _code_fingerprint(catalogue: Catalogue, refiner: RefinerIdentity) -> list[object]:
    settings = catalogue.root / SETTINGS
    digest = hashlib.sha256(settings.read_bytes()).hexdigest() if settings.exists() else ""
    return [digest, [(stage.name, stage.version) for stage in STAGES], json.dumps(asdict(refiner), sort_keys=True)]


def _files(catalogue: Catalogue, sku: str, state: SkuState) -> tuple[tuple[str, str, str], ...]:
    """Every file of the folder with its content hash; read only where size, time or ETag moved."""
    known = {name: (signature, sha) for name, signature, sha in state.files}
    return tuple((name, signature, known[name][1] if known.get(name, ("", ""))[0] == signature
                  else hashlib.sha256((catalogue.root / sku / name).read_bytes()).hexdigest())
                 for name, signature in _signatures(catalogue, sku))


def _signatures(catalogue: Catalogue, sku: str) -> Iterable[tuple[str, str]]:
    folder = catalogue.root / sku
    prefix = folder.path.rstrip("/") + "/"
    for path in sorted((p for p in folder.rglob("*") if p.is_file()), key=str):
        name = path.path.removeprefix(prefix)
        if not any(part.startswith(".") for part in name.split("/")):
            stat = path.stat()
            moved = getattr(stat, "st_mtime_ns", None) or stat.st_mtime
            yield name, f"{stat.st_size}:{moved}"
