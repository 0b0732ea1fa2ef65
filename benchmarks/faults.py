"""Nothing lost: processes killed, disks filled, drivers crashed, and every store compared with an undisturbed run's.

    python -m benchmarks.faults --kills 50          # make bench-faults
    python -m benchmarks.faults --only kills --kills 10

Trials that are done are remembered in ``--out`` for as long as the code and the seed stay the same, so a benchmark
that was cut short goes on. Exit status 1 where anything was torn, lost, doubled, unequal or not said in words.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import faults_crashes, faults_disk, faults_kills
from benchmarks.faults_forge import ROOT, Forge
from benchmarks.faults_house import Found, House
from benchmarks.faults_store import pixels, score_values

ROOMS = ("pipeline", "assets", "resources", "sensors")
TRACED = {"PACKSHOT_LIGHT": "traced", "PACKSHOT_REFINER": "embedded"}
NAMES = ("kills", "traced", "full", "readonly", "together", "crashes", "children")
Trial = tuple[str, Callable[[], Found]]


def trials(name: str, house: House, traced: House) -> Sequence[Trial]:
    """Everything of one name but the kills, each with a name of its own."""
    if name in ("full", "readonly") and (reason := faults_disk.reason_not_to()):
        _say(f"{name}: left out, {reason}")
        return ()
    table: dict[str, Sequence[Trial]] = {
        "full": [(f"full {share:.2f}", lambda share=share: faults_disk.full(house, share))  # type: ignore[misc]
                 for share in faults_disk.SHARES],
        "readonly": [("read-only, used", lambda: faults_disk.read_only(house, used=True)),
                     ("read-only, empty", lambda: faults_disk.read_only(house, used=False))],
        "together": [("together", lambda: faults_crashes.together(house)),
                     ("parts together", lambda: faults_crashes.parts_together(house))],
        "crashes": [("crash in OpenGL", lambda: faults_crashes.crash(house, faults_crashes.DRAW, 2)),
                    ("crash in refinement", lambda: faults_crashes.crash(house, faults_crashes.REFINE, 2)),
                    ("crash for ever", lambda: faults_crashes.crash_always(house))],
        "children": [("killed loader", lambda: faults_crashes.lost_child(house, "pipeline.mesh.child", 1)),
                     ("killed tracer", lambda: faults_crashes.lost_child(traced, "pathtrace_child", 1)),
                     ("killed tracer, twice", lambda: faults_crashes.lost_child(traced, "pathtrace_child", 2))],
    }
    return table.get(name, ())


class Ledger:
    """Trials that are done, a line of JSON each, for one state of the code."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{code_digest()}-{seed}.jsonl"
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        self.done = {entry["trial"]: Found(**entry["found"]) for entry in map(json.loads, lines)}

    def add(self, trial: str, found: Found) -> None:
        if trial not in self.done:
            self.done[trial] = found
            with self._path.open("a") as file:
                file.write(json.dumps({"trial": trial, "found": asdict(found)}) + "\n")


def code_digest() -> str:
    """Of everything that runs imports of ours, and of this benchmark."""
    digest = hashlib.sha256()
    for path in sorted([*(path for room in ROOMS for path in (ROOT / room).rglob("*.py")),
                        *(ROOT / "benchmarks").glob("faults*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def kills(house: House, name: str, count: int, seed: int, ledger: Ledger) -> None:
    known = {int(trial.rpartition(" ")[2]): found for trial, found in ledger.done.items()
             if trial.startswith(f"{name} ")}
    total = 0
    for number, found in faults_kills.lives(house, count, seed, known):
        total += found.counts.get("kills", 0)
        ledger.add(f"{name} {number}", found)
        if number not in known:
            _say(f"[{total}/{count} kills] {name} {number}, {found.name}: {', '.join(found.told['where'])}"
                 + _verdict(found))


def table(done: dict[str, Found]) -> str:
    """The lines of benchmarks/README.md."""
    groups: dict[str, list[Found]] = {}
    for trial, found in done.items():
        light = "traced light, embedded refiner" if trial.startswith("traced") else ""
        kill = f"kill -9, {light or 'drawn light'}: {found.name} run"
        groups.setdefault(kill if "where" in found.told else found.name, []).append(found)
    lines = ["| fault | trials | counted | torn | lost | doubled | unequal | otherwise wrong |",
             "|---|---|---|---|---|---|---|---|"]
    for name, members in sorted(groups.items()):
        total = Found(name)
        for each in members:
            total.count(**each.counts)
        counted = ", ".join(f"{number} {what}" for what, number in total.counts.items()
                            if what not in ("torn", "lost", "doubled", "unequal"))
        figures = [total.counts.get(what, 0) for what in ("torn", "lost", "doubled", "unequal")]
        others = sum(len(each.wrong) for each in members) - sum(figures)
        lines.append(f"| {name} | {len(members)} | {counted} | {' | '.join(map(str, figures))} | {others} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="with drawn light; a tenth as many with traced")
    parser.add_argument("--only", choices=NAMES, action="append", help="may be given several times")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("bench-faults"), help="where finished trials are kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end instead of the table")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # mounts and children are cleared away
    names = options.only or NAMES
    ledger, started = Ledger(options.out, options.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="packshot-faults-") as folder, Forge() as forge:
        house = House(Path(folder) / "drawn", forge)
        traced = House(Path(folder) / "traced", forge, TRACED)
        if "kills" in names:
            kills(house, "kills", options.kills, options.seed, ledger)
        if "traced" in names:
            kills(traced, "traced", max(1, options.kills // 10), options.seed, ledger)
        for name in names:
            for trial, tried in trials(name, house, traced):
                if trial not in ledger.done:
                    begun = time.monotonic()
                    found = tried()
                    ledger.add(trial, found)
                    _say(f"{trial} in {time.monotonic() - begun:.0f} s" + _verdict(found))
        compared = {"files": 0, "scores": 0}
        if "expected" in house.__dict__:
            compared = {"files": pixels(house.expected), "scores": score_values(house.expected)}
    wrong = {trial: found.wrong for trial, found in ledger.done.items() if found.wrong}
    hit = faults_kills.places([each for each in ledger.done.values() if "where" in each.told])
    if options.json:
        print(json.dumps({"trials": {trial: asdict(found) for trial, found in ledger.done.items()}, "hit": hit,
                          "compared": compared, "seconds": round(time.monotonic() - started, 1)}, indent=1))
    else:
        print(table(ledger.done))
        print(f"\nKills hit: {', '.join(f'{where} {count}' for where, count in hit.items()) or 'nothing'}.")
        print(f"Compared per store: {compared['files']} image files byte by byte, {compared['scores']} scores.")
        for trial, problems in wrong.items():
            print(f"{trial}:", *problems[:10], sep="\n  ")
    return 1 if wrong else 0


def _verdict(found: Found) -> str:
    return " — nothing wrong" if not found.wrong else f" — WRONG: {'; '.join(found.wrong)[:600]}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
