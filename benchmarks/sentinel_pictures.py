"""The pictures that Sentinel is proved on: ``python -m benchmarks.sentinel_pictures --out bench-sentinel``.

Of every product its passes as production makes them, path-traced, which Sentinel expects; honest pictures of it, from
the path tracer with a seed of its own and from the embedded refiner before and after the lock; and, of the first
products of each test family, pictures of a damaged twin, traced with other seeds still. A product is one folder that
ends with ``pictures.json``: a run that was cut short goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.sentinel_defects import Row, View, rows_for
from benchmarks.sentinel_products import Plan, Subject, plans
from benchmarks.sentinel_severity import severity
from pipeline.catalogue import Shot
from pipeline.colour import to_display
from pipeline.errors import PackshotError
from pipeline.refine import RefinerSettings, make_refiner, seed_for
from pipeline.refine.types import Refiner, RefineRequest
from pipeline.render import Renderer, Scene, compose, save_passes
from pipeline.render.tracing import TracingRenderer
from pipeline.render.types import ControlPasses
from pipeline.sentinel import expected_from

U8 = NDArray[np.uint8]
CLEAN_SEED = 1                 # production's is 0
PATHS = 1_200_000              # of a picture: as many per pixel, four, as production has at 1080²
INVISIBLE = 1.0                # rms of the pixels it changed, code values; less changes no picture
INDEX = "pictures.json"


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a product, and what is wrong with it."""

    file: str                  # in the product's folder; "" for the expected picture itself
    shot: str
    source: str                # traced, none, embedded, unlocked
    defect: str = ""           # row of the table; "" for an honest picture
    nominal: float = 0.0
    injected: float | None = None
    visible: float = 0.0       # rms change of luma, code values
    unit: str = ""
    region: str = ""
    note: str = ""


class Studio:
    """What stays open while product after product comes in."""

    def __init__(self, threads: int) -> None:
        self.renderer = TracingRenderer(threads, PATHS)
        self.refiner: Refiner = make_refiner(RefinerSettings.parse({"preset": "embedded", "threads": threads}))

    def close(self) -> None:
        self.renderer.close()

    def drawn(self, scene: Scene) -> ControlPasses:
        """Passes in drawn light."""
        return Renderer.draw(self.renderer, scene)

    def traced(self, scene: Scene, passes: ControlPasses, seed: int) -> ControlPasses:
        return self.renderer.traced(scene, passes, seed)


def make(plan: Plan, studio: Studio, folder: Path) -> int:
    """All pictures of one product; how many. Raises PackshotError."""
    folder.mkdir(parents=True, exist_ok=True)
    subject = plan.open()
    views: dict[str, View] = {}
    pictures: list[Picture] = []
    for shot in subject.shots:
        view, found = _honest(plan, subject, shot, studio, folder)
        views[shot.name] = view
        pictures += found
    if plan.damaged:
        for row in rows_for(plan.number):
            pictures += _damaged(row, views, studio, folder, plan.number)
    about = {"product": plan.name, "family": plan.family, "split": plan.split, "raster": plan.raster,
             "shots": [shot.name for shot in subject.shots], "regions": [asdict(region) for region in subject.regions],
             "pictures": [asdict(picture) for picture in pictures]}
    (folder / INDEX).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    return len(pictures)


def _honest(plan: Plan, subject: Subject, shot: Shot, studio: Studio, folder: Path) -> tuple[View, list[Picture]]:
    region = next((one for one in subject.regions if one.name == shot.framed_region), None)
    scene = compose(subject.mesh, shot, subject.textures, region)
    drawn = studio.drawn(scene)
    passes = drawn if plan.raster else studio.traced(scene, drawn, 0)
    save_passes(passes, folder / f"{shot.name}.exr")
    images: dict[str, U8] = {}
    if not plan.raster and plan.split == "test":
        images["traced"] = display(studio.traced(scene, drawn, CLEAN_SEED))
    [refined] = studio.refiner.refine([RefineRequest(passes, "", seed_for(plan.name, shot.name, 0),
                                                     regions=subject.regions)])
    images["embedded"] = refined.pixels
    if refined.unlocked is not None:
        images["unlocked"] = refined.unlocked
    found = [Picture("", shot.name, "none")]
    for source, pixels in images.items():
        Image.fromarray(pixels).save(folder / f"{shot.name}.{source}.png")
        found.append(Picture(f"{shot.name}.{source}.png", shot.name, source))
    return View.of(subject, scene, drawn, expected_from(passes)), found


def _damaged(row: Row, views: dict[str, View], studio: Studio, folder: Path, number: int) -> Iterator[Picture]:
    """Pictures of one row's severities, from the first view that shows the defect."""
    order = row.shots[::-1] if row.every == 1 and number % 4 in (2, 3) else row.shots  # both scales, for prints
    for name in (name for name in order if name in views):
        view = views[name]
        made = [(size, row.make(view, size)) for size in row.severities]
        if any(damaged is None for _, damaged in made):
            continue
        for size, damaged in made:
            assert damaged is not None
            scene = damaged.scene(view)
            drawn = studio.drawn(scene)
            where = view.passes.alpha > 0 if damaged.where is None else damaged.where
            size_found = severity(row.name, view.passes, drawn, where)
            if size_found.visible < INVISIBLE:
                continue
            file = f"{name}.{row.name.replace(' ', '-')}-{size:g}.png"
            seed = 2 + zlib.crc32(f"{folder.name}/{file}".encode()) % 1_000_000
            Image.fromarray(display(studio.traced(scene, drawn, seed))).save(folder / file)
            yield Picture(file, name, "traced", row.name, size, size_found.value, size_found.visible, row.unit,
                          damaged.region, damaged.note)
        return


def display(passes: ControlPasses) -> U8:
    return to_display(passes.product, passes.plate, passes.white_backdrop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench-sentinel"))
    parser.add_argument("--threads", type=int, default=0, help="of tracer and refiner; 0: one per core")
    parser.add_argument("--only", nargs="*", help="products by name")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no product after so many")
    given = parser.parse_args()
    todo = [plan for plan in plans() if not (given.out / plan.name / INDEX).exists()
            and (given.only is None or plan.name in given.only)]
    print(f"{len(todo)} products to come", flush=True)
    studio, started = Studio(given.threads), time.monotonic()
    try:
        for number, plan in enumerate(todo, 1):
            if time.monotonic() - started > 60 * given.minutes:
                break
            try:
                count = make(plan, studio, given.out / plan.name)
            except PackshotError as error:
                print(f"{plan.name}: {error}", flush=True)
                continue
            print(f"{number}/{len(todo)} {plan.name}: {count} pictures, {time.monotonic() - started:.0f} s", flush=True)
    finally:
        studio.close()


if __name__ == "__main__":
    main()
