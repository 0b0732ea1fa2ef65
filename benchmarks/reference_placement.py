"""How often is a product placed wrongly in a photo? ``python -m benchmarks.reference_placement --photos 60 --out DIR``

Made photos (benchmarks/reference_photos.py) of other products are solved for three example products: the sneaker in
photos of shoes, the mug in those of mugs, the bottle in those of bottles. No photo has a hint file. One line of JSON
per photo goes to DIR/results.jsonl under a key of its spec and of the sources that are measured; photos are kept in
DIR/photos. A second run goes on where the first one stopped.

What is compared with the truth, in the photo's camera:

error    the front: of a shoe from heel to toe, of a mug its handle, of a bottle its axis, for it looks the same from
         all around.
yaw      the part of it around our own up: the true front is brought to our floor first. Of a bottle the error.
lean     the angle between our up and the true one.
foot     of a pair: both files are left shoes, so a figure is right where it is mirrored; ours has to be the same
         foot. A shoe alone is placed as its file has it, whichever foot it replaces.

An accepted photo is wrong where a figure's yaw is off by more than 15°, is the other foot of a pair, or where there
are not as many figures as products. More than 120° is a flip. Bounds are of Clopper and Pearson (1934), one-sided.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation
from scipy.stats import beta

from benchmarks.reference_photos import Studio
from benchmarks.reference_specs import Kind, Spec, Synthetic, Truth, load, save, spec_of
from pipeline.colour import srgb_decode, srgb_encode
from pipeline.errors import PhotoError
from pipeline.lone_file import open_file
from pipeline.mesh.types import Mesh
from pipeline.reference import Pose, Segmentation
from pipeline.reference.backplate import backplate
from pipeline.reference.light import SMOOTH, extent_of, smoothed
from pipeline.referencing import solve

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Row = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
WRONG_DEG, FLIP_DEG = 15.0, 120.0
LEVEL = 0.95
MAKERS = tuple(f"benchmarks/reference_{part}.py" for part in ("specs", "subjects", "grounds", "photos"))
# What an answer depends on.
SOURCES = ("pipeline/referencing.py", "pipeline/render/fast.py",
           *(f"pipeline/reference/{part}.py" for part in (
               "photo", "hints", "segmentation", "edges", "contour", "pose", "points", "outline", "interior", "fit",
               "search", "placement", "horizon", "backplate", "fill", "light")))


@dataclass(frozen=True, slots=True)
class Ours:
    """The product that is placed."""

    file: str                              # in examples/catalogue
    category: str
    front: tuple[float, float, float]      # of the mesh: toe or handle; of a bottle anything level


OURS: Mapping[Kind, Ours] = {
    "shoe": Ours("court-sneaker-green/court_sneaker.fbx", "footwear", (1.0, 0.0, 0.0)),
    "mug": Ours("mug-tidewater/stoneware_mug.glb", "mug", (1.0, 0.0, 0.0)),
    "bottle": Ours("bottle-fjellbekk/steel_bottle.gltf", "bottle", (0.0, 0.0, 1.0)),
}


@cache
def our_mesh(kind: Kind) -> Mesh:
    ours = OURS[kind]
    return open_file(ROOT / "examples" / "catalogue" / ours.file, category=ours.category).mesh


def degrees(one: F64, other: F64) -> float:
    """Between two vectors."""
    cosine = float(one @ other) / float(np.linalg.norm(one) * np.linalg.norm(other))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def turning(one: F64, other: F64) -> F64:
    """(3, 3) smallest rotation that brings one vector's direction to another's."""
    return np.asarray(Rotation.align_vectors(other[None], one[None])[0].as_matrix())


def mask_iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max(int((one | other).sum()), 1))


def matched(truths: Sequence[Truth], found: Sequence[Mask]) -> list[tuple[int, float]]:
    """Of every true figure, the found one that is its own and their IoU; −1 and 0 where there is none."""
    answer = [(-1, 0.0)] * len(truths)
    if found:
        overlap = np.array([[mask_iou(truth.mask, mask) for mask in found] for truth in truths])
        for row, column in zip(*linear_sum_assignment(-overlap), strict=True):
            answer[int(row)] = (int(column), float(overlap[row, column]))
    return answer


def figure_errors(kind: Kind, truth: Truth, pose: Pose, *, pair: bool) -> Row:
    """How far one placed product is from the one that stood there."""
    turned = np.asarray(pose.view, np.float64)[:3, :3]
    front, up = turned @ np.asarray(OURS[kind].front), turned @ np.array([0.0, 1.0, 0.0])
    lean = degrees(up, truth.up)
    level = turning(truth.up, up) @ truth.front        # the true front, brought to our floor
    yaw = lean if kind == "bottle" else degrees(front, level)  # a bottle has only its axis
    error = lean if kind == "bottle" else degrees(front, truth.front)
    foot = kind != "shoe" or not pair or truth.left == (not pose.mirrored)
    return {"error_deg": round(error, 2), "yaw_deg": round(yaw, 2), "lean_deg": round(lean, 2), "foot_right": foot,
            "flip": yaw > FLIP_DEG,
            "fitted_iou": round(pose.iou, 4)}


def why_wrong(figures: Sequence[Row], found: int, wanted: int) -> str:
    """The first reason for which an accepted answer is wrong; empty where it is right."""
    if found != wanted:
        return "count"
    for reason, holds in (("flip", lambda figure: figure["flip"]), ("foot", lambda figure: not figure["foot_right"]),
                          ("turned", lambda figure: figure["yaw_deg"] > WRONG_DEG)):
        if any(holds(figure) for figure in figures):
            return reason
    return ""


def plate_figures(made: Synthetic, found: Segmentation) -> Mapping[str, float]:
    """PSNR of the emptied photo against the ground alone, in the place of the old products; each a column.

    The old shadow stays in the photo and the truth has none, so the truth is brought to the plate's own light: both
    are compared after a low pass of 3 % of the product's extent. Nothing of ours covers anything here.
    """
    if made.plate is None:
        return {}
    nothing = np.zeros_like(found.mask)
    extent = max(extent_of(figure.mask) for figure in found.figures)
    emptied = backplate(made.pixels, found.mask, nothing, np.ones(nothing.shape, np.float32), extent)
    seen, true = srgb_decode(emptied.pixels), srgb_decode(made.plate)
    everywhere = np.ones_like(nothing)
    light = [np.maximum(smoothed(each, everywhere, SMOOTH * extent), 1e-3) for each in (seen, true)]
    lit = srgb_encode(true * light[0] / light[1])
    old = np.logical_or.reduce([figure.mask for figure in made.figures])
    error = (srgb_encode(seen) - lit)[old]
    beside = cv2.distanceTransform((~found.mask).astype(np.uint8), cv2.DIST_L2, 5)
    changed = (emptied.pixels != made.pixels).any(axis=-1) & (beside > emptied.reach_px)
    return {"plate dB": round(float(-10.0 * np.log10((error ** 2).mean())), 2),
            "changed outside": float(changed.sum())}


def measured(made: Synthetic) -> Row:
    """One photo's line."""
    spec = made.spec
    mesh = our_mesh(spec.kind)
    row: Row = {"spec": asdict(spec), "name": spec.name, "accepted": False, "code": "", "wrong": "", "figures": []}
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        solved = solve(made.data, f"{spec.name}.jpg", lambda name: None, mesh, OURS[spec.kind].category)
    except PhotoError as error:
        return {**row, "code": error.code, "iou": [], **_seconds(cpu, wall)}
    row |= _seconds(cpu, wall)
    pairs = matched(made.figures, [figure.mask for figure in solved.found.figures])
    answer, problem = solved.placement.answer, solved.placement.problem
    row |= {"iou": [round(iou, 4) for _, iou in pairs], "found": len(solved.found.figures),
            "code": problem.code if problem else "", "accepted": problem is None,
            "margin": round(min(solved.placement.margin, 99.0), 2), "filled": round(solved.placement.iou, 4),
            "misfit": round(answer.misfit, 3), "spread_deg": round(answer.spread_deg, 2),
            "strain": round(answer.strain, 2), "inside": round(answer.inside, 3),
            "handle": round(answer.handle_shown, 3),
            "elevation_deg": round(answer.poses[0].elevation_deg, 1)}
    # Of what was refused, too: is it the right things that are refused?
    row["figures"] = [figure_errors(spec.kind, truth, solved.placement.chosen[index],
                                   pair=len(made.figures) > 1)
                      for truth, (index, _) in zip(made.figures, pairs, strict=True) if index >= 0]
    row["wrong"] = why_wrong(row["figures"], row["found"], len(made.figures))
    row["plate"] = dict(plate_figures(made, solved.found))
    return row


