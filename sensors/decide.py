"""What has to run: one decision for the sensor, the nightly job and `make run`.

Decided by content. A SKU's fingerprint covers every file of its folder, the catalogue's settings, and
what images depend on beyond the folder (stage versions, refiner). It runs when the fingerprint differs
from the last *requested* one and that request is not still under way. A request that no run has carried
out to its end (the store's outcome of a SKU names the request it answers) was lost, and is made again;
one that loses its run three times waits like a failure. A failure of the input waits for a changed input
or for the night; one of the machine is tried again by `make run` as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from upath import UPath

from assets.sku_graph import STAGES
from pipeline.catalogue import SETTINGS, Catalogue, listing
from pipeline.refine.types import RefinerIdentity
from pipeline.store import ArtifactStore

STATE = "state/refresh.json"
STATE_SCHEMA = 1

Reason = Literal["new", "changed", "lost", "failed"]
Retry = Literal["nothing", "machine", "everything"]  # which failures are tried again without a changed input

# A SKU that takes its process down three times is no accident.
MAX_LOST = 3

# Errors that only another input can change.
INPUT_ERRORS = ("CatalogueError", "IngestError", "TextureError")
RunState = Literal["absent", "in_flight", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class SkuState:
    """What is known of one SKU between ticks."""

    fingerprint: str = ""                      # of the last request
    sequence: int = 0                          # counts requests; makes A→B→A run again
    run_key: str = ""                          # of the batch that the last request belongs to
    files: tuple[tuple[str, str, str], ...] = ()  # name, cheap signature, sha256: hashed only when the signature moves
    missing: bool = False                      # the folder is gone; history is kept
    lost: int = 0                              # how often the run of this fingerprint was lost


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
           *, retry: Retry = "nothing") -> Plan:
    """Look at the whole catalogue once. ``run_state`` tells what became of a run key's run.

    Failed SKUs that are tried again come first.
    """
    states = load_states(store)
    code = _code_fingerprint(catalogue, refiner)
    errors = store.errors()
    plan = Plan(states=dict(states))
    run_states: dict[str, RunState] = {}
    present = catalogue.skus()
    for sku in present:
        known = states.get(sku)
        state = known or SkuState()
        files = _files(catalogue, sku, state)
        fingerprint = hashlib.sha256(json.dumps([code, [(name, sha) for name, _, sha in files]]).encode()).hexdigest()
        if state.run_key and state.run_key not in run_states:
            run_states[state.run_key] = run_state(state.run_key)
        in_flight = run_states.get(state.run_key) == "in_flight"
        reason = None if in_flight else _reason(state, fingerprint, store.outcome(sku), errors.get(sku), retry)
        if known is None or known.missing:
            plan.new_skus.append(sku)
        if reason is None:
            plan.unchanged += 1
            plan.states[sku] = replace(state, files=files, missing=False)
        else:
            plan.requests.append(Request(sku, reason))
            lost = state.lost + 1 if reason == "lost" else 0
            plan.states[sku] = SkuState(fingerprint, state.sequence + 1, "", files, lost=lost)
    gone = set(states) - set(present)
    plan.removed_skus = sorted(sku for sku in gone if not states[sku].missing)
    for sku in plan.removed_skus:
        plan.states[sku] = replace(states[sku], missing=True)
    plan.illegal = {name: str(error) for name, error in catalogue.illegal().items()}
    plan.requests.sort(key=lambda request: request.reason != "failed")
    return plan


def _reason(state: SkuState, fingerprint: str, carried_out: str | None, error: Mapping[str, Any] | None,
            retry: Retry) -> Reason | None:
    """Why a SKU has to run now, for one whose last request is not under way."""
    if not state.fingerprint:
        return "new"
    if state.fingerprint != fingerprint:
        return "changed"
    if carried_out != state.run_key:
        return "lost" if state.lost < MAX_LOST or retry == "everything" else None
    if error is None or retry == "nothing":
        return None
    return "failed" if retry == "everything" or error.get("kind") not in INPUT_ERRORS else None


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
    # What catalogue.yaml may name beside itself: panoramas, a calibration, checks of the house's own.
    beside = [(entry["name"].rpartition("/")[2], entry["size"], str(entry.get("ETag") or entry.get("mtime")))
              for entry in catalogue.root.fs.ls(catalogue.root.path, detail=True)
              if entry["name"].lower().endswith((".hdr", ".exr", ".yaml", ".py"))
              and not entry["name"].endswith(SETTINGS)]
    return [digest, sorted(beside), [(stage.name, stage.version) for stage in STAGES],
            json.dumps(asdict(refiner), sort_keys=True)]


def _files(catalogue: Catalogue, sku: str, state: SkuState) -> tuple[tuple[str, str, str], ...]:
    """Every file of the folder with its content hash; read only where its signature moved."""
    folder = catalogue.root / sku
    known = {name: (signature, sha) for name, signature, sha in state.files}
    return tuple((name, signature, known[name][1] if known.get(name, ("", ""))[0] == signature
                  else _sha256(folder / name)) for name, signature in sorted(listing(folder).items()))


def _sha256(path: UPath) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"  # the SKU runs, and says so itself
