"""The path tracer's own process: ``python -m pipeline.render.pathtrace_child [JOB.json | --serve THREADS]``.

Without a job it says who it is; when it serves, it reads names of jobs, one per line, and answers each with a line.
Mitsuba 3 (W. Jakob et al. 2022) ends the process where LLVM is too old, so it never lives in ours;
DRJIT_LIBLLVM_PATH tells it where LLVM is. Results are .npy files beside the job.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drjit as dr
import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

import pipeline.render.pathtrace_brdf  # noqa: F401 — registers its surface
from pipeline.render.pathtrace_looks import VARIANT, Look, Slot, number
from pipeline.render.pathtrace_merged import MergedLook, can_merge, merged

MOST_RAYS = 1 << 21        # in flight at once; bounds memory to about 1 GB
HOLES = 8                  # see-through layers that a camera's ray may pass
RUSSIAN_ROULETTE = 6       # bounces after which paths end by chance
F32 = NDArray[np.float32]


class World:
    """A Mitsuba scene, and which look its shapes have."""

    def __init__(self, folder: Path, model: dict[str, Any], merge: bool = False) -> None:
        """``merge``: surfaces of the product that can be are made one; ``ids`` are then the first one's."""
        together = [entry for entry in model["surfaces"] if merge and can_merge(folder, entry)]
        given = [entry for entry in model["surfaces"] if entry not in together]
        alone = [Look(folder, entry["look"], entry["colors"] is not None, len(entry["uv"])) for entry in given]
        one = [MergedLook(folder, [entry["look"] for entry in together])] if together else []
        self.looks: tuple[Look | MergedLook, ...] = (*alone, *one)
        Slot.looks = self.looks
        self.ids = [tuple(entry["ids"]) for entry in [*given, *together[:1]]]
        self.shapes = [_mesh(folder, index, entry, look)
                       for index, (entry, look) in enumerate(zip(given, alone, strict=True))]
        if together:
            self.shapes.append(_merged_mesh(folder, len(given), together, one[0]))
        scene: dict[str, Any] = {"type": "scene", **{f"m{index}": shape for index, shape in enumerate(self.shapes)}}
        if model["environment"] is not None:
            turn = np.eye(4)
            turn[:3, :3] = np.asarray(model["axes"]).T
            scene["light"] = {"type": "envmap", "bitmap": mi.Bitmap(np.load(folder / model["environment"])),
                              "to_world": mi.ScalarTransform4f(turn)}
        self.scene = mi.load_dict(scene)
        self.names = [dr.opaque(mi.UInt32, int(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(shape))[0]))
                      for shape in self.shapes]
        self.pierced = any(look.pierced for look in self.looks)

    def each(self, si: Any) -> list[tuple[int, Any]]:
        """Index of every surface, and where it was hit."""
        name = dr.reinterpret_array(mi.UInt32, si.shape)
        return [(index, si.is_valid() & (name == known)) for index, known in enumerate(self.names)]

    def first_hit(self, ray: Any, chance: Any = None) -> tuple[Any, Any]:
        """The surface a camera's ray meets, and the ray that meets it: holes are passed.

        ``chance`` (a function that draws 0..1) decides about half-open surfaces; without it half is open.
        """
        ray = mi.Ray3f(ray)
        si = self.scene.ray_intersect(ray)
        if not self.pierced:
            return si, ray
        going = mi.Bool(True)
        for _ in range(HOLES):
            open_here = mi.Bool(False)
            limit = mi.Float(0.5) if chance is None else chance()
            for index, here in self.each(si):
                if self.looks[index].pierced:
                    open_here |= here & (self.looks[index].opacity(si, here) <= limit)
            going &= open_here             # who has stopped is not asked again
            ray = dr.select(going, si.spawn_ray(ray.d), ray)
            dr.eval(ray, going)
            si = self.scene.ray_intersect(ray)
        return si, ray

    def integrator(self, depth: int) -> Any:
        # Only volpath lets light through the holes of what casts shadows.
        return mi.load_dict({"type": "volpath" if self.pierced else "path", "max_depth": depth,
                             "rr_depth": RUSSIAN_ROULETTE})


