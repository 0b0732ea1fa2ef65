"""How long is a mesh file on its way to the canonical mesh? ``python -m benchmarks.ingest_speed``

One surface is written as GLB, FBX, OBJ and STL of 10k, 100k and 1M triangles into a temporary folder;
every measurement is a process of its own, the best of a few. Columns, in seconds:

first     what the first ingest of a process takes in addition, for imports; measured with 64 triangles
total     the whole ``ingest()`` afterwards
start     of it, the child process starting and importing its loader (what 64 triangles take)
load      of it, reading the file in the child and handing the arrays over
mesh      of it, the gate, units, normals, welding, uv islands, facts, report
write     ``save_mesh`` afterwards, not in the total
peak      largest resident size of parent and child, MB
trimesh   its own loader on the same file, without and with merging vertices; it has none for FBX
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.mesh_writers import WRITERS, surface

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
_TINY = 64


def ours(path: Path) -> dict[str, float]:
    """Ingest once in this process, after a tiny file that brings in what an ingest imports."""
    from pipeline.mesh import ingest_file
    from pipeline.mesh.storage import save_mesh

    with tempfile.TemporaryDirectory() as folder:
        tiny = Path(folder) / f"tiny{path.suffix}"
        tiny.write_bytes(WRITERS[path.suffix[1:]](surface(_TINY)))
        firsts = []
        for _ in range(2):
            started = time.perf_counter()
            child = ingest_file(tiny).report.loader_seconds
            firsts.append(time.perf_counter() - started)
    started = time.perf_counter()
    result = ingest_file(path)
    total = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        save_mesh(result.mesh, Path(folder) / "mesh.npz")
        write = time.perf_counter() - started
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"total": total, "child": result.report.loader_seconds, "write": write, "parent_mb": peaks[0],
            "child_mb": peaks[1], "triangles": len(result.mesh.triangles),
            "start": child, "first": firsts[0] - firsts[1]}


def theirs(path: Path, merge: bool) -> dict[str, float]:
    """trimesh's loader once in this process."""
    import trimesh

    started = time.perf_counter()
    trimesh.load(path, process=merge)
    return {"total": time.perf_counter() - started}


def _apart(arguments: list[str], repeats: int) -> dict[str, float]:
    """The quickest of several runs in fresh processes."""
    runs = []
    for _ in range(repeats):
        done = subprocess.run([sys.executable, "-m", "benchmarks.ingest_speed", *arguments], check=True,
                              capture_output=True, text=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return min(runs, key=lambda run: float(run["total"]))


def measure(folder: Path, sizes: dict[str, int], repeats: int) -> list[str]:
    """Lines of a Markdown table."""
    columns = ("triangles", "format", "file MB", "first", "total", "start", "load", "mesh", "write", "peak MB",
               "trimesh", "merged")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for label, count in sizes.items():
        mesh = surface(count)
        for name, write in WRITERS.items():
            path = folder / f"{label}.{name}"
            path.write_bytes(write(mesh))
            run = _apart(["--one", str(path)], repeats)
            peers = ["–", "–"] if name == "fbx" else [
                f"{_apart(['--peer', merge, str(path)], repeats)['total']:.2f}" for merge in ("as-is", "merged")]
            lines.append(f"| {label} | {name.upper()} | {path.stat().st_size / 1e6:.1f} | "
                         f"+{run['first']:.2f} | **{run['total']:.2f}** | "
                         f"{run['start']:.2f} | {max(run['child'] - run['start'], 0.0):.2f} | "
                         f"{run['total'] - run['child']:.2f} | {run['write']:.2f} | "
                         f"{max(run['parent_mb'], run['child_mb']):.0f} | {' | '.join(peers)} |")
            print(lines[-1], file=sys.stderr)
            path.unlink()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="runs per figure; the quickest counts")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(ours(options.one)))
        return
    if options.peer is not None:
        print(json.dumps(theirs(Path(options.peer[1]), options.peer[0] == "merged")))
        return
    with tempfile.TemporaryDirectory(prefix="ingest-speed-") as folder:
        lines = measure(Path(folder), {label: SIZES[label] for label in options.sizes}, options.repeats)
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
