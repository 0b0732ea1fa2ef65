"""Is the OpenGL renderer right? The same scenes path-traced: ``python -m benchmarks.proof_pathtrace [--out proof]``

aovs     depth, normals, base colour and uv under the pixels' centres, against Mitsuba's; ``close`` through a
         lens so long that normal maps are magnified: in the whole picture ours are filtered, Mitsuba's are not
ring     the shadow around the product: floor pixels within half a product size of its silhouette, in direct
         light only (depth 2), as displayed (white: shadow ratio; else sRGB code of the view transform), PSNR
beauty   product, ring and whole picture with all bounces, PSNR and SSIM, as displayed

The first product's ring is also compared between two traced pictures of different seeds: what no renderer can
exceed. Sheets (ours, traced, four times the difference) go to the folder. Products of the corpus are left out where
it is absent.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from pipeline.catalogue import Instance, OrbitCamera, Shot
from pipeline.colour import PURE_BACKGROUND_RATIO, srgb_encode, to_display, view_transform
from pipeline.errors import RenderError
from pipeline.lone_file import open_file
from pipeline.mesh.types import Material, Mesh
from pipeline.render import STAGES, Renderer, Scene, Textures, compose
from pipeline.render.environment import panorama, panorama_directions
from pipeline.render.pathtrace import Traced, aovs, probe, trace

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("PACKSHOT_CORPUS", ROOT.parent / "shared")) / "corpus"
EXAMPLES = ROOT / "examples" / "catalogue"
PRODUCTS = {
    "shoe": CORPUS / "shoe-gltf" / "Shoe.gltf",
    "mixer": CORPUS / "mixer-glb" / "Mixer.glb",
    "racquet": CORPUS / "racquet-gltf" / "TennisRacquet.gltf",
    "sneaker": EXAMPLES / "court-sneaker-navy" / "court_sneaker.gltf",
    "mug": EXAMPLES / "mug-tidewater" / "stoneware_mug.glb",
    "lamp": EXAMPLES / "lamp-ostrava" / "brass_desk_lamp.glb",
    "vase": EXAMPLES / "vase-linnea" / "porcelain_vase.stl",
}
RING = 0.5                 # product sizes
CONTACT = 2                # pixels beside the silhouette that are left out: they hold the product too
FLAT = 0.9                 # product sizes from the middle within which every stage's floor is flat
CLOSER = 20.0              # times the focal length, for what maps hold and smaller pictures average
CAMERA = OrbitCamera(azimuth_deg=35.0, elevation_deg=18.0, fill=0.45)  # with room for the shadow


# How large the differences are


def psnr(ours: F32, truth: F32, where: Mask) -> float:
    """Decibels, of values whose peak is 1."""
    error = float(np.mean(np.square(ours[where].astype(np.float64) - truth[where])))
    return -10.0 * float(np.log10(max(error, 1e-12)))


def ssim(ours: F32, truth: F32, where: Mask) -> float:
    """Mean structural similarity (Z. Wang et al. 2004) over some pixels."""
    _, full = structural_similarity(ours, truth, channel_axis=2, data_range=1.0,  # type: ignore[no-untyped-call]
                                    full=True)
    return float(full[where].mean())


# What is compared


def distance_to_floor(scene: Scene) -> NDArray[np.float64]:
    """(H, W) product sizes from the floor's middle to where each pixel meets the floor; inf where it does not."""
    width, height = scene.shot.width, scene.shot.height
    x, y = np.meshgrid((np.arange(width) + 0.5) / width * 2 - 1, 1 - (np.arange(height) + 0.5) / height * 2)
    inverse = np.linalg.inv(scene.camera.projection @ scene.camera.view)
    near, far = (np.stack([x, y, np.full_like(x, z), np.ones_like(x)], axis=-1) @ inverse.T for z in (-1.0, 1.0))
    near, far = near[..., :3] / near[..., 3:], far[..., :3] / far[..., 3:]
    way = far - near
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (scene.placement.centre[1] - near[..., 1]) / way[..., 1]
        points = near + way * t[..., None] - scene.placement.centre
        reach = np.hypot(points[..., 0], points[..., 2]) / scene.placement.size
    return np.where(t > 0.0, reach, np.inf)


def ring_of(scene: Scene, alpha: F32) -> Mask:
    """(H, W) floor pixels around the product."""
    touched = alpha > 0.0
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    size = max(np.ptp(rows), np.ptp(columns)) + 1
    away = ndimage.distance_transform_edt(~touched)
    ring: Mask = (away > CONTACT) & (away <= RING * size) & (distance_to_floor(scene) < FLAT)
    return ring


def open_floor(scene: Scene) -> F32:
    """(3,) radiance of the stage's floor without a product."""
    assert scene.stage.floor_albedo is not None
    image = panorama(scene.stage).radiance.astype(np.float64)
    up = np.clip(panorama_directions(len(image))[..., 1:2], 0.0, None)
    # Cosine times solid angle, over π.
    weights = up * np.sqrt(1.0 - up * up) * (np.pi / len(image)) ** 2 / np.pi
    return np.asarray((image * weights).sum(axis=(0, 1)) * scene.stage.floor_albedo, np.float32)


