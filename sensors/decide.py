"""What has to run: one decision for the sensor, the nightly job and `make run`.

Decided by content. A SKU runs when its files, or a facet of what it depends on beside them (settings, refiner, code),
differ from those of its last *requested* run and that request is not still under way. Outcomes are read only of
requests that nobody has answered yet. A request that no run has carried out was lost, and is made again; of a run
that ended in the middle only the SKUs it was at count as its possible cause: those are asked for in a run of their
own, and wait like a failure after the third. A failure of the input waits for a changed input or for the night; one
of the machine is tried again by `make run` as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pipeline.catalogue import SKU_PATTERN, Catalogue, is_local
from pipeline.errors import PackshotError
from pipeline.exclusive import exclusively
from pipeline.outcomes import RunOutcomes, forget, read_outcomes
from pipeline.refine.types import RefinerIdentity
from pipeline.store import ArtifactStore
from pipeline.sweep import UNREADABLE, Sweep, signature, sweep
from sensors.facets import changed_facets, changed_files, facets
from sensors.state import FileRecord, SkuState, State, load_state

Reason = Literal["new", "changed", "lost", "damaged", "postponed", "failed", "visited"]
Retry = Literal["nothing", "machine", "everything"]  # which failures are tried again without a changed input
RunState = Literal["absent", "in_flight", "succeeded", "failed", "cancelled"]

# A SKU that takes its process down three times is no accident.
MAX_LOST = 3
# Errors that only another input can change.
INPUT_ERRORS = ("CatalogueError", "IngestError", "TextureError", "PhotoError")
# So long outcomes stay readable after nobody waits for them: the table of a night is made of them.
OUTCOMES_KEPT_S = 4 * 24 * 3600.0
DAMAGED = "file_damaged"                       # recorded by `packshot verify --repair`
QUARANTINED = PackshotError(
    "quarantined", f"Its run ended {MAX_LOST} times while, or before, it was worked on.",
    "See those runs' logs in the Dagster UI. It waits for changed files; the night tries it once more.")


@dataclass(frozen=True)
class Limits:
    """How much one look may take on. Nothing is forgotten: the next look goes on where this one stopped."""

    skus: int = 1_000_000                      # requested
    seconds: float = float("inf")              # spent reading files
    settle_s: float = 0.0                      # files changed less than so long ago may still be written
    launch_s: float = 0.0                      # a request younger than this may still become a run


@dataclass(frozen=True)
class Request:
    """One SKU that has to run, and why."""

    sku: str
    reason: Reason
    why: str                                   # in words
    suspect: bool = False                      # it may be what ended its last run


@dataclass
class Plan:
    """The outcome of one look at the catalogue. Save its state before its requests are acted on."""

    requests: list[Request] = field(default_factory=list)
    new_skus: list[str] = field(default_factory=list)      # keys to add to the partitions
    removed_skus: list[str] = field(default_factory=list)  # folders that are gone
    renamed: dict[str, str] = field(default_factory=dict)  # new name → name of a removed SKU with the same files
    illegal: dict[str, str] = field(default_factory=dict)  # folder name → message
    settling: list[str] = field(default_factory=list)      # their files are still being written
    left: int = 0                                          # for the next look: this one's limits are reached
    unchanged: int = 0
    state: State = field(default_factory=State)

    @property
    def states(self) -> dict[str, SkuState]:
        return self.state.skus

    @property
    def why(self) -> dict[str, str]:
        return {request.sku: request.why for request in self.requests}

    def batches(self, size: int) -> list[list[str]]:
        """Names of SKUs that share a run: suspects of an earlier run's end alone and last."""
        names = [request.sku for request in self.requests if not request.suspect]
        return [*(names[start : start + size] for start in range(0, len(names), size)),
                *([request.sku] for request in self.requests if request.suspect)]


def decide(catalogue: Catalogue, store: ArtifactStore, refiner: RefinerIdentity, run_state: Callable[[str], RunState],
           *, retry: Retry = "nothing", visits: int = 0, limits: Limits | None = None) -> Plan:
    """Look at the whole catalogue once. ``run_state`` tells what became of a run key's run.

    Args:
        retry: which failed SKUs are tried again; those whose input changed come first, then what is stale.
        visits: so many of the SKUs that nothing calls for are asked for as well, those longest not looked at first.
        limits: what this look may take on.
    """
    return _Look(catalogue, store, run_state, retry, limits or Limits(), sweep(catalogue)).decide(refiner, visits)


@contextmanager
def deciding(store: ArtifactStore) -> Iterator[None]:
    """One look at a time, from reading the state to saving it: of two, the later word would be the only one.

    Raises StoreError ``table_busy`` where another look takes minutes.
    """
    with exclusively(store, "refresh", f"{socket.gethostname()}:{os.getpid()}", wait_s=45.0):
        yield


