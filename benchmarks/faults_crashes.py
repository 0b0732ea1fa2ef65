"""Native code that takes its process down, children that die, and two runs at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from benchmarks.faults_catalogue import BROKEN, CHANGED, SKUS
from benchmarks.faults_forge import Run
from benchmarks.faults_house import FAILED, Found, House
from sensors.decide import MAX_LOST

DRAW, REFINE = "pipeline.render.renderer:Renderer.draw", "pipeline.refine.none:NoRefiner.refine"
RENDER = "pipeline.workpiece:Workpiece.render"


def crash(house: House, call: str, at: int) -> Found:
    """Once: the driver's, or the refiner's, segmentation fault ends the run. The next one makes up for it."""
    found = Found(f"crash in {call.rpartition('.')[2]}")
    store = house.fresh_store("crash", used=False)
    run = house.finish(house.first, store, blow=[{"call": call, "at": at, "signal": "SIGSEGV"}])
    found.check(run.status == -signal.SIGSEGV, f"it did not crash: {run.status}")
    found.count(crashes=1)
    house.look(store, found, set())
    house.conclude(house.first, store, found)
    return found


def crash_always(house: House) -> Found:
    """One SKU takes its process down each time: it waits after three lost runs, and no other SKU does."""
    found = Found("a SKU that always crashes")
    store = house.fresh_store("always", used=False)
    blow = [{"call": RENDER, "when": f"sku='{CHANGED}'", "signal": "SIGSEGV"}]
    runs: list[Run] = []
    while len(runs) < MAX_LOST + 4:
        runs.append(house.finish(house.first, store, blow=blow))
        found.count(runs=1)
        house.look(store, found, set())
        if runs[-1].status != -signal.SIGSEGV:
            break
    crashes = sum(run.status == -signal.SIGSEGV for run in runs)
    found.count(crashes=crashes)
    found.check(crashes == MAX_LOST, f"it was tried {crashes} times: {[run.status for run in runs]}")
    done = {path.parent.name for path in (store / "delivered_images").glob("*/current.json")}
    found.check(done == set(SKUS) - {CHANGED, BROKEN}, f"delivered were {sorted(done)}")
    found.told = {"statuses": [run.status for run in runs], "last": runs[-1].told}
    house.conclude(house.first, store, found, "--night")
    return found


def lost_child(house: House, name: str, times: int) -> Found:
    """The path tracer's, or a loader's, process is killed as soon as it is seen, so many times."""
    found = Found(f"killed {name}")
    store = house.fresh_store("lost-child", used=False)
    run, killed = house.run(house.first, store), set[int]()
    while not house.forge.over(run):
        for pid in descendants(run.pid, name) - killed:
            if len(killed) < times:
                time.sleep(0.05)
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    found.count(children=len(killed))
    found.check(len(killed) == times, f"{len(killed)} children were seen")
    found.check(run.status == FAILED, f"the run ended with {run.status}: {run.said[-800:]}")
    found.check(len(run.told.get("failed", {})) <= 2, f"more than one SKU failed with it: {run.told.get('failed')}")
    found.told = {"failed": sorted(run.told.get("failed", {}))}
    house.look(store, found, set())
    house.conclude(house.first, store, found, "--night")
    return found


def descendants(pid: int, name: str) -> set[int]:
    """Children of a process, and theirs, whose command line holds ``name``. Linux only."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return {each for each in below - {pid} if name in _command(each)}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def together(house: House) -> Found:
    """Two runs of the whole catalogue on one store: neither knows of the other when it decides to make everything."""
    found = Found("two runs at once")
    store = house.fresh_store("together", used=False)
    decided = {"call": "sensors.refresh:_mark", "sleep": 3.0}  # one that comes later would find the other's word
    runs = [house.run(house.first, store, blow=[decided]) for _ in range(2)]
    for run in runs:
        house.forge.wait(run)
        found.count(runs=1)
        found.check(run.status == FAILED, f"one ended with {run.status}: {run.told} {run.said[-1500:]}")
    house.look(store, found, set())
    found.told = {"run": [run.told.get("run") for run in runs]}
    found.check(found.told["run"] == [list(SKUS)] * 2, f"they had not the same to do: {found.told['run']}")
    house.conclude(house.first, store, found)
    return found


def parts_together(house: House) -> Found:
    """Two Dagster runs of different assets of one SKU whose texture has changed, begun at the same moment."""
    found = Found("two runs of different assets")
    store = house.fresh_store("parts", used=True)
    halves = (["product_mesh", "product_regions", "control_passes"],
              ["refined_images", "sentinel_scores", "delivered_images"])
    runs = [house.forge.run([str(house.changed), str(store), CHANGED, *half], house.folder / "logs" / f"half-{half[0]}",
                            entry="benchmarks.faults_parts:main", environment=house.environment) for half in halves]
    for run in runs:
        house.forge.wait(run)
        found.count(runs=1)
        found.check(run.status in (0, 1), f"one ended with {run.status}: {run.said[-1500:]}")
    found.told = {"statuses": [run.status for run in runs]}
    house.look(store, found, set())
    house.conclude(house.changed, store, found)
    return found