def _seconds(cpu: float, wall: float) -> Row:
    return {"cpu_s": round(time.process_time() - cpu, 3), "wall_s": round(time.perf_counter() - wall, 3)}


# Keys and files


@cache
def maker_hash() -> str:
    """Of what makes the photos."""
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in MAKERS)).hexdigest()[:12]


@cache
def sources_hash(kind: Kind) -> str:
    """Of what is measured, as it was when this process first asked, of this file, and of the placed product."""
    digest = hashlib.sha256()
    for path in (*(ROOT / name for name in SOURCES), Path(__file__), ROOT / "examples" / "catalogue" / OURS[kind].file):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(spec: Spec) -> str:
    return hashlib.sha256(f"{spec!r} {maker_hash()} {sources_hash(spec.kind)}".encode()).hexdigest()[:16]


def read_rows(path: Path) -> dict[str, Row]:
    """Lines by key; a line that a killed run left half written is no line."""
    rows: dict[str, Row] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows[row["key"]] = row
    return rows


_STUDIO: list[Studio] = []


def _work(job: tuple[Spec, str, bool]) -> Row:
    """Make or open one photo, and measure it."""
    spec, folder, plate = job
    path = Path(folder) / f"{spec.name}-{maker_hash()}.npz"
    if path.exists():
        made = load(path)
    else:
        if not _STUDIO:
            _STUDIO.append(Studio())
        made = _STUDIO[0].photo(spec, plate=plate)
        save(made, path)
    return {"key": key_of(spec), **measured(made)}