def assign_batches(plan: Plan, batches: Sequence[Sequence[str]]) -> list[str]:
    """Give every requested SKU its batch's run key, ``<first sku>:<digest of all sku:sequence>``.

    Dagster never starts a key twice, and sequences start anew where the state was lost: hence its epoch.
    """
    keys = []
    for batch in batches:
        key = ",".join(f"{sku}:{plan.states[sku].sequence}" for sku in batch) + f":{plan.state.epoch}"
        if len(batch) > 1:
            key = f"{batch[0]}+{len(batch) - 1}:{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        keys.append(key)
        for sku in batch:
            plan.states[sku] = replace(plan.states[sku], run_key=key)
    return keys


class _Look:
    """One look: what is there, what became of what was asked for, what to ask for now."""

    def __init__(self, catalogue: Catalogue, store: ArtifactStore, run_state: Callable[[str], RunState], retry: Retry,
                 limits: Limits, seen: Sweep) -> None:
        self.catalogue, self.store, self.retry, self.limits, self.seen = catalogue, store, retry, limits, seen
        self.state = load_state(store)
        self.run_state = run_state
        self.plan = Plan(state=self.state)
        self.now = time.time()
        self.reading_until = time.monotonic() + limits.seconds
        self.runs: dict[str, tuple[RunState, RunOutcomes]] = {}
        self.broken = store.skus_with_errors()
        self.unread: set[str] = set()          # their files could not be read yet
        self.lost: dict[str, int] = {}         # counts that hold once the SKU is asked for

    def decide(self, refiner: RefinerIdentity, visits: int) -> Plan:
        plan, state = self.plan, self.state
        now = facets(self.catalogue, self._beside(), refiner)
        basis = _digest(now)
        state.bases[basis] = now
        present = [name for name, files in self.seen.folders.items() if SKU_PATTERN.fullmatch(name)]
        plan.illegal = {name: str(error) for name, error in self.catalogue.illegal(self.seen.folders).items()}
        gone = set(state.skus) - set(present)
        plan.removed_skus = sorted(sku for sku in gone if not state.skus[sku].missing)
        for sku in plan.removed_skus:
            state.skus[sku] = replace(state.skus[sku], missing=True)
        absent = {state.skus[sku].files: sku for sku in sorted(gone) if state.skus[sku].files not in ("", _digest([]))}
        found: list[tuple[int, Request]] = []
        idle: list[str] = []
        for sku in present:
            known = state.skus.get(sku)
            if known is None or known.missing:
                plan.new_skus.append(sku)
            current = self._answered(sku, replace(known, missing=False) if known else SkuState())
            current = self._read(sku, current)
            state.skus[sku] = current
            if not current.answered and self._under_way(current):
                plan.unchanged += 1
                continue
            if sku in self.unread or not current.files:
                continue
            request = self._request(sku, current, basis, absent)
            if request is None:
                plan.unchanged += 1
                idle.append(sku)
            else:
                found.append((_rank(request, current), request))
        idle.sort(key=lambda sku: (state.skus[sku].visited, sku))
        found += [(9, Request(sku, "visited", "the longest not looked at")) for sku in idle[:visits]]
        found.sort(key=lambda each: each[0])  # stable: by name within a rank
        self._ask([request for _, request in found], basis)
        self._forget_old()
        return plan

    # What became of requests

    def _run(self, key: str) -> tuple[RunState, RunOutcomes]:
        if key not in self.runs:
            self.runs[key] = (self.run_state(key), read_outcomes(self.store, key))
        return self.runs[key]

    def _under_way(self, state: SkuState) -> bool:
        """Whether its request is being carried out, or may still become a run: a tick hands over what it saved."""
        ran, _ = self._run(state.run_key)
        return ran == "in_flight" or (ran == "absent" and 0.0 <= self.now - state.asked_at < self.limits.launch_s)

    def _answered(self, sku: str, state: SkuState) -> SkuState:
        """With what its last request came to, if that is known by now."""
        if state.answered or not state.run_key:
            return state
        ran, told = self._run(state.run_key)
        outcome = told.ended.get(sku)
        if outcome is None:
            return state
        self.state.retired.setdefault(state.run_key, self.now)
        if outcome.result == "postponed":
            return state if ran == "in_flight" else replace(state, answered=True, postponed=True, lost=0)
        return replace(state, answered=True, postponed=False, visited=outcome.at, lost=0,
                       failure=outcome.kind if outcome.result == "failed" else "")

    # What is there

    def _read(self, sku: str, state: SkuState) -> SkuState:
        """With hashes of its files, read only where a signature moved. What cannot be read yet stays as it was."""
        files = self.seen.folders[sku]
        signatures = _digest(sorted(files.items()))
        if signatures == state.signatures and state.files:
            return state
        since = self.now - self.seen.changed_at.get(sku, 0.0)
        if 0.0 <= since < self.limits.settle_s:  # a clock that is ahead must not block it for ever
            self.plan.settling.append(sku)
            self.unread.add(sku)
            return state
        if time.monotonic() > self.reading_until:
            self.plan.left += 1
            self.unread.add(sku)
            return state
        record = self.state.files(self.store, sku)
        known: dict[str, tuple[str, str]] = {}
        for name, told in files.items():
            before = record.known.get(name)
            known[name] = before if before is not None and before[0] == told else (told, self._sha256(sku, name))
            if is_local(self.catalogue.root) and not self._still(sku, name, told):
                self.plan.settling.append(sku)
                self.unread.add(sku)
                return state
        self.state.put_files(self.store, sku, FileRecord(known, record.asked))
        return replace(state, signatures=signatures, files=_digest(sorted((name, sha) for name, (_, sha) in
                                                                          known.items())))

    def _beside(self) -> dict[str, str]:
        """Content hashes of the files beside catalogue.yaml, read only where a signature moved."""
        known = self.state.beside
        self.state.beside = {name: known[name] if known.get(name, ("",))[0] == told else (told, self._sha256("", name))
                             for name, told in self.seen.beside.items()}
        return {name: sha for name, (_, sha) in self.state.beside.items()}

    def _sha256(self, sku: str, name: str) -> str:
        try:
            place = self.catalogue.root / sku / name if sku else self.catalogue.root / name
            return hashlib.sha256(place.read_bytes()).hexdigest()
        except OSError as error:
            if not is_local(self.catalogue.root):
                raise                          # an outage is nobody's content
            return f"unreadable: {error.strerror}"  # the SKU runs, and says so itself

    def _still(self, sku: str, name: str, told: str) -> bool:
        """Whether a local file is the one that was seen, after it was read."""
        try:
            return signature(Path(self.catalogue.root.path) / sku / name) == told
        except OSError:
            return told == UNREADABLE

    # What to ask for

    def _request(self, sku: str, state: SkuState, basis: str, absent: Mapping[str, str]) -> Request | None:
        if not state.basis:
            before = absent.get(state.files)
            if before is not None:
                self.plan.renamed[sku] = before
            return Request(sku, "new", f"renamed from {before}" if before else "new")
        if state.asked_files != state.files or state.basis != basis:
            return Request(sku, "changed", self._why(sku, state, basis))
        if not state.answered:
            return self._lost(sku, state)
        if not state.failure and sku in self.broken and (self.store.error(sku) or {}).get("code") == DAMAGED:
            return Request(sku, "damaged", "its stored files were damaged")
        if state.postponed and self.retry != "nothing":  # the night's time is not the day's
            return Request(sku, "postponed", "the time of its last run was up")
        if not state.failure or self.retry == "nothing":
            return None
        if self.retry == "everything" or (state.failure not in INPUT_ERRORS and state.lost < MAX_LOST):
            return Request(sku, "failed", "failed before", suspect=state.lost >= MAX_LOST)
        return None

    def _lost(self, sku: str, state: SkuState) -> Request | None:
        """Its run has ended without it. A run that ended before it began anything speaks against all its SKUs."""
        ran, told = self._run(state.run_key)
        at_work = sku in told.unfinished
        self.lost[sku] = lost = state.lost + (at_work or (ran in ("failed", "cancelled") and not told.begun))
        if lost >= MAX_LOST and self.retry != "everything":
            self.store.record_error(sku, "product_mesh", QUARANTINED)
            self.state.skus[sku] = replace(state, lost=lost, answered=True, failure=type(QUARANTINED).__name__)
            return None
        return Request(sku, "lost", "its last run ended while it was worked on" if at_work else
                       "its last run ended before it", suspect=at_work)

    def _why(self, sku: str, state: SkuState, basis: str) -> str:
        told = changed_facets(self.state.bases.get(state.basis, {}), self.state.bases[basis]) \
            if state.basis != basis else []
        if state.asked_files != state.files:
            record = self.state.files(self.store, sku)
            told = changed_files(record.asked, {name: sha for name, (_, sha) in record.known.items()}) + told
        return ", ".join(told[:4]) + (f" and {len(told) - 4} more" if len(told) > 4 else "")

    def _ask(self, requests: list[Request], basis: str) -> None:
        plan, state = self.plan, self.state
        plan.left += max(0, len(requests) - self.limits.skus)
        plan.requests = requests[: self.limits.skus]
        for request in plan.requests:
            sku, before = request.sku, state.skus[request.sku]
            if before.run_key:
                state.retired.setdefault(before.run_key, self.now)
            again = request.reason in ("lost", "failed")
            state.skus[sku] = replace(before, asked_files=before.files, basis=basis, sequence=before.sequence + 1,
                                      run_key="", answered=False, postponed=False, asked_at=self.now,
                                      lost=self.lost.get(sku, before.lost) if again else 0)
            record = state.files(self.store, sku)
            state.put_files(self.store, sku, FileRecord(record.known, {name: sha for name, (_, sha)
                                                                       in record.known.items()}))

    def _forget_old(self) -> None:
        waited_for = {each.run_key for each in self.state.skus.values() if not each.answered}
        for key, since in list(self.state.retired.items()):
            if key not in waited_for and self.now - since > OUTCOMES_KEPT_S:
                forget(self.store, key)
                del self.state.retired[key]


def _rank(request: Request, state: SkuState) -> int:
    """Failed SKUs with a changed input first, then what is stale, then failures once more."""
    if request.reason == "changed" and state.failure:
        return 0
    return 2 if request.reason == "failed" else 1


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]