def _mesh(folder: Path, index: int, given: dict[str, Any], look: Look) -> Any:
    positions, triangles = np.load(folder / given["positions"]), np.load(folder / given["triangles"])
    props = mi.Properties()
    props["bsdf"] = mi.load_dict(_bsdf(index, look))
    if look.emits:
        props["emitter"] = mi.load_dict({"type": "area", "radiance": _slot(index, "emission")})
    if given["normals"] is None:
        props["face_normals"] = True
    mesh = mi.Mesh(f"m{index}", len(positions), len(triangles), props, has_vertex_normals=given["normals"] is not None,
                   has_vertex_texcoords=bool(given["uv"]))
    if len(given["uv"]) > 1:
        second = np.load(folder / given["uv"][1])
        mesh.add_attribute("vertex_second", 3, np.c_[second, np.zeros(len(second))].astype(np.float32).ravel())
    if given["colors"] is not None:
        colors = np.load(folder / given["colors"])
        mesh.add_attribute("vertex_tint", 3, np.ascontiguousarray(colors[:, :3]).ravel())
        mesh.add_attribute("vertex_cover", 1, np.ascontiguousarray(colors[:, 3]))
    params = mi.traverse(mesh)
    params["vertex_positions"] = mi.Float(positions.ravel())
    params["faces"] = mi.UInt32(triangles.ravel())
    if given["normals"] is not None:
        params["vertex_normals"] = mi.Float(np.load(folder / given["normals"]).ravel())
    if given["uv"]:
        params["vertex_texcoords"] = mi.Float(np.load(folder / given["uv"][0]).ravel())
    params.update()
    return mesh


def _merged_mesh(folder: Path, index: int, given: list[dict[str, Any]], look: MergedLook) -> Any:
    arrays = merged(folder, given)
    props = mi.Properties()
    props["bsdf"] = mi.load_dict(_bsdf(index, look))
    mesh = mi.Mesh(f"m{index}", len(arrays["positions"]), len(arrays["triangles"]), props, has_vertex_normals=True,
                   has_vertex_texcoords=True)
    mesh.add_attribute("face_look", 1, arrays["look"])
    params = mi.traverse(mesh)
    params["vertex_positions"] = mi.Float(arrays["positions"].ravel())
    params["faces"] = mi.UInt32(arrays["triangles"].ravel())
    params["vertex_normals"] = mi.Float(arrays["normals"].ravel())
    params["vertex_texcoords"] = mi.Float(arrays["uv"].ravel())
    params.update()
    return mesh


def _slot(index: int, value: str) -> dict[str, Any]:
    return {"type": "packshot_slot", "look": index, "value": value}


def _bsdf(index: int, look: Look | MergedLook) -> dict[str, Any]:
    given = look.given
    if given["roughness"] is None:
        bsdf: dict[str, Any] = {"type": "diffuse", "reflectance": _slot(index, "base")}
    else:
        bsdf = {"type": "packshot_surface", "look": index}
    if "normal" in look.maps:
        bsdf = {"type": "normalmap", "normalmap": _slot(index, "normal"), "bsdf": bsdf}
    bsdf = {"type": "twosided", "bsdf": bsdf}
    if look.pierced:
        bsdf = {"type": "mask", "opacity": _slot(index, "opacity"), "bsdf": bsdf}
    return bsdf


class Camera:
    """Rays through points of a picture: a matrix from pixels to directions whose depth is 1."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.to_direction = [[number(value) for value in row] for row in given["to_direction"]]
        self.eye = mi.Point3f(*(number(value) for value in given["eye"]))
        self.rotation = np.asarray(given["rotation"], np.float64)
        self.axes = [[number(value) for value in row] for row in given["rotation"]]
        self.width, self.height = int(given["width"]), int(given["height"])

    def rays(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Rays with unit directions, and how much longer their lengths are than their depths."""
        m = self.to_direction
        way = mi.Vector3f(*(row[0] * x + row[1] * y + row[2] for row in m))
        length = dr.norm(way)
        return mi.Ray3f(self.eye, way / length), length

    def turned(self, vector: Any) -> Any:
        """World → camera axes."""
        return mi.Vector3f(*(row[0] * vector.x + row[1] * vector.y + row[2] * vector.z for row in self.axes))


