"""A night of 1,000 SKUs: ``python -m benchmarks.night --skus 1000`` (`make bench-night`).

The same small catalogue goes as one night run (``python -m sensors.refresh --night``, a process of its own) once
with Dagster's records in SQLite and once in PostgreSQL with the settings of ``deploy/production``; memory is read at
every SKU's progress line. What Dagster and the loop cost is then measured in turns, so that a busy machine troubles
all alike: blocks of the same SKUs through the bare engine loop, a batch on SQLite and a batch on PostgreSQL, medians
over the blocks. A run that is cut short goes on where it stopped, in ``--out``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from dagster import DagsterInstance, RunsFilter
from PIL import Image

from benchmarks import loop_cost
from pipeline.score_table import compact
from pipeline.store import ArtifactStore
from sensors.home import dagster_home
from tests.postgres import Postgres, postgres_server

ROOT = Path(__file__).parent.parent
CHEAPEST = {"PACKSHOT_LIGHT": "raster", "PACKSHOT_REFINER": "none"}
SETTINGS = "scale: 0.1\nshots: [square]\nregions_found: false\ndelivery: {deliver_unrefined: true}\n"
PROGRESS = re.compile(r"^\[(\d+)/(\d+)\] ")
WARM_UP = 0.3                              # share of a run before memory counts as settled
BLOCK = 25                                 # SKUs of a block: a run's own start is spread over as few


def night_catalogue(root: Path, count: int) -> list[str]:
    """Boxes of many sizes with checked maps of many colours and 64 to 256 px; every fifth has a second shot."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "catalogue.yaml").write_text(SETTINGS)
    rng = np.random.default_rng(6)
    names = [f"box-{number:05d}" for number in range(count)]
    for number, name in enumerate(names):
        folder = root / name
        sides, colour, side = rng.uniform(0.05, 0.4, 3), rng.integers(20, 220, 3), 64 << int(rng.integers(0, 3))
        if folder.exists():
            continue
        partial = root / f".{name}"
        partial.mkdir(exist_ok=True)
        (partial / "box.obj").write_text(_box(*map(float, sides)))
        rows, columns = np.mgrid[:side, :side] // 8
        pixels = np.where(((rows + columns) % 2)[..., None] == 1, colour, [205, 200, 190]).astype(np.uint8)
        Image.fromarray(pixels).save(partial / "diffuse.png")
        if number % 5 == 0:
            (partial / "product.yaml").write_text("shots: [square, top]\n")
        partial.rename(folder)
    return names


def _box(x: float, y: float, z: float) -> str:
    """An OBJ box, each face on a cell of the map of its own, in metres, standing on the floor."""
    corners = [(a * x / 2, b * y / 2 + y / 2, c * z / 2) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    cells = [((face % 3) / 3, (face // 3) / 2) for face in range(6)]
    maps = [f"vt {u + s / 3.2:.6f} {v + t / 2.2:.6f}" for u, v in cells for s, t in ((0, 0), (1, 0), (1, 1), (0, 1))]
    corners_of = [" ".join(f"{v + 1}/{4 * at + t + 1}" for t, v in enumerate(face)) for at, face in enumerate(faces)]
    return "\n".join([*(f"v {a:.6f} {b:.6f} {c:.6f}" for a, b, c in corners), *maps,
                      *(f"f {each}" for each in corners_of), ""])


@contextmanager
def postgres_records(home: Path) -> Iterator[Postgres]:
    """A PostgreSQL server, and production's settings in ``home``, less the logs that need a bucket."""
    with postgres_server() as server:
        write_production(home)
        before = dict(os.environ)
        os.environ.update(server.environment())
        try:
            yield server
        finally:
            os.environ.clear()
            os.environ.update(before)


def write_production(home: Path) -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "production" / "dagster.yaml").read_text())
    del settings["compute_logs"]
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))


