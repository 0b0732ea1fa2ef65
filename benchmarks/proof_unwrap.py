"""Does a picture hold the texture it was made from? ``python -m benchmarks.proof_unwrap [--out proof]``

Windows of the texture are laid flat from the base colour of real products' pictures (pipeline/render/unwrap.py)
and compared with the texture averaged over one picture pixel. Counted are texels seen in full, from less than
30° to the surface's normal. ``copies`` tells how often the product uses the window, ``mirrored`` how many of them
reversed. The flattened windows beside the texture go to the folder, which git ignores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from benchmarks.proof_khronos import CORPUS
from pipeline.catalogue import OrbitCamera, Shot
from pipeline.colour import quantise, srgb_decode, srgb_encode
from pipeline.lone_file import open_file
from pipeline.mesh.types import Mesh
from pipeline.render import Renderer, Textures
from pipeline.render.types import ControlPasses
from pipeline.render.unwrap import Occurrence, Unwrapped, Window, occurrences_in, unwrap

F64 = NDArray[np.float64]
PRODUCTS = {"shoe": "shoe-gltf/Shoe.gltf", "mixer": "mixer-glb/Mixer.glb",
            "racquet": "racquet-gltf/TennisRacquet.gltf"}
CELLS = 16                 # windows per texture side that are looked at
MOST = 6                   # windows per product, those with most texels seen head-on
HEAD_ON_DEG = 30.0
FEWEST = 400               # texels seen head-on
AZIMUTHS = (90.0, 0.0)


def texture_of(mesh: Mesh, textures: Textures, material: int) -> F64 | None:
    """(H, W, 3) linear base colour of a material, without its factor."""
    ref = mesh.materials[material].textures.get("base_color")
    return None if ref is None else srgb_decode(textures.of(ref)[..., :3]).astype(np.float64)


def averaged(texture: F64, window: Window, flat: Unwrapped) -> F64:
    """The texture over the window at the texels' centres, averaged over the median footprint of one pixel."""
    height, width = flat.coverage.shape
    rows, columns = texture.shape[:2]
    footprint = float(np.median(flat.footprint[flat.footprint > 0.0]))
    size = max(1, round((window[2] - window[0]) * columns / width / footprint))
    smooth = uniform_filter(texture, (size, size, 0), mode="wrap") if size > 1 else texture
    y = ((window[1] + (np.arange(height) + 0.5) / height * (window[3] - window[1])) * rows - 0.5) % rows
    x = ((window[0] + (np.arange(width) + 0.5) / width * (window[2] - window[0])) * columns - 0.5) % columns
    # An even box sits half a texel to the left of its centre.
    low_y, low_x = y + (0.5 if size % 2 == 0 else 0.0), x + (0.5 if size % 2 == 0 else 0.0)
    y0, x0 = np.floor(low_y).astype(int), np.floor(low_x).astype(int)
    wy, wx = (low_y - y0)[:, None, None], (low_x - x0)[None, :, None]

    def at(down: int, across: int) -> F64:
        return smooth[np.ix_((y0 + down) % rows, (x0 + across) % columns)]

    return np.asarray((at(0, 0) * (1 - wx) + at(0, 1) * wx) * (1 - wy) + (at(1, 0) * (1 - wx) + at(1, 1) * wx) * wy)


def windows(mesh: Mesh, passes: ControlPasses) -> list[tuple[int, Window]]:
    """Material and window of the cells of the texture with most pixels seen head-on."""
    facing = passes.normal_geometric[..., 2] > np.cos(np.radians(HEAD_ON_DEG))
    found: list[tuple[int, int, Window]] = []
    for material in range(len(mesh.materials)):
        uv = passes.uv[facing & (passes.material_id == material + 1)]
        cell = np.clip(np.floor(np.nan_to_num(uv) * CELLS), 0, CELLS - 1).astype(int)
        counts = np.bincount(cell[:, 1] * CELLS + cell[:, 0], minlength=CELLS * CELLS)
        found += [(int(counts[i]), material, (i % CELLS / CELLS, i // CELLS / CELLS, (i % CELLS + 1) / CELLS,
                                              (i // CELLS + 1) / CELLS)) for i in np.flatnonzero(counts > FEWEST)]
    return [(material, window) for _, material, window in sorted(found, reverse=True)[:MOST]]


def psnr(ours: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Of sRGB codes 0..1, dB."""
    error = float(np.mean((srgb_encode(ours) - srgb_encode(truth)).astype(np.float64)**2))
    return float(-10.0 * np.log10(max(error, 1e-12)))


def pixel_side(passes: ControlPasses, mesh: Mesh, occurrence: Occurrence) -> int:
    """Texels per side at which one texel is about one pixel."""
    rough = unwrap(passes.base_color, passes, mesh, occurrence, (64, 64))
    seen = rough.coverage > 0.5
    return int(np.clip(round(64 * float(np.median(rough.footprint[seen]))), 16, 512)) if seen.any() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=Path("proof"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print("Texture read back from pictures of 1600²\n| product | copies (mirrored) | texels head-on | px per texel "
          "| PSNR, dB |\n|---|---|---|---|---|")
    with Renderer() as renderer:
        for name, file in PRODUCTS.items():
            product = open_file(options.corpus / file)
            mesh, textures = product.mesh, product.textures
            strips = []
            for azimuth in AZIMUTHS:
                shot = Shot("proof", OrbitCamera(azimuth, 5.0, fill=0.9), 1600, 1600)
                passes = renderer.render(mesh, shot, textures)
                for material, window in windows(mesh, passes):
                    texture = texture_of(mesh, textures, material)
                    copies = occurrences_in(mesh, shot.instances, window, mesh.materials[material].name)
                    for copy in copies:
                        side = pixel_side(passes, mesh, copy)
                        if texture is None or side == 0:
                            continue
                        flat = unwrap(passes.base_color, passes, mesh, copy, (side, side))
                        truth = averaged(texture, window, flat) * mesh.materials[material].base_color[:3]
                        seen = (flat.coverage > 0.999) & (flat.view_angle_deg < HEAD_ON_DEG)
                        if seen.sum() < FEWEST:
                            continue
                        reversed_ones = sum(each.mirrored for each in copies)
                        print(f"| {name} {azimuth:.0f}° chart {copy.chart}{' mirrored' if copy.mirrored else ''} "
                              f"| {len(copies)} ({reversed_ones}) | {seen.sum()} "
                              f"| {np.median(flat.footprint[seen]):.2f} | {psnr(flat.texels[seen], truth[seen]):.1f} |")
                        pair = [quantise(srgb_encode(np.where(seen[..., None], each, 0.0)))
                                for each in (flat.texels, truth)]
                        strips.append(Image.fromarray(np.concatenate(pair, axis=0)).resize((160, 320)))
            sheet = Image.new("RGB", (160 * max(len(strips), 1), 320))
            for number, strip in enumerate(strips):
                sheet.paste(strip, (160 * number, 0))
            sheet.save(options.out / f"unwrap-{name}.png")


if __name__ == "__main__":
    main()