def traced_ratio(scene: Scene, truth: Traced) -> F32:
    """(H, W, 3) light on the traced floor, of what would be there without the product; 1 off the floor."""
    behind = truth.radiance - truth.product[..., :3]
    share = 1.0 - truth.product[..., 3:]
    ratio = np.asarray(behind / np.maximum(share, 0.05) / open_floor(scene), np.float32)
    floor = np.isfinite(distance_to_floor(scene))[..., None] & (share > 0.05)
    return np.asarray(np.where(floor, ratio, 1.0), np.float32)


def bare_plate(renderer: Renderer, scene: Scene) -> F32:
    """The stage as the renderer draws it without a product."""
    speck = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]) * 1e-6
    below = (speck - [0.0, 1e-3, 0.0]) * scene.placement.size + scene.placement.centre
    mesh = Mesh(below.astype(np.float32), np.tile([[0.0, 1.0, 0.0]], (3, 1)).astype(np.float32), (),
                np.array([[0, 2, 1]], np.uint32), np.zeros(1, np.uint16), np.zeros(1, np.uint32), (Material("speck"),))
    return renderer.draw(replace(scene, mesh=mesh, textures=Textures(),
                                 shot=replace(scene.shot, instances=(Instance(),)))).plate


def shadow_code(ratio: F32, bare: F32, white: bool) -> F32:
    """The shadow as displayed: on white its ratio, else the sRGB code of the stage under it."""
    if white:
        return np.where(ratio > PURE_BACKGROUND_RATIO, 1.0, np.clip(ratio, 0.0, 1.0)).astype(np.float32)
    return srgb_encode(view_transform(bare * ratio))


def shown(product: F32, ratio: F32, bare: F32, white: bool) -> F32:
    return to_display(product, ratio if white else bare * ratio, white).astype(np.float32) / 255.0


# The three proofs


def closer(scene: Scene, mask: Mask) -> Scene:
    """The same camera through a longer lens, at the product's pixel nearest to its middle: maps are magnified."""
    rows, columns = np.nonzero(mask)
    nearest = np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean()))
    x = (columns[nearest] + 0.5) / scene.shot.width * 2 - 1
    y = 1 - (rows[nearest] + 0.5) / scene.shot.height * 2
    lens = np.diag([CLOSER, CLOSER, 1.0, 1.0])
    lens[:2, 3] = [-x * CLOSER, -y * CLOSER]
    return replace(scene, camera=replace(scene.camera, projection=lens @ scene.camera.projection))


def prove_aovs(renderer: Renderer, scene: Scene) -> dict[str, float]:
    passes = renderer.draw(scene)
    exact = aovs(scene)
    near = closer(scene, passes.mask)
    near_passes, near_exact = renderer.draw(near), aovs(near)
    both = (passes.instance_id > 0) & (exact.instance_id > 0)
    inner = ndimage.binary_erosion(both, iterations=2) & (passes.alpha >= 1.0)
    depth = np.abs(passes.depth[both] / exact.depth[both] - 1.0)
    uv = np.abs(passes.uv - exact.uv)
    uv = np.minimum(uv, 1.0 - uv)                          # 0 and 1 are one place
    # Filtered like ours: a pixel's square, many samples.
    traced = trace(scene, samples=64, depth=1, floor=False)
    truth = traced.albedo / np.maximum(traced.product[..., 3:], 1e-3)
    colour = deltaE_ciede2000(rgb2lab(srgb_encode(passes.base_color)),  # type: ignore[no-untyped-call]
                              rgb2lab(srgb_encode(truth)))[inner]
    normal = _angles(passes.normal, exact.normal)[both]
    face = _angles(passes.normal_geometric, exact.normal_geometric)[both]
    near_normal = _angles(near_passes.normal, near_exact.normal)[
        (near_passes.material_id == near_exact.material_id) & (near_exact.material_id > 0)]
    return {
        "depth median": float(np.median(depth)), "depth p99": float(np.percentile(depth, 99)),
        "normal°": float(np.median(normal)), "normal° p95": float(np.percentile(normal, 95)),
        "normal° close": float(np.median(near_normal)), "close p95": float(np.percentile(near_normal, 95)),
        "face°": float(np.median(face)),
        "uv p95": float(np.nanpercentile(uv[both], 95)) if scene.mesh.uv_sets else 0.0,
        "ΔE00": float(np.median(colour)), "ΔE00 p95": float(np.percentile(colour, 95)),
        "not both": float(((passes.instance_id > 0) ^ (exact.instance_id > 0)).sum()) / max(int(both.sum()), 1),
    }


