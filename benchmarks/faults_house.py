"""Where faults are tried: catalogues, the stores an undisturbed run leaves, and what is wrong after a fault."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance

from benchmarks.faults_catalogue import write_catalogue
from benchmarks.faults_forge import Forge, Run
from benchmarks.faults_store import Contents, contents, doubled, kept_rows, torn, unequal
from pipeline.verify import SKU_ASSETS

FAILED = 1                                     # exit status of every whole run here: one SKU's texture is broken


@dataclass
class Found:
    """What one trial showed: what was counted, and in words what was not as it has to be."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def count(self, **more: int) -> None:
        for name, number in more.items():
            self.counts[name] = self.counts.get(name, 0) + number

    def check(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)


@dataclass
class House:
    """A folder with both catalogues and both reference stores, and a forge to run in."""

    folder: Path
    forge: Forge
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)     # of the undisturbed runs

    @cached_property
    def first(self) -> Path:
        return write_catalogue(self._fresh("catalogue"))

    @cached_property
    def changed(self) -> Path:
        return write_catalogue(self._fresh("catalogue-changed"), changed=True)

    @cached_property
    def reference(self) -> Path:
        """The store of one undisturbed run."""
        store = self._fresh("reference")
        self.seconds["first"] = self._undisturbed(self.first, store)
        return store

    @cached_property
    def reference_changed(self) -> Path:
        """The same after a second undisturbed run, with one texture changed."""
        store = self._fresh("reference-changed")
        shutil.copytree(self.reference, store)
        self.seconds["changed"] = self._undisturbed(self.changed, store)
        return store

    @cached_property
    def expected(self) -> Contents:
        return contents(self.reference)

    @cached_property
    def expected_changed(self) -> Contents:
        return contents(self.reference_changed)

    @cached_property
    def records(self) -> dict[str, list[str]]:
        return partitions(self.reference)

    def run(self, catalogue: Path, store: Path, *options: str, **how: Any) -> Run:
        return self.forge.run(self.arguments(catalogue, store, *options), self._log(store),
                              environment=self.environment, **how)

    def finish(self, catalogue: Path, store: Path, *options: str, **how: Any) -> Run:
        return self.forge.wait(self.run(catalogue, store, *options, **how))

    @staticmethod
    def arguments(catalogue: Path, store: Path, *options: str) -> list[str]:
        return ["--catalogue", str(catalogue), "--store", str(store), "--json", *options]

    def look(self, store: Path, found: Found, seen: set[tuple[Any, ...]]) -> None:
        """Read everything there is right after a fault. ``seen``: history's rows, which may only grow."""
        problems, twice, rows = torn(store), doubled(store), kept_rows(store)
        gone = seen - rows
        seen |= rows
        found.count(torn=len(problems), doubled=len(twice), lost=len(gone))
        found.wrong += [*problems, *twice, *(f"history has lost {key}" for key in sorted(map(str, gone)))]

    def conclude(self, catalogue: Path, store: Path, found: Found, *options: str) -> None:
        """The run after all faults: it ends like an undisturbed one, leaves the same, and nothing to do."""
        expected = self.expected_changed if catalogue == self.changed else self.expected
        last = self.finish(catalogue, store, *options)
        found.check(last.status == FAILED, f"the rerun ended with {last.status}: {last.told} {last.said[-800:]}")
        self.look(store, found, set())
        if last.status == FAILED:
            left = unequal(expected, contents(store))
            found.count(unequal=len(left))
            found.wrong += [f"{name} is not the undisturbed run's" for name in left]
            found.check(partitions(store) == self.records, f"Dagster's partitions: {partitions(store)}")
        idle = self.finish(catalogue, store)
        found.check(idle.told.get("run") == [], f"the run after it had to do {idle.told}")

    def fresh_store(self, name: str, *, used: bool) -> Path:
        store = self._fresh(name)
        if used:
            shutil.copytree(self.reference, store)
        return store

    def _undisturbed(self, catalogue: Path, store: Path) -> float:
        run = self.finish(catalogue, store)
        if run.status != FAILED or torn(store) or doubled(store):
            raise RuntimeError(f"An undisturbed run failed: {run.status} {run.told} {run.said}")
        return float(run.told["seconds"])

    def _fresh(self, name: str) -> Path:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / name

    def _log(self, store: Path) -> Path:
        self.count = getattr(self, "count", 0) + 1
        return self.folder / "logs" / f"{store.name}-{self.count:04d}"


def partitions(store: Path) -> dict[str, list[str]]:
    """By asset the SKUs that Dagster shows as materialized."""
    with DagsterInstance.from_config(str(store / ".dagster")) as instance:
        return {asset: sorted(instance.get_materialized_partitions(AssetKey(asset))) for asset in SKU_ASSETS}
