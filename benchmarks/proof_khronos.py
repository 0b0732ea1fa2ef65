"""Is our picture the one others make of the same file? ``python -m benchmarks.proof_khronos [--out proof]``

The three reference renders of the shoe that come with its glTF file, from the cameras inside the file, against
ours: silhouette, contour and colour (benchmarks/reference_metrics.py). The light of the references is not
published. Ours is the plainest there is: radiance 1 from every direction, no lamp, displayed in sRGB without a
view transform, and one exposure factor for all three pictures, fitted. Nothing is fitted per picture or pixel.

``unfitted`` is the same with exposure 1; ``base colour`` the unlit texture. Sheets (reference, ours, contours, ΔE)
go to the folder, which git ignores, as the references are not ours to publish.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.reference_metrics import (
    TOE_SHARE,
    Contours,
    SilhouetteReading,
    color_difference,
    contours,
    silhouette,
)
from pipeline.catalogue import EmbeddedCameraRef, Shot
from pipeline.colour import quantise, srgb_encode
from pipeline.lone_file import open_file
from pipeline.mesh.types import Mesh
from pipeline.render import Renderer, compose
from pipeline.render.stage import Stage
from pipeline.render.types import ControlPasses

U8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]
CORPUS = Path(os.environ.get("PACKSHOT_CORPUS", Path(__file__).resolve().parent.parent.parent / "shared")) / "corpus"
CAMERAS = 3
SIDE = 1024
EXPOSURES = tuple(np.round(np.arange(0.80, 1.605, 0.05), 2).tolist())
_ONE = (1.0, 1.0, 1.0)
EVEN_LIGHT = Stage(name="even", backdrop="white", key=None, others=(), dome_zenith=_ONE, dome_horizon=_ONE,
                   dome_back=_ONE, dome_samples=32, floor_albedo=None, white_backdrop=True)
_AXES = {"x": 0, "y": 1, "z": 2}
_MAP_TOP = 12.0            # ΔE00 that the map shows brightest


@dataclass(frozen=True, slots=True)
class Pair:
    """One reference and our passes from the same camera."""

    name: str
    reference: U8                          # (H, W, 3) sRGB
    passes: ControlPasses
    toe: Bools                             # (H, W) product pixels of the front 15 %

    @property
    def interior(self) -> Bools:
        """Product pixels that no background shines into."""
        return np.asarray((self.passes.instance_id > 0) & (self.passes.alpha > 0.99))

    @property
    def lit(self) -> NDArray[np.float32]:
        """(H, W, 3) linear radiance of the product in even light."""
        return np.asarray(self.passes.product[..., :3] / np.maximum(self.passes.alpha[..., None], 1e-4))


def shoe_pairs(corpus: Path, cameras: tuple[int, ...] = tuple(range(CAMERAS))) -> list[Pair]:
    folder = corpus / "shoe-gltf"
    shoe = open_file(folder / "Shoe.gltf")
    pairs = []
    with Renderer() as renderer:
        for index in cameras:
            reference = np.asarray(Image.open(folder / "reference" / f"rr-Shoe-{index}.png").convert("RGB"))
            shot = Shot(f"gltf-{index}", EmbeddedCameraRef(f"gltf:{index}"), SIDE, SIDE)
            passes = renderer.draw(compose(shoe.mesh, shot, shoe.textures, stage=EVEN_LIGHT))
            pairs.append(Pair(f"camera {index}", reference, passes, toe_pixels(shoe.mesh, passes)))
    return pairs


def toe_pixels(mesh: Mesh, passes: ControlPasses) -> Bools:
    """(H, W) pixels whose surface point lies in the front 15 % of the product's length."""
    inside = np.isfinite(passes.depth)
    toe = np.zeros(inside.shape, bool)
    if mesh.front.axis is None:
        return toe
    height, width = inside.shape
    rows, columns = np.nonzero(inside)
    depth, projection = passes.depth[inside].astype(np.float64), passes.camera.projection
    ndc = np.stack([2.0 * (columns + 0.5) / width - 1.0, 1.0 - 2.0 * (rows + 0.5) / height])
    x, y = (depth * (ndc[i] + projection[i, 2]) / projection[i, i] for i in (0, 1))
    world = np.stack([x, y, -depth, np.ones_like(depth)], axis=1) @ np.linalg.inv(passes.camera.view).T
    axis, sign = _AXES[mesh.front.axis[1]], -1.0 if mesh.front.axis[0] == "-" else 1.0
    ends = sorted(sign * mesh.bounds[:, axis])
    toe[inside] = sign * world[:, axis] > ends[1] - TOE_SHARE * (ends[1] - ends[0])
    return toe


