"""The path tracer's own process: ``python pathtrace_child.py JOB.json LIBRARY``; without a job it says who it is.

Mitsuba 3 (W. Jakob et al. 2022) ends the process where LLVM is too old, so it never lives in ours. Run by
path, so that nothing of Packshot is imported. Results are .npy files beside the job.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIANT = "llvm_ad_rgb"
if len(sys.argv) > 2:
    os.environ["DRJIT_LIBLLVM_PATH"] = sys.argv[2]

import drjit as dr  # noqa: E402 — reads the variable above
import mitsuba as mi  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

mi.set_variant(VARIANT)

MOST_RAYS = 1 << 21        # in flight at once; bounds memory to about 1 GB
HOLES = 8                  # see-through layers that a camera's ray may pass
RUSSIAN_ROULETTE = 6       # bounces after which paths end by chance
F32 = NDArray[np.float32]


class Map:
    """A texture map: its texels, and which of them a surface's point looks at."""

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        pixels = np.load(folder / given["image"])
        if pixels.dtype == np.uint8:
            values = pixels.astype(np.float32) / 255.0
            if given["coded"]:
                values[..., :3] = _decoded(values[..., :3])
        else:
            values = pixels.astype(np.float32)
        if values.shape[2] == 3:
            values = np.concatenate([values, np.ones_like(values[..., :1])], axis=2)
        self.wrap = given["wrap"]
        self.uv_set = given["uv_set"]
        self.matrix = np.asarray(given["matrix"], np.float64)
        self.strength = float(given["strength"])
        repeats = self.wrap == ["repeat", "repeat"]
        self.texels = dr.auto.ad.Texture2f16(
            dr.auto.ad.TensorXf16(values.astype(np.float16)),
            filter_mode=dr.FilterMode.Nearest if given["nearest"] else dr.FilterMode.Linear,
            wrap_mode=dr.WrapMode.Repeat if repeats else dr.WrapMode.Clamp)

    def at(self, si: Any) -> Any:
        """The surface's uv in the map, before wrapping."""
        uv = mi.Point2f(si.uv)
        if self.uv_set == 1:
            second = si.shape.eval_attribute_3("vertex_second", si)
            uv = mi.Point2f(second.x, second.y)
        m = self.matrix
        return mi.Point2f(float(m[0, 0]) * uv.x + float(m[0, 1]) * uv.y + float(m[0, 2]),
                          float(m[1, 0]) * uv.x + float(m[1, 1]) * uv.y + float(m[1, 2]))

    def wrapped(self, uv: Any) -> Any:
        return mi.Point2f(*(_wrapped(value, how) for value, how in zip((uv.x, uv.y), self.wrap, strict=True)))

    def value(self, si: Any, active: Any) -> Any:
        """rgba."""
        uv = self.at(si)
        uv = uv if self.wrap == ["repeat", "repeat"] else self.wrapped(uv)
        return mi.Vector4f(*(mi.Float(channel) for channel in self.texels.eval(uv, active)))


def _wrapped(value: Any, how: str) -> Any:
    if how == "repeat":
        return value - dr.floor(value)
    if how == "mirror":
        return 1.0 - dr.abs(value - 2.0 * dr.floor(value * 0.5) - 1.0)
    return dr.clip(value, 0.0, 1.0)


def _decoded(coded: F32) -> F32:
    """IEC 61966-2-1."""
    return np.where(coded <= 0.04045, coded / 12.92, ((np.maximum(coded, 0.04045) + 0.055) / 1.055) ** 2.4
                    ).astype(np.float32)