def _angles(ours: F32, truth: F32) -> NDArray[np.float64]:
    """(H, W) degrees between unit vectors."""
    cross = np.linalg.norm(np.cross(ours, truth), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, (ours * truth).sum(axis=-1))), np.float64)


def prove_light(renderer: Renderer, scene: Scene, depth: int, samples: int, sheet: Path, noise: bool
                ) -> dict[str, float]:
    """Shadow ring, and for more than direct light everything else."""
    white = scene.stage.white_backdrop
    passes = renderer.draw(scene, indirect=depth > 2)
    bare = bare_plate(renderer, scene)
    ratio = np.asarray(passes.plate / np.maximum(bare, 1e-4), np.float32)
    truth = trace(scene, samples=samples, depth=depth, denoise=True)
    ring = ring_of(scene, passes.alpha) & (truth.product[..., 3] == 0.0)
    code = shadow_code(traced_ratio(scene, truth), bare, white)
    found = {"ring": psnr(shadow_code(ratio, bare, white), code, ring)}
    if noise:
        again = traced_ratio(scene, trace(scene, samples=samples, depth=depth, denoise=True, seed=1))
        print(f"{sheet.stem}: ring of two traced pictures of different seeds "
              f"{psnr(shadow_code(again, bare, white), code, ring):.1f} dB")
    ours = shown(passes.product, ratio, bare, white)
    theirs = shown(truth.product, traced_ratio(scene, truth), bare, white)
    product, whole = passes.alpha > 0.5, np.ones_like(ring)
    for name, where in (("product", product), ("whole", whole)):
        found[name] = psnr(ours, theirs, where)
    for name, where in (("product", product), ("ring", ring), ("whole", whole)):
        found[f"{name} ssim"] = ssim(ours, theirs, where)
    draw_sheet(sheet, [ours, theirs, np.asarray(0.5 + 4.0 * (ours - theirs), np.float32)],
               ["OpenGL", f"path traced, depth {depth}", "difference x 4: bright where ours is lighter"],
               ", ".join(f"{name} {value:.3g}" for name, value in found.items()), ring)
    return found


def draw_sheet(path: Path, pictures: Sequence[F32], titles: list[str], figures: str, ring: Mask) -> None:
    """Pictures side by side, the ring's border on the last."""
    border = ring ^ ndimage.binary_erosion(ring)
    last = np.where(border[..., None], np.array([1.0, 0.3, 0.1]), pictures[-1])
    row = np.concatenate([*pictures[:-1], last], axis=1)
    image = Image.fromarray((np.clip(row, 0, 1) * 255 + 0.5).astype(np.uint8))
    framed = Image.new("RGB", (image.width, image.height + 44), "white")
    framed.paste(image, (0, 22))
    pen = ImageDraw.Draw(framed)
    for index, title in enumerate(titles):
        pen.text((index * ring.shape[1] + 6, 5), title, fill="black")
    pen.text((6, image.height + 27), figures, fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    framed.save(path)


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown."""
    names = list(next(iter(rows.values())))
    lines = ["| product | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row, values in rows.items():
        lines.append(f"| {row} | " + " | ".join(f"{values[name]:.4g}" for name in names) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "proof")
    parser.add_argument("--size", type=int, default=768, help="pixels of each picture's side")
    parser.add_argument("--samples", type=int, default=64, help="per pixel, before denoising")
    parser.add_argument("--stages", nargs="+", default=["white"],
                        help="with a flat floor and no set; light baked into a set is not part of what is traced")
    parser.add_argument("--products", nargs="+", default=list(PRODUCTS), choices=list(PRODUCTS))
    parser.add_argument("--only", choices=["aovs", "ring", "beauty"])
    given = parser.parse_args()
    try:
        probe()
    except RenderError as missing:
        print(f"left out: {missing.message} {missing.hint}")
        return
    found: dict[str, dict[str, dict[str, float]]] = {}
    with Renderer() as renderer:
        for name in given.products:
            if not PRODUCTS[name].exists():
                print(f"{name}: {PRODUCTS[name].name} is not here, left out")
                continue
            product = open_file(PRODUCTS[name])
            for stage in given.stages:
                scene = compose(product.mesh, Shot(name, CAMERA, given.size, given.size, stage), product.textures,
                                # Shadows on white end at the picture's edge by choice, not by light.
                                stage=replace(STAGES[stage], edge_fade=0.0))
                if given.only in (None, "aovs") and stage == given.stages[0]:
                    found.setdefault("aovs", {})[name] = prove_aovs(renderer, scene)
                for proof, depth in (("ring", 2), ("beauty", 12)):
                    if given.only in (None, proof):
                        found.setdefault(proof, {})[f"{name} on {stage}"] = prove_light(
                            renderer, scene, depth, given.samples, given.out / f"{name}-{stage}-depth{depth}.png",
                            noise=name == given.products[0])
            print(f"{name} done", flush=True)
    for proof, rows in found.items():
        print(f"\n{proof}\n{table(rows)}")


if __name__ == "__main__":
    main()