def aovs(world: World, job: dict[str, Any], folder: Path) -> None:
    """What lies exactly under each pixel's centre."""
    camera = Camera(job["camera"])
    count = camera.width * camera.height
    pixel = dr.arange(mi.UInt32, count)
    ray, length = camera.rays(mi.Float(pixel % camera.width) + 0.5, mi.Float(pixel // camera.width) + 0.5)
    si, met = world.first_hit(ray)
    # From the eye, not from the last hole.
    depth = dr.select(si.is_valid(), dr.norm(si.p - ray.o) / length, dr.inf)
    dr.eval(depth, met)
    face = dr.select(dr.dot(si.n, ray.d) > 0.0, -si.n, si.n)
    normal, albedo, uv = mi.Vector3f(0.0), mi.Vector3f(0.0), mi.Point2f(dr.nan)
    ids = np.zeros((2, count), np.uint32)
    for index, here in world.each(si):
        look = world.looks[index]
        rgba = look.base(si, here)
        albedo[here] = mi.Vector3f(rgba.x, rgba.y, rgba.z)
        bent = look.bent(si, here)
        normal[here] = bent
        if "base_color" in look.maps:
            entry: Any = look.maps["base_color"]
            uv[here] = entry.wrapped(entry.at(si))
        else:
            uv[here] = si.uv
        mask = here.numpy()
        for row in range(2):
            ids[row, mask] = world.ids[index][row]
    # A vertex normal on the far side of its face belongs to the other side of a thin sheet.
    normal = dr.select(dr.dot(normal, face) < 0.0, -normal, normal)
    shape = (camera.height, camera.width)
    _save(folder, "depth", depth.numpy().reshape(shape))
    _save(folder, "normal", _rows(camera.turned(normal)).reshape(*shape, 3))
    _save(folder, "normal_geometric", _rows(camera.turned(face)).reshape(*shape, 3))
    _save(folder, "base_color", _rows(albedo).reshape(*shape, 3))
    _save(folder, "uv", _rows(uv).reshape(*shape, 2))
    np.save(folder / "ids.npy", np.ascontiguousarray(ids.T).reshape(*shape, 2))


def picture(world: World, job: dict[str, Any], folder: Path) -> None:
    """Radiance through every pixel's square, of the product and of all."""
    camera = Camera(job["camera"])
    side = max(1, round(job["samples"] ** 0.5))            # stratified side × side over the pixel
    samples = side * side
    integrator, sampler = world.integrator(job["depth"]), mi.load_dict({"type": "independent"})
    count = camera.width * camera.height
    total = np.zeros((count, 13))                          # rgb of all, rgb and cover of the product, albedo, normal
    for batch in _batches(count, samples):
        pixel, sample = batch.seed(sampler, job["seed"])
        jitter = (sampler.next_2d() + mi.Point2f(mi.Float(sample % side), mi.Float(sample // side))) / side
        ray, _ = camera.rays(mi.Float(pixel % camera.width) + jitter.x, mi.Float(pixel // camera.width) + jitter.y)
        si, ray = world.first_hit(ray, sampler.next_1d)
        light, _, _ = integrator.sample(world.scene, sampler, mi.RayDifferential3f(ray))
        mine, albedo, normal = mi.Bool(False), mi.Vector3f(0.0), mi.Vector3f(0.0)
        for index, here in world.each(si):
            rgba = world.looks[index].base(si, here)
            albedo[here] = mi.Vector3f(rgba.x, rgba.y, rgba.z)
            normal[here] = world.looks[index].bent(si, here)
            if world.ids[index][0] > 0:
                mine |= here
        normal = dr.select(dr.dot(normal, ray.d) > 0.0, -normal, normal)
        own = dr.select(mine, light, 0.0)
        columns = [light.x, light.y, light.z, own.x, own.y, own.z, dr.select(mine, mi.Float(1.0), 0.0),
                   albedo.x, albedo.y, albedo.z, normal.x, normal.y, normal.z]
        dr.eval(columns)
        for column, values in enumerate(columns):
            batch.add(total[:, column], values.numpy())
    mean = (total / samples).reshape(camera.height, camera.width, 13).astype(np.float32)
    _save(folder, "radiance", mean[..., :3])
    _save(folder, "product", mean[..., 3:7])
    _save(folder, "albedo", mean[..., 7:10])
    _save(folder, "normal", mean[..., 10:13] @ camera.rotation.T)
    if job["denoise"]:
        _denoise(folder, job["denoise"], job.get("guides"))


def _denoise(folder: Path, names: list[str], guides: dict[str, str] | None) -> None:
    """Intel Open Image Denoise (A. Áfra) with albedo and normals as guides: those traced, or clean ones given.

    The product's edge stays as traced: smoothed colours would no longer belong to the pixels' own coverage.
    """
    import pyoidn
    albedo, normal = (np.load(folder / (f"{name}.npy" if guides is None else guides[name]))
                      for name in ("albedo", "normal"))
    cover = np.load(folder / "product.npy")[..., 3:]
    edge = (cover > 0.0) & (cover < 1.0)
    for name in names:
        image = np.load(folder / f"{name}.npy")
        clean = pyoidn.denoise(np.ascontiguousarray(image[..., :3]), albedo=np.clip(albedo, 0.0, 1.0), normal=normal,
                               hdr=True, clean_aux=guides is not None)
        _save(folder, name, np.concatenate([np.where(edge, image[..., :3], clean), image[..., 3:]], axis=-1))


def rays(world: World, job: dict[str, Any], folder: Path) -> None:
    """Radiance that arrives along given rays."""
    origins, directions = np.load(folder / job["origins"]), np.load(folder / job["directions"])

    def through(index: Any, sampler: Any) -> Any:
        return mi.Ray3f(_gathered(mi.Point3f, origins, index), dr.normalize(_gathered(mi.Vector3f, directions, index)))

    _mean_radiance(world, job, folder, len(origins), through)


def cards(world: World, job: dict[str, Any], folder: Path) -> None:
    """Irradiance over π at points: the mean radiance of a cosine-weighted hemisphere."""
    points, normals = np.load(folder / job["points"]), np.load(folder / job["normals"])

    def upwards(index: Any, sampler: Any) -> Any:
        normal = dr.normalize(_gathered(mi.Vector3f, normals, index))
        way = mi.Frame3f(normal).to_world(mi.warp.square_to_cosine_hemisphere(sampler.next_2d()))
        return mi.Ray3f(_gathered(mi.Point3f, points, index) + normal * job["lift"], way)

    _mean_radiance(world, job, folder, len(points), upwards)


def _mean_radiance(world: World, job: dict[str, Any], folder: Path, count: int, ray_of: Any) -> None:
    """Average ``samples`` paths of each of ``count`` rays."""
    integrator, sampler = world.integrator(job["depth"]), mi.load_dict({"type": "independent"})
    samples = int(job["samples"])
    total = np.zeros((count, 3))
    for batch in _batches(count, samples):
        ray, _ = batch.seed(sampler, job["seed"])
        light, _, _ = integrator.sample(world.scene, sampler, mi.RayDifferential3f(ray_of(ray, sampler)))
        batch.add(total, _rows(light))
    _save(folder, "radiance", total / samples)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Consecutive samples; all those of one ray follow each other."""

    first: int
    size: int
    samples: int                           # per ray

    def seed(self, sampler: Any, seed: int) -> tuple[Any, Any]:
        """Fresh random numbers; of each sample its ray and which of the ray's it is.

        Opaque numbers keep all batches one kernel.
        """
        sampler.seed(dr.opaque(mi.UInt32, (seed * 1_000_003 + self.first) % (1 << 32)), self.size)
        index = dr.arange(mi.UInt32, self.size) + dr.opaque(mi.UInt32, self.first % self.samples)
        return index // self.samples + dr.opaque(mi.UInt32, self.first // self.samples), index % self.samples

    def add(self, total: NDArray[np.float64], values: NDArray[np.floating]) -> None:
        ray = np.arange(self.first, self.first + self.size) // self.samples
        starts = np.flatnonzero(np.r_[True, ray[1:] != ray[:-1]])
        total[ray[starts]] += np.add.reduceat(values, starts, axis=0, dtype=np.float64)


def _batches(rays: int, samples: int) -> Iterator[_Batch]:
    for first in range(0, rays * samples, MOST_RAYS):
        yield _Batch(first, min(MOST_RAYS, rays * samples - first), samples)


def _gathered(kind: Any, values: F32, index: Any) -> Any:
    return dr.gather(kind, mi.Float(np.ascontiguousarray(values, np.float32).ravel()), index)


def _rows(vector: Any) -> NDArray[np.floating]:
    """(N, channels)."""
    return np.ascontiguousarray(np.asarray(vector.numpy()).T)


def _save(folder: Path, name: str, values: NDArray[np.floating]) -> None:
    np.save(folder / f"{name}.npy", np.ascontiguousarray(values, np.float32))


TASKS = {"aovs": aovs, "picture": picture, "rays": rays, "cards": cards}


def main() -> None:
    if len(sys.argv) < 2:
        # The first kernel is what needs a compiler that works.
        squares = dr.sum(dr.square(dr.arange(mi.Float, 4)))
        print(json.dumps({"mitsuba": mi.__version__, "variant": VARIANT, "works": float(squares[0]) == 14.0}))
        return
    if sys.argv[1] == "--serve":
        serve(int(sys.argv[2]))
        return
    path = Path(sys.argv[1])
    job = json.loads(path.read_text())
    TASKS[job["task"]](World(path.parent, job["model"]), job, path.parent)


def serve(threads: int) -> None:
    """Do jobs until nobody asks any more; jobs of one folder and model share its World."""
    if threads:
        dr.set_thread_count(threads)
    answers = sys.stdout
    sys.stdout = sys.stderr                # whatever libraries print is no answer
    known: tuple[Path, dict[str, Any], World] | None = None
    for line in sys.stdin:
        path = Path(line.strip())
        try:
            job = json.loads(path.read_text())
            if known is None or known[:2] != (path.parent, job["model"]):
                known, Slot.looks = None, ()
                # Mitsuba's objects and ours hold each other. Freed before the next are made, they leave it their
                # numbers, and with the same numbers it is the same kernel.
                gc.collect()
                known = (path.parent, job["model"], World(path.parent, job["model"], merge=True))
            TASKS[job["task"]](known[2], job, path.parent)
            answer: dict[str, str] = {}
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