def fitted_exposure(pairs: list[Pair]) -> float:
    """One factor for all pictures: least mean of their median ΔE00."""
    means = [np.mean([np.nanmedian(color_difference(factor * pair.lit, pair.reference, pair.interior))
                      for pair in pairs]) for factor in EXPOSURES]
    return float(EXPOSURES[int(np.argmin(means))])


def sheet(pair: Pair, exposure: float, lines: Contours, difference: NDArray[np.float64]) -> Image.Image:
    """Reference, ours, both contours over a faded reference, ΔE00 from black (0) over orange to white (12)."""
    alpha = pair.passes.alpha[..., None]
    ours = quantise(srgb_encode(exposure * pair.lit) * alpha + (1.0 - alpha))
    overlay = (255 - (255 - pair.reference.astype(np.float64)) * 0.35).astype(np.uint8)
    for points, color in ((lines.theirs, (0, 110, 255)), (lines.ours[lines.readable], (0, 160, 0)),
                          (lines.ours[~lines.readable], (255, 60, 0))):
        at = np.clip(np.rint(points).astype(int), 0, SIDE - 1)
        overlay[at[:, 0], at[:, 1]] = color
    share = np.clip(np.nan_to_num(difference) / _MAP_TOP, 0.0, 1.0)[..., None]
    heat = np.clip(share * np.array([3.0, 1.5, 1.0]) - np.array([0.0, 0.25, 0.6]), 0.0, 1.0)
    return Image.fromarray(np.concatenate([
        np.concatenate([pair.reference, ours], axis=1), np.concatenate([overlay, quantise(heat)], axis=1)], axis=0))


def silhouette_row(name: str, reading: SilhouetteReading) -> str:
    toe = "not in view" if reading.toe_largest is None else f"{reading.toe_largest:.2f} ({reading.toe_measured:.0%})"
    return (f"| {name} | {reading.iou:.4f} | {reading.theirs_only} | {reading.ours_only} | {reading.white_only} "
            f"| {reading.measured:.1%} | {reading.p95:.2f} | {reading.largest:.2f} | {toe} "
            f"| {reading.shift[0]:+.3f}, {reading.shift[1]:+.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=Path("proof"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pairs = shoe_pairs(options.corpus)
    print("Silhouette against the Khronos references, 1024²; contour distances in px, both ways\n"
          "| | IoU | theirs only, px | ours only, px | white on white, px | contour measured | p95 | max "
          "| toe max (measured) | shift right, down |\n|---|---|---|---|---|---|---|---|---|---|")
    for pair in pairs:
        print(silhouette_row(pair.name, silhouette(pair.passes, pair.reference, pair.toe)))
    exposure = fitted_exposure(pairs)
    print(f"\nColour after a low-pass of 6 px, ΔE00 median / 90th percentile; one exposure for all: {exposure:.2f}\n"
          "| | even light | unfitted | base colour |\n|---|---|---|---|")
    for number, pair in enumerate(pairs):
        maps = [color_difference(image, pair.reference, pair.interior)
                for image in (exposure * pair.lit, pair.lit, pair.passes.base_color)]
        cells = " | ".join(f"{np.nanmedian(each):.2f} / {np.nanpercentile(each, 90):.2f}" for each in maps)
        print(f"| {pair.name} | {cells} |")
        lines = contours(pair.passes, pair.reference)
        sheet(pair, exposure, lines, maps[0]).save(options.out / f"khronos-{number}.png")


if __name__ == "__main__":
    main()