def run(specs: Sequence[Spec], out: Path, workers: int, until: float, *, plates: bool) -> list[Row]:
    """Measure what is missing until a clock's time; the rows of all that is there, in the order of ``specs``.

    ``plates``: new photos are made with their empty ground, so that the emptied photo is measured too.
    """
    photos = out / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    results = out / "results.jsonl"
    rows = read_rows(results)
    todo = [(spec, str(photos), plates) for spec in specs if key_of(spec) not in rows]
    print(f"{len(specs)} photos, {len(specs) - len(todo)} are there", flush=True)

    def keep(row: Row) -> None:
        rows[row["key"]] = row
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row["name"], "accepted" if row["accepted"] else row["code"], row["wrong"], f"{row['cpu_s']:.1f} s",
              flush=True)

    if workers == 1:
        for job in todo:
            if time.monotonic() > until:
                break
            keep(_work(job))
    else:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            for future in as_completed([pool.submit(_work, job) for job in todo]):
                keep(future.result())
    return [rows[key_of(spec)] for spec in specs if key_of(spec) in rows]


# The report


def upper_bound(wrong: int, of: int) -> float:
    """One-sided 95 % bound of a share (C. Clopper and E. Pearson 1934)."""
    return 1.0 if wrong >= of else float(beta.ppf(LEVEL, wrong + 1, of - wrong))