class Look:
    """One surface's material: its values at a point of the surface."""

    def __init__(self, folder: Path, given: dict[str, Any], colored: bool, uv_sets: int) -> None:
        self.given = given
        self.colored = colored
        self.maps = {slot: Map(folder, entry) for slot, entry in given["maps"].items() if uv_sets > 0}

    @property
    def pierced(self) -> bool:
        return bool(self.given["alpha_mode"] != "opaque" or self.given["opacity"] < 1.0)

    @property
    def emits(self) -> bool:
        return any(value > 0.0 for value in self.given["emission"])

    def base(self, si: Any, active: Any) -> Any:
        """rgba: albedo of dielectrics, reflectance of metals."""
        factor = [*self.given["albedo"], 1.0][:4]
        color = mi.Vector4f(*(float(value) for value in factor))
        if "base_color" in self.maps:
            color *= self.maps["base_color"].value(si, active)
        if self.colored:
            tint = si.shape.eval_attribute_3("vertex_tint", si, active)
            color *= mi.Vector4f(tint.x, tint.y, tint.z, si.shape.eval_attribute_1("vertex_cover", si, active))
        return color

    def opacity(self, si: Any, active: Any) -> Any:
        alpha = self.base(si, active).w
        if self.given["alpha_mode"] == "mask":
            return dr.select(alpha < self.given["cutoff"], 0.0, 1.0) * self.given["opacity"]
        return self.given["opacity"] * (alpha if self.given["alpha_mode"] == "blend" else mi.Float(1.0))

    def metallic(self, si: Any, active: Any) -> Any:
        return self._surface(si, active, "metallic", 2)

    def roughness(self, si: Any, active: Any) -> Any:
        return self._surface(si, active, "roughness", 1)

    def _surface(self, si: Any, active: Any, name: str, channel: int) -> Any:
        value = mi.Float(float(self.given[name]))
        if "metallic_roughness" in self.maps:
            value = value * self.maps["metallic_roughness"].value(si, active)[channel]
        if name in self.maps:
            value = value * self.maps[name].value(si, active).x
        return dr.clip(value, 0.0, 1.0)

    def emission(self, si: Any, active: Any) -> Any:
        color = mi.Color3f(*self.given["emission"])
        if "emissive" in self.maps:
            value = self.maps["emissive"].value(si, active)
            color *= mi.Color3f(value.x, value.y, value.z)
        return color

    def bent(self, si: Any, active: Any) -> Any:
        """Shading normal in the world: the normal map's, whose green points against v."""
        n = si.sh_frame.n
        if "normal" not in self.maps:
            return n
        entry = self.maps["normal"]
        value = entry.value(si, active)
        bump = (mi.Vector3f(value.x, value.y, value.z) * 2.0 - 1.0) * mi.Vector3f(entry.strength, entry.strength, 1.0)
        # Tangents of the map's own uv: position's derivatives through the uv transform's inverse.
        inverse = np.linalg.inv(entry.matrix[:2, :2])
        along = si.dp_du * float(inverse[0, 0]) + si.dp_dv * float(inverse[1, 0])
        down = si.dp_du * float(inverse[0, 1]) + si.dp_dv * float(inverse[1, 1])
        t = dr.normalize(dr.fma(-n, dr.dot(n, along), along))
        turned = dr.dot(dr.cross(n, along), down) < 0.0
        b = dr.cross(n, t) * dr.select(turned, -1.0, 1.0)
        bent = dr.normalize(t * bump.x - b * bump.y + n * bump.z)
        return dr.select(dr.isfinite(dr.squared_norm(bent)), bent, n)


class Slot(mi.Texture):  # type: ignore[misc]
    """One value of a Look as a texture of Mitsuba's."""

    looks: tuple[Look, ...] = ()

    def __init__(self, props: Any) -> None:
        mi.Texture.__init__(self, props)
        self.look = Slot.looks[int(props["look"])]
        self.value = str(props["value"])

    def eval(self, si: Any, active: Any = True) -> Any:
        return self.eval_3(si, active)

    def eval_3(self, si: Any, active: Any = True) -> Any:
        if self.value == "base":
            rgba = self.look.base(si, active)
            return mi.Color3f(rgba.x, rgba.y, rgba.z)
        if self.value == "normal":
            return mi.Color3f(si.sh_frame.to_local(self.look.bent(si, active)) * 0.5 + 0.5)
        if self.value == "emission":
            return self.look.emission(si, active)
        return mi.Color3f(self.eval_1(si, active))

    def eval_1(self, si: Any, active: Any = True) -> Any:
        if self.value == "metallic":
            return self.look.metallic(si, active)
        if self.value == "roughness":
            return self.look.roughness(si, active)
        if self.value == "opacity":
            return self.look.opacity(si, active)
        return dr.mean(self.eval_3(si, active))

    def mean(self) -> Any:
        return mi.Float(0.5)

    def max(self) -> float:
        return 1.0

    def is_spatially_varying(self) -> bool:
        # Emission is sampled evenly over its surface; Mitsuba asks only to sample it by its map.
        return self.value != "emission"

    def traverse(self, callback: Any) -> None:
        pass


mi.register_texture("packshot_slot", Slot)


