"""Writers are read back by readers that are not ours where there is one, and what is committed is what is made."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image

from examples.generate.carton import oolong_carton
from examples.generate.model import MaterialSpec, Model, Texture
from examples.generate.mug import tidewater_mug
from examples.generate.shapes import UvRect, ellipse, filleted, lathe, part, sweep
from examples.generate.skus import ENTRIES, Entry, write_catalogue, write_sku
from examples.generate.tote import bookshop_tote
from examples.generate.writers import WRITERS
from pipeline.catalogue import MANIFEST, Catalogue
from pipeline.mesh import ingest_file

F64 = NDArray[np.float64]
MEGABYTE = 1_000_000
FORMATS = {".fbx", ".glb", ".gltf", ".obj", ".stl"}
TEXTURED = ("glb", "gltf", "obj", "obj-without-mtl", "fbx")
CHEAP = ("carton-morning-oolong", "vase-linnea", "lamp-ostrava")


def _model() -> Model:
    """A textured pot with a plain handle: curved, with sharp and smooth edges and seams in uv."""
    rows, columns = np.mgrid[0:16, 0:16]
    pixels = np.stack([rows * 16, columns * 16, (rows + columns) % 2 * 255], axis=-1).astype(np.uint8)
    glaze = MaterialSpec("glaze", Texture("pot_print", Image.fromarray(pixels, "RGB")), roughness=0.25, metallic=0.0)
    iron = MaterialSpec("iron", base_color=(0.25, 0.5, 0.75), roughness=0.5, metallic=1.0)
    profile = filleted([(0.0, 0.0, 0.0), (0.04, 0.0, 0.004), (0.04, 0.09, 0.002), (0.0, 0.09, 0.0)], 2)
    path = np.array([[0.04, 0.07, 0.0], [0.06, 0.07, 0.0], [0.07, 0.05, 0.0], [0.06, 0.03, 0.0], [0.04, 0.03, 0.0]])
    pot = part("pot", [lathe(profile, UvRect(0.0, 0.0, 1.0, 1.0), 16)], "glaze")
    handle = part("handle", [sweep(path, ellipse(0.01, 0.008, 8), (0.0, 0.0, 1.0), UvRect(0.1, 0.2, 0.3, 0.4))], "iron")
    return Model("pot", (pot, handle), (glaze, iron))


def _corners(positions: F64, triangles: NDArray[np.integer], uvs: F64) -> F64:
    """(3T, 5) position in µm and uv in 1/4096 of every triangle corner, in an order of their own."""
    flat = triangles.ravel()
    values = np.concatenate([positions[flat] * 1e6, uvs[flat] * 4096], axis=1)
    return np.asarray(values[np.lexsort(np.round(values / 50).T[::-1])], np.float64)


def _expected(model: Model) -> F64:
    starts = np.cumsum([0] + [len(p.positions) for p in model.parts[:-1]])
    return _corners(np.concatenate([p.positions for p in model.parts]).astype(np.float64),
                    np.concatenate([p.triangles + start for p, start in zip(model.parts, starts, strict=True)]),
                    np.concatenate([p.uvs for p in model.parts]).astype(np.float64))


def _read(file: Path) -> F64:
    """The same from a file: by trimesh, whose v grows upward, or through ufbx."""
    if file.suffix == ".fbx":
        mesh = ingest_file(file).mesh
        return _corners(mesh.positions.astype(np.float64), mesh.triangles, mesh.uv_sets[0].astype(np.float64))
    pieces = [_corners(np.asarray(g.vertices, np.float64), np.asarray(g.faces),
                       np.stack([g.visual.uv[:, 0], 1.0 - g.visual.uv[:, 1]], axis=1))
              for g in trimesh.load_scene(file, process=False).geometry.values()]
    whole = np.concatenate(pieces)
    return np.asarray(whole[np.lexsort(np.round(whole / 50).T[::-1])], np.float64)


@pytest.mark.parametrize("format_name", TEXTURED)
def test_a_textured_format_is_read_back_with_the_same_corners(format_name: str, tmp_path: Path) -> None:
    model = _model()
    WRITERS[format_name](model, tmp_path, "pot")
    (file,) = (path for path in tmp_path.iterdir() if path.suffix in FORMATS)
    found, expected = _read(file), _expected(model)
    assert len(found) == 3 * model.triangle_count
    # Sorted on 50 µm cells, so a neighbour may swap places; sums and extents may not.
    np.testing.assert_allclose(found.min(axis=0), expected.min(axis=0), atol=1.5)
    np.testing.assert_allclose(found.max(axis=0), expected.max(axis=0), atol=1.5)
    np.testing.assert_allclose(found, expected, atol=1.5)


def test_an_stl_is_millimetres_with_z_up(tmp_path: Path) -> None:
    model = _model()
    WRITERS["stl"](model, tmp_path, "pot")
    mesh = trimesh.load_mesh(tmp_path / "pot.stl", process=False)
    assert len(mesh.faces) == model.triangle_count
    positions = np.concatenate([p.positions for p in model.parts])
    np.testing.assert_allclose(mesh.extents, np.ptp(positions, axis=0)[[0, 2, 1]] * 1000.0, atol=1e-3)
    assert mesh.vertices[:, 2].min() == pytest.approx(0.0)
    assert mesh.volume > 0


def test_materials_say_their_colour_and_texture(tmp_path: Path) -> None:
    for format_name in ("glb", "gltf", "fbx"):
        folder = tmp_path / format_name
        folder.mkdir()
        WRITERS[format_name](_model(), folder, "pot")
        (file,) = (path for path in folder.iterdir() if path.suffix in FORMATS)
        materials = {material.name: material for material in ingest_file(file).mesh.materials}
        assert set(materials) == {"glaze", "iron"}
        assert set(materials["glaze"].textures) == {"base_color"}
        np.testing.assert_allclose(materials["iron"].base_color[:3], (0.25, 0.5, 0.75), atol=1e-5)
        assert materials["iron"].textures == {}


def test_a_glb_holds_the_picture_itself(tmp_path: Path) -> None:
    model = _model()
    WRITERS["glb"](model, tmp_path, "pot")
    data = (tmp_path / "pot.glb").read_bytes()
    length = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20:20 + length])
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    start = 20 + length + 8 + view["byteOffset"]
    picture = Image.open(io.BytesIO(data[start:start + view["byteLength"]]))
    texture = model.materials[0].texture
    assert texture is not None
    assert np.array_equal(np.asarray(picture), np.asarray(texture.image))
    assert int.from_bytes(data[8:12], "little") == len(data)


@pytest.mark.parametrize("format_name", sorted(WRITERS))
def test_writing_twice_gives_the_same_bytes(format_name: str, tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        WRITERS[format_name](_model(), tmp_path / name, "pot")
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


@pytest.mark.parametrize("make", [tidewater_mug, oolong_carton, bookshop_tote])
def test_print_on_the_front_is_upright_and_not_mirrored(make: Callable[[], Model]) -> None:
    """Where a product faces +Z, u grows to the right and v downwards."""
    body = make().parts[0]
    corners, uvs = body.positions[body.triangles].astype(np.float64), body.uvs[body.triangles].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1)
    outermost = corners[..., 2].mean(axis=1) > 0.9 * corners[..., 2].max()
    sides = uvs[:, 1:] - uvs[:, :1]
    printed = np.abs(np.linalg.det(sides)) > 1e-9  # cut edges are one colour, one point of the texture
    front = (normal[:, 2] > 0.95 * area) & (area > 1e-9) & outermost & printed
    assert front.sum() >= 2
    edges = corners[front][:, 1:, :2] - corners[front][:, :1, :2]
    slopes = np.linalg.solve(edges, sides[front])  # (N, xy, uv)
    assert (slopes[:, 0, 0] > 0).all()
    assert (slopes[:, 1, 1] < 0).all()


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.family not in ("court-sneaker", "derby")],
                         ids=lambda entry: entry.sku)
def test_products_stand_on_the_floor_and_their_normals_look_out(entry: Entry) -> None:
    parts = entry.model().parts
    for piece in parts:
        assert piece.normals is not None
        corners = piece.positions[piece.triangles].astype(np.float64)
        face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        agree = (face[:, None] * piece.normals[piece.triangles]).sum(-1).mean(axis=1) > 0
        assert agree.mean() > 0.995, piece.name
    lowest = min(float(piece.positions[:, 1].min()) for piece in parts)
    assert lowest == pytest.approx(0.0, abs=1e-4)


def test_the_committed_catalogue_is_complete_and_small(example_catalogue: Path) -> None:
    catalogue = Catalogue.at(example_catalogue)
    assert catalogue.skus() == sorted(entry.sku for entry in ENTRIES)
    assert catalogue.illegal() == {}
    assert len(ENTRIES) >= 8
    products = [catalogue.product(sku) for sku in catalogue.skus()]
    assert {Path(product.mesh_file).suffix for product in products} == FORMATS
    files = [path for path in example_catalogue.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10 * MEGABYTE
    for path in files:
        if path.suffix in (".png", ".jpg"):
            assert max(Image.open(path).size) <= 2048


def test_two_skus_have_a_manifest_and_the_others_none(example_catalogue: Path) -> None:
    assert sorted(path.parent.name for path in example_catalogue.rglob(MANIFEST)) == [
        "court-sneaker-green", "court-sneaker-navy"]
    product = Catalogue.at(example_catalogue).product("court-sneaker-green")
    assert product.manifest.front == "+x"
    assert {region.kind for region in product.regions} == {"label", "logo", "stitching"}
    assert any(region.kind == "stitching" and region.rows == 2 for region in product.regions)
    assert any(region.kind == "label" and region.text for region in product.regions)


def test_names_alone_give_every_product_its_category(example_catalogue: Path) -> None:
    catalogue = Catalogue.at(example_catalogue)
    categories = {sku: catalogue.product(sku).category for sku in catalogue.skus()}
    assert categories["court-sneaker-navy"] == "footwear"
    assert categories["mug-tidewater"] == "mug"
    assert categories["bottle-fjellbekk"] == "bottle"
    assert categories["carton-morning-oolong"] == "box"
    assert categories["tote-kelp-crane"] == "bag"


def test_a_texture_called_diffuse_is_found_by_name_alone(example_catalogue: Path) -> None:
    folder = example_catalogue / "candle-cedar-salt"
    assert "mtllib" not in (folder / "ceramic_candle.obj").read_text()
    (material,) = ingest_file(folder / "ceramic_candle.obj").mesh.materials
    assert material.textures["base_color"].path == "diffuse.png"


@pytest.mark.parametrize("sku", CHEAP)
def test_what_is_committed_is_what_the_generator_makes(sku: str, example_catalogue: Path, tmp_path: Path) -> None:
    """Meshes to a micrometre, pictures to a code value: zlib and FreeType differ between machines in bytes."""
    (entry,) = (entry for entry in ENTRIES if entry.sku == sku)
    made, committed = write_sku(entry, tmp_path / sku), example_catalogue / sku
    own = sorted(path.name for path in committed.iterdir() if path.is_file())  # a photo of a path tracer is not
    assert sorted(path.name for path in made.iterdir()) == own
    for path in made.iterdir():
        if path.suffix in (".png", ".jpg"):
            difference = np.abs(np.asarray(Image.open(path), np.int16) - np.asarray(Image.open(committed / path.name)))
            assert difference.mean() < 0.5
        elif path.suffix == ".stl":
            ours, theirs = (trimesh.load_mesh(folder / path.name, process=False).vertices
                            for folder in (made, committed))
            np.testing.assert_allclose(ours, theirs, atol=1e-3)
        elif path.suffix in FORMATS:
            np.testing.assert_allclose(_read(path), _read(committed / path.name), atol=1.5)


def test_single_skus_can_be_written_anew(tmp_path: Path) -> None:
    write_catalogue(tmp_path, ["carton-morning-oolong"])
    (tmp_path / "carton-morning-oolong" / "stray.png").write_bytes(b"")
    write_catalogue(tmp_path, ["carton-morning-oolong"])
    assert sorted(path.name for path in (tmp_path / "carton-morning-oolong").iterdir()) == [
        "carton_print.png", "tea_carton.mtl", "tea_carton.obj"]
    assert Catalogue.at(tmp_path).skus() == ["carton-morning-oolong"]