def table(rows: Sequence[Row], title: str, group: Callable[[Row], str]) -> str:
    """Markdown, a line per group and one of all."""
    plates = sorted({name for row in rows for name in row.get("plate", {})})
    head = [title, "n", "accepted", "mask IoU median", "p10", "error° median", "p90", "yaw° median", "p90",
            "lean° median", "p90", "wrong",
            f"{LEVEL:.0%} bound", "CPU s median", "p90", *plates]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    names = set(map(group, rows))
    cells = [_cells(name, [row for row in rows if name in ("all", group(row))], plates)
             for name in [*sorted(names), "all"]]
    return "\n".join([*lines, *("| " + " | ".join(line) + " |" for line in cells)])


def _cells(name: str, rows: Sequence[Row], plates: Sequence[str]) -> list[str]:
    taken = [row for row in rows if row["accepted"]]
    wrong = sum(bool(row["wrong"]) for row in taken)
    overlap = [iou for row in rows for iou in row["iou"]]
    figures = [figure for row in taken for figure in row["figures"]]
    seconds = [row["cpu_s"] for row in rows]
    return [name, str(len(rows)), f"{len(taken)} ({len(taken) / len(rows):.0%})",
            _at(overlap, 50, 3), _at(overlap, 10, 3),
            *(_at([figure[what] for figure in figures], share, 1) for what in ("error_deg", "yaw_deg", "lean_deg")
              for share in (50, 90)),
            f"{wrong} of {len(taken)}" if taken else "–", f"{upper_bound(wrong, len(taken)):.0%}" if taken else "–",
            _at(seconds, 50, 1), _at(seconds, 90, 1),
            *(_at([row["plate"][plate] for row in rows if plate in row.get("plate", {})], 50, 1) for plate in plates)]


def _at(values: Iterable[float], share: float, digits: int) -> str:
    known = list(values)
    return f"{float(np.percentile(known, share)):.{digits}f}" if known else "–"


def report(rows: Sequence[Row]) -> str:
    """All tables."""
    codes = Counter(row["code"] for row in rows if row["code"])
    reasons = Counter(row["wrong"] for row in rows if row["accepted"] and row["wrong"])
    refused = [row for row in rows if row["code"] and row["figures"]]
    needless = sum(not row["wrong"] for row in refused)
    wrong = [f"{row['name']} ({row['wrong']}: "
             + ", ".join(f"{figure['yaw_deg']:.0f}°" for figure in row["figures"]) + ")"
             for row in rows if row["accepted"] and row["wrong"]]
    leaning = [row["name"] for row in rows if row["accepted"] and not row["wrong"]
               and max(figure["lean_deg"] for figure in row["figures"]) > WRONG_DEG]
    return "\n\n".join([
        table(rows, "photos", lambda row: f"{row['spec']['kind']}, {row['spec']['view']}"),
        table(rows, "ground", lambda row: str(row["spec"]["ground"])),
        table([row for row in rows if row["spec"]["kind"] == "shoe"], "shoes",
              lambda row: "pairs" if row["spec"]["count"] == 2 else "alone"),
        "Refused: " + (", ".join(f"{code} {count}" for code, count in codes.most_common()) or "none")
        + f". Of {len(refused)} that were refused with a pose, {needless} were right.",
        "Wrong and accepted: " + (", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "none")
        + (f": {'; '.join(wrong)}." if wrong else "."),
        f"Turned rightly, accepted, and leaning by more than {WRONG_DEG:.0f}°: {', '.join(leaning) or 'none'}.",
    ])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("bench-reference"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the first photo; others follow")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many of the first: those limits were set on")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no photo after; one worker only")
    parser.add_argument("--no-plates", action="store_true", help="make photos without their empty ground: a third less")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    specs = [spec_of(number, given.seed) for number in range(given.skip, given.photos)]
    rows = run(specs, given.out, given.workers, time.monotonic() + 60.0 * given.minutes, plates=not given.no_plates)
    if rows:
        text = report(rows)
        (given.out / "table.md").write_text(text + "\n")
        print("\n" + text)


if __name__ == "__main__":
    main()
