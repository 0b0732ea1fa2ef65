"""``kill -9`` at random moments of a batch, up to three in a row, before it may finish.

Half of the kills come after a random share of an undisturbed run's time. The others wait for something to appear in
the store and come some ms later, since writing an EXR or a table takes a hundredth of a run and would hardly be hit.
One in eight goes to a process started in the ordinary way, during its start and imports. Every other kill takes the
process alone and leaves its children.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.faults_forge import Run, ordinary
from benchmarks.faults_house import Found, House

IN_A_ROW = 3                                   # more would be three lost runs of one SKU: it would rightly wait
AIMS = ("state/refresh.json", "state/publish_pending", "product_mesh/*/current.json", "control_passes/*/*/*.exr",
        "control_passes/*/current.json", "refined_images/*/*/*.png", "sentinel_scores/*/*/scores.parquet",
        "delivered_images/*/*/*.webp", "delivered_images/*/current.json", "errors/*.json", "timings/*.json",
        "score_table/history/*/*", "score_table/current/*", "score_table/index/*", "report/*",
        ".dagster/history/runs/*")
KINDS = ("first", "first", "changed", "first", "night")


def life(house: House, number: int, seed: int) -> Found:
    """One store from its first run to a finished one, with kills on the way. The same seed tries the same."""
    chance = random.Random(f"{seed}:{number}")
    kind = KINDS[number % len(KINDS)]
    catalogue = house.first if kind == "first" else house.changed
    options = ["--night"] if kind == "night" else []
    found = Found(kind)
    assert house.expected_changed
    store, seen = house.fresh_store(f"life-{number:03d}", used=kind != "first"), set[tuple[object, ...]]()
    whole = house.seconds["first" if kind == "first" else "changed"]
    places: list[str] = []
    for _ in range(chance.randint(1, IN_A_ROW)):
        group = chance.random() < 0.5
        if chance.random() < 0.125:
            run = ordinary(house.arguments(catalogue, store, *options), house.folder / "logs" / f"{store.name}-cold",
                           {**house.environment})
            time.sleep(chance.uniform(0.05, 5.0))
        else:
            run = house.run(catalogue, store, *options)
            if chance.random() < 0.5:
                _sleep(house, run, chance.uniform(0.0, whole))
            else:
                _await(house, run, store, chance.choice(AIMS), whole)
                _sleep(house, run, chance.uniform(0.0, 0.05))
        if house.forge.over(run):
            places.append("after its end")
            continue
        places.append(run.kill(group=group))
        while not house.forge.over(run):
            time.sleep(0.005)
        found.count(kills=1)
        house.look(store, found, seen)
    house.conclude(catalogue, store, found, *options)
    found.told = {"number": number, "where": places}
    return found


def lives(house: House, kills: int, seed: int, known: dict[int, Found]) -> Iterator[tuple[int, Found]]:
    """Lives until so many kills are counted; those known already are not lived again."""
    total = number = 0
    while total < kills:
        found = known.get(number) or life(house, number, seed)
        total += found.counts.get("kills", 0)
        yield number, found
        number += 1


def places(all_lives: list[Found]) -> dict[str, int]:
    """How many kills hit what."""
    return dict(Counter(where for each in all_lives for where in each.told["where"]).most_common())


def as_record(found: Found) -> dict[str, object]:
    return asdict(found)


def _sleep(house: House, run: Run, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not house.forge.over(run):
        time.sleep(min(0.005, max(0.0, deadline - time.monotonic())))


def _await(house: House, run: Run, store: Path, pattern: str, seconds: float) -> None:
    """Until the run has written something of this name, or enough time has gone by."""
    since, deadline = time.time_ns(), time.monotonic() + 2 * seconds
    while time.monotonic() < deadline and not house.forge.over(run):
        if any(_written(path) > since for path in store.glob(pattern)):
            return
        time.sleep(0.002)


def _written(path: Path) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0
