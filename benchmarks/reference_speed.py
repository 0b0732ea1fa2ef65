"""Seconds that one reference photo takes: ``python -m benchmarks.reference_speed --side 1024``

The example's photo of a pair, brought to a square of that side, and the example sneaker. *First* includes what is made
once per mesh: silhouettes from all around, and the mesh on the graphics device.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

from PIL import Image

from benchmarks.reference_placement import OURS, our_mesh
from pipeline.compositing import photo_shot
from pipeline.referencing import PhotoSolver
from pipeline.render import Renderer

PHOTO = Path(__file__).resolve().parent.parent / "examples/catalogue/court-sneaker-navy/reference/oak-pair.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--times", type=int, default=4)
    given = parser.parse_args()
    stream = io.BytesIO()
    Image.open(PHOTO).convert("RGB").resize((given.side, given.side), Image.Resampling.LANCZOS).save(
        stream, "JPEG", quality=92)
    mesh = our_mesh("shoe")
    print("| | solve s | emptied photo s | both s | processor s |\n|---|---|---|---|---|")
    with PhotoSolver(mesh, OURS["shoe"].category) as solver, Renderer() as renderer:
        for number in range(given.times):
            begun, processor = time.perf_counter(), time.process_time()
            solved = solver.solve(stream.getvalue(), "pair.jpg", lambda name: None)
            between = time.perf_counter()
            photo_shot("pair", solved, mesh, renderer)
            ended = time.perf_counter()
            print(f"| {'another' if number else 'first'} | {between - begun:.1f} | {ended - between:.1f} | "
                  f"{ended - begun:.1f} | {time.process_time() - processor:.1f} |", flush=True)


if __name__ == "__main__":
    main()