def night_run(catalogue: Path, store: Path, total: int) -> dict[str, Any]:
    """One night as a process of its own; memory at every SKU's line, and what Dagster holds of it afterwards."""
    home = dagster_home(str(store))
    environment = {**os.environ, **CHEAPEST, "DAGSTER_HOME": str(home)}
    command = [sys.executable, "-m", "sensors.refresh", "--night", "--catalogue", str(catalogue), "--store", str(store)]
    started = time.perf_counter()
    lines: list[tuple[int, float, float]] = []  # SKUs done, seconds, resident MB
    told: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line)
            found = PROGRESS.match(line)
            if found:
                lines.append((len(lines) + 1, time.perf_counter() - started, _resident_mb(process.pid)))
                if lines[-1][0] % max(1, total // 20) == 0:
                    print(f"  {store.name}: {lines[-1][0]}/{total}, {lines[-1][1]:.0f} s, {lines[-1][2]:.0f} MB",
                          flush=True)
    if process.returncode or len(lines) != total:
        raise SystemExit(f"The night failed with status {process.returncode}:\n{''.join(told[-20:])}")
    whole = time.perf_counter() - started
    done, seconds, memory = (np.array(column) for column in zip(*lines, strict=True))
    settled = done > WARM_UP * total
    slope = np.polyfit(done[settled], memory[settled], 1)[0] * 100 if settled.sum() > 2 else float("nan")
    with _home(home) as instance:
        runs = instance.get_runs(RunsFilter(job_name="refresh_batch"))
        events = sum(len(instance.all_logs(run.run_id)) for run in runs)
    between = np.diff(seconds)
    return {"skus": total, "runs": len(runs), "seconds": whole, "start": float(seconds[0]),
            "per_sku": float((seconds[-1] - seconds[0]) / max(1, total - 1)),
            "median_between": float(np.median(between)) if len(between) else 0.0, "events_per_sku": events / total,
            "rss_mb": [float(memory[0]), float(memory[len(memory) // 2]), float(memory[-1])],
            "rss_mb_per_100": float(slope), "after_last_sku": whole - float(seconds[-1])}


def again(catalogue: Path, store: Path, skus: Sequence[str]) -> dict[str, float]:
    """The same night with nothing to do, and a batch that is told to look at every SKU and keeps all."""
    home = dagster_home(str(store))
    command = [sys.executable, "-m", "sensors.refresh", "--night", "--catalogue", str(catalogue), "--store", str(store)]
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env={**os.environ, **CHEAPEST, "DAGSTER_HOME": str(home)}, check=True,
                   capture_output=True)
    night = time.perf_counter() - started
    with loop_cost.environment(PACKSHOT_CATALOGUE=str(catalogue), PACKSHOT_STORE=str(store), **CHEAPEST) as resources, \
            _home(home) as instance:
        started = time.perf_counter()
        loop_cost.batch_loop(skus, resources, instance)
        return {"night": night, "kept_per_sku": (time.perf_counter() - started) / len(skus)}


def tables(store: Path) -> dict[str, float]:
    """Compaction with nothing changed, of everything at once, and the files there are."""
    opened = ArtifactStore(store)
    unchanged = _timed(lambda: compact(opened))
    shutil.rmtree(store / "score_table")
    whole = _timed(lambda: compact(opened))
    files = list((store / "score_table").rglob("*.parquet"))
    return {"compact_unchanged": unchanged, "compact_all": whole, "table_files": len(files),
            "table_mb": sum(path.stat().st_size for path in files) / 1e6}


def in_turns(catalogue: Path, folder: Path, skus: Sequence[str], blocks: int) -> dict[str, Any]:
    """Seconds per SKU of each way, block by block, the order changing; and what a run of one kept SKU takes."""
    shutil.rmtree(folder, ignore_errors=True)
    ways = ("bare", "SQLite", "PostgreSQL")
    with ExitStack() as stack:
        stack.enter_context(postgres_records(folder / "postgres-home"))
        (folder / "sqlite-home").mkdir(parents=True)
        instances = {"SQLite": stack.enter_context(_home(folder / "sqlite-home")),
                     "PostgreSQL": stack.enter_context(_home(folder / "postgres-home"))}

        def once(way: str, members: Sequence[str]) -> tuple[float, float]:
            with loop_cost.environment(PACKSHOT_CATALOGUE=str(catalogue), PACKSHOT_STORE=str(folder / way),
                                       **CHEAPEST) as resources:
                wall, processor = time.perf_counter(), loop_cost.cpu_seconds()
                if way == "bare":
                    bench = loop_cost.bench_of(resources)
                    loop_cost.bare_loop(members, bench)
                    resources.renderer.get().close()  # a run closes its own as well
                else:
                    loop_cost.batch_loop(members, resources, instances[way])
                return ((time.perf_counter() - wall) / len(members),
                        (loop_cost.cpu_seconds() - processor) / len(members))

        for way in ways:
            once(way, skus[:1])            # imports, drivers, tables
        starts = {way: statistics.median(once(way, skus[:1])[0] for _ in range(3)) for way in ways[1:]}
        taken: list[dict[str, tuple[float, float]]] = []
        for block in range(blocks):
            members = skus[1 + block * BLOCK : 1 + (block + 1) * BLOCK]
            order = [ways[(block + turn) % 3] for turn in range(3)]
            taken.append({way: once(way, members) for way in order})
            shown = ", ".join(f"{way} {taken[-1][way][0]:.3f}" for way in ways)
            print(f"  block {block + 1}/{blocks}: {shown} s per SKU", flush=True)
    found: dict[str, Any] = {"blocks": blocks, "skus_a_block": BLOCK, "run_of_one_kept": starts}
    for at, unit in enumerate(("wall", "cpu")):
        found[unit] = {way: statistics.median(each[way][at] for each in taken) for way in ways}
        found[f"{unit}_over_bare"] = {way: statistics.median(each[way][at] - each["bare"][at] for each in taken)
                                      for way in ways[1:]}
    return found


@contextmanager
def _home(home: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _resident_mb(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return float("nan")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1e3


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


class Results:
    """What is measured so far, kept in a file: a benchmark that is cut short goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        if name not in self.found:
            print(f"{datetime.now(UTC):%H:%M:%S} {name}", flush=True)
            self.found[name] = measure()
            self.path.write_text(json.dumps(self.found, indent=1))
        return self.found[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skus", type=int, default=1000)
    parser.add_argument("--postgres-skus", type=int, help="of the night on PostgreSQL; all by default")
    parser.add_argument("--blocks", type=int, default=6, help=f"blocks of {BLOCK} SKUs that are measured in turns")
    parser.add_argument("--out", type=Path, default=Path("bench-night"))
    options = parser.parse_args()
    out = options.out.resolve() / str(options.skus)
    catalogue = out / "catalogue"
    skus = night_catalogue(catalogue, options.skus)
    results = Results(out / "results.json")
    blocks = min(options.blocks, max(1, (len(skus) - 1) // BLOCK))

    def fresh(name: str) -> Path:
        shutil.rmtree(out / name, ignore_errors=True)
        return out / name

    def on_postgres() -> dict[str, Any]:
        count = min(options.postgres_skus or len(skus), len(skus))
        part = catalogue
        if count < len(skus):
            part = fresh("catalogue-postgres")
            night_catalogue(part, count)
        store = fresh("postgres")
        with postgres_records(store / ".dagster"):
            return night_run(part, store, count)

    sqlite = results.once("night on SQLite", lambda: night_run(catalogue, fresh("sqlite"), len(skus)))
    postgres = results.once("night on PostgreSQL", on_postgres)
    kept = results.once("again, nothing changed", lambda: again(catalogue, out / "sqlite", skus))
    table = results.once("score tables", lambda: tables(out / "sqlite"))
    turns = results.once("in turns", lambda: in_turns(catalogue, out / "turns", skus, blocks))
    print(f"\n{len(skus)} SKUs, load {os.getloadavg()[0]:.1f}\n\n{told(sqlite, postgres, kept, table, turns)}")


def told(sqlite: dict[str, Any], postgres: dict[str, Any], kept: dict[str, float], table: dict[str, float],
         turns: dict[str, Any]) -> str:
    """The figures as Markdown."""
    def row(name: str, *cells: object) -> str:
        return f"| {name} | " + " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells
                                           ) + " |"

    wall, over = turns["wall"], turns["wall_over_bare"]
    return "\n".join([
        "| | bare loop | SQLite | PostgreSQL |", "|---|---|---|---|",
        row("SKUs in one night run", "–", sqlite["skus"], postgres["skus"]),
        row("s to the first SKU's end", "–", sqlite["start"], postgres["start"]),
        row("s per SKU, from there to the last's", "–", sqlite["per_sku"], postgres["per_sku"]),
        row("median s between two SKUs", "–", sqlite["median_between"], postgres["median_between"]),
        row(f"s per SKU in turns, {turns['blocks']} blocks of {turns['skus_a_block']}", wall["bare"], wall["SQLite"],
            wall["PostgreSQL"]),
        row("of it over the bare loop, median of blocks", "–", over["SQLite"], over["PostgreSQL"]),
        row("the same in processor s of this process", "–", turns["cpu_over_bare"]["SQLite"],
            turns["cpu_over_bare"]["PostgreSQL"]),
        row("s of a run of one kept SKU", "–", turns["run_of_one_kept"]["SQLite"],
            turns["run_of_one_kept"]["PostgreSQL"]),
        row("events per SKU", "–", sqlite["events_per_sku"], postgres["events_per_sku"]),
        row("resident MB: first SKU, middle, last", "–", *(" → ".join(f"{mb:.0f}" for mb in each["rss_mb"])
                                                           for each in (sqlite, postgres))),
        row(f"MB per 100 SKUs, from {WARM_UP:.0%} on", "–", sqlite["rss_mb_per_100"], postgres["rss_mb_per_100"]),
        row("s from the last SKU to the end (tables, report)", "–", sqlite["after_last_sku"],
            postgres["after_last_sku"]),
        row("s per SKU when all are kept", "–", kept["kept_per_sku"], "–"),
        row("s of a night with nothing to do", "–", kept["night"], "–"),
        row("s to compact: all, nothing changed", "–", f"{table['compact_all']:.2f}, {table['compact_unchanged']:.2f}",
            "–"),
        row("score table", "–", f"{table['table_files']:.0f} files, {table['table_mb']:.1f} MB", "–")])


if __name__ == "__main__":
    main()