class World:
    """A Mitsuba scene, and which look its shapes have."""

    def __init__(self, folder: Path, model: dict[str, Any]) -> None:
        given = model["surfaces"]
        Slot.looks = tuple(Look(folder, entry["look"], entry["colors"] is not None, len(entry["uv"]))
                           for entry in given)
        self.looks = Slot.looks
        self.ids = [tuple(entry["ids"]) for entry in given]
        self.shapes = [_mesh(folder, index, entry, look)
                       for index, (entry, look) in enumerate(zip(given, self.looks, strict=True))]
        scene: dict[str, Any] = {"type": "scene", **{f"m{index}": shape for index, shape in enumerate(self.shapes)}}
        if model["environment"] is not None:
            turn = np.eye(4)
            turn[:3, :3] = np.asarray(model["axes"]).T
            scene["light"] = {"type": "envmap", "bitmap": mi.Bitmap(np.load(folder / model["environment"])),
                              "to_world": mi.ScalarTransform4f(turn)}
        self.scene = mi.load_dict(scene)
        self.names = [int(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(shape))[0]) for shape in self.shapes]
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


def _slot(index: int, value: str) -> dict[str, Any]:
    return {"type": "packshot_slot", "look": index, "value": value}


def _bsdf(index: int, look: Look) -> dict[str, Any]:
    given = look.given
    if given["roughness"] is None:
        bsdf: dict[str, Any] = {"type": "diffuse", "reflectance": _slot(index, "base")}
    else:
        bsdf = {"type": "principled", "base_color": _slot(index, "base"), "specular": 0.5,
                "roughness": _slot(index, "roughness")}
        if given["metallic"] > 0.0:
            bsdf["metallic"] = _slot(index, "metallic")
        for name in ("clearcoat", "sheen"):
            if given[name] > 0.0:
                bsdf[name] = float(given[name])
    if "normal" in look.maps:
        bsdf = {"type": "normalmap", "normalmap": _slot(index, "normal"), "bsdf": bsdf}
    bsdf = {"type": "twosided", "bsdf": bsdf}
    if look.pierced:
        bsdf = {"type": "mask", "opacity": _slot(index, "opacity"), "bsdf": bsdf}
    return bsdf


class Camera:
    """Rays through points of a picture: a matrix from pixels to directions whose depth is 1."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.to_direction = np.asarray(given["to_direction"], np.float64)
        self.eye = mi.Point3f(*given["eye"])
        self.rotation = np.asarray(given["rotation"], np.float64)
        self.width, self.height = int(given["width"]), int(given["height"])

    def rays(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Rays with unit directions, and how much longer their lengths are than their depths."""
        m = self.to_direction
        way = mi.Vector3f(*(float(row[0]) * x + float(row[1]) * y + float(row[2]) for row in m))
        length = dr.norm(way)
        return mi.Ray3f(self.eye, way / length), length

    def turned(self, vector: Any) -> Any:
        """World → camera axes."""
        return mi.Vector3f(*(float(row[0]) * vector.x + float(row[1]) * vector.y + float(row[2]) * vector.z
                             for row in self.rotation))


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
            entry = look.maps["base_color"]
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
        for number, here in world.each(si):
            rgba = world.looks[number].base(si, here)
            albedo[here] = mi.Vector3f(rgba.x, rgba.y, rgba.z)
            normal[here] = world.looks[number].bent(si, here)
            if world.ids[number][0] > 0:
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
        _denoise(folder, job["denoise"])


def _denoise(folder: Path, names: list[str]) -> None:
    """Intel Open Image Denoise (A. Áfra) with albedo and normals as guides."""
    import pyoidn
    albedo, normal = np.load(folder / "albedo.npy"), np.load(folder / "normal.npy")
    for name in names:
        image = np.load(folder / f"{name}.npy")
        clean = pyoidn.denoise(np.ascontiguousarray(image[..., :3]), albedo=np.clip(albedo, 0.0, 1.0), normal=normal,
                               hdr=True)
        _save(folder, name, np.concatenate([clean, image[..., 3:]], axis=-1))


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
    if len(sys.argv) < 3 or sys.argv[1] == "probe":
        # The first kernel is what needs a compiler that works.
        squares = dr.sum(dr.square(dr.arange(mi.Float, 4)))
        print(json.dumps({"mitsuba": mi.__version__, "variant": VARIANT, "works": float(squares[0]) == 14.0}))
        return
    path = Path(sys.argv[1])
    job = json.loads(path.read_text())
    TASKS[job["task"]](World(path.parent, job["model"]), job, path.parent)


if __name__ == "__main__":
    main()
