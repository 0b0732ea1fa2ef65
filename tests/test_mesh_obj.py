"""OBJ and MTL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import IngestError
from pipeline.mesh.mtl import parse_mtl
from tests.mesh_files import box, box_obj, load

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def test_a_box_with_top_left_uvs(tmp_path: Path) -> None:
    positions, _, uvs, triangles = box()
    [part] = load(box_obj().encode(), "m.obj", tmp_path).parts
    np.testing.assert_allclose(part.positions, positions[triangles.reshape(-1)], atol=1e-6)
    np.testing.assert_allclose(part.uv_sets[0], uvs[triangles.reshape(-1)], atol=1e-6)


@pytest.mark.parametrize("face", ["f 1 2 3 4", "f -4 -3 -2 -1", "f 1// 2// 3// 4//", "f 1 2 \\\n3 4",
                                  "f 1 2 3 4 # quad"])
def test_ways_to_write_a_face(face: str, tmp_path: Path) -> None:
    [part] = load((SQUARE + face + "\n").encode(), "m.obj", tmp_path).parts
    assert part.positions.shape == (6, 3)
    assert part.uv_sets == ()
    assert np.ptp(part.positions, axis=0).tolist() == [1, 1, 0]


def test_groups_and_materials(tmp_path: Path) -> None:
    (tmp_path / "two words.mtl").write_text("newmtl red\nKd 1 0 0\nPr 0.3\n"
                                            "map_Kd -s 2 2 -o 0.1 0.2 maps\\red one.png\n")
    text = ("mtllib two words.mtl\no thing\ng left\nusemtl red\n" + SQUARE + "f 1 2 3\ng right\nusemtl blue\nf 1 3 4\n"
            "usemtl red\nf 1 2 4\n")
    raw = load(text.encode(), "m.obj", tmp_path)
    assert [(raw.materials[p.material].name, len(p.triangles)) for p in raw.parts] == [("red", 2), ("blue", 1)]
    red, blue = raw.materials
    assert red.base_color == (1.0, 0.0, 0.0, 1.0)
    assert red.roughness == 0.3
    assert red.textures["base_color"].name == "maps\\red one.png"
    assert red.textures["base_color"].scale == (2.0, 2.0)
    assert red.textures["base_color"].offset == pytest.approx((0.1, -1.2))
    assert blue.base_color is None


def test_a_missing_library_is_a_warning(tmp_path: Path) -> None:
    raw = load(box_obj(material="m", library="gone.mtl").encode(), "m.obj", tmp_path)
    assert any("gone.mtl" in warning for warning in raw.warnings)


def test_phong_values_count_as_not_given() -> None:
    material = parse_mtl("newmtl a\nNs 250\nKs .5 .5 .5\nKd .2 .3 .4\nd 0\n", [])["a"]
    assert (material.roughness, material.metallic, material.alpha_mode) == (None, None, "opaque")


def test_normal_maps_by_their_name_only() -> None:
    warnings: list[str] = []
    found = parse_mtl("newmtl a\nmap_Bump -bm 1.0 a_normal.png\nnewmtl b\nbump height.png\n", warnings)
    assert found["a"].textures["normal"].name == "a_normal.png"
    assert found["b"].textures == {}
    assert any("height.png" in warning for warning in warnings)


@pytest.mark.parametrize(("text", "code"), [
    ("v 0 0 0\n", "mesh_empty"), (SQUARE + "f 1 2 9\n", "mesh_indices"), (SQUARE + "f 1 2 0\n", "mesh_indices"),
    (SQUARE + "f -9 -3 -2\n", "obj_malformed"), (SQUARE + "f a b c\n", "obj_malformed"),
    ("v 0 0\nv 1 1\nv 2 2\nf 1 2 3\n", "obj_malformed"), ("v x y z\nv 1 1 1\nv 2 2 2\nf 1 2 3\n", "obj_malformed"),
])
def test_faults_are_named(text: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(IngestError) as caught:
        load(text.encode(), "m.obj", tmp_path)
    assert caught.value.code == code


def test_map_options_and_maps_of_one_channel() -> None:
    warnings: list[str] = []
    text = ("newmtl a\nmap_Kd -clamp on -mm 0 1 a.png\nmap_Pr a_r.png\nPr 0.2\nmap_Pm -imfchan b a_m.png\n"
            "map_d -imfchan m a_cut.png\nnorm -bm 0.5 a_n.png\nmap_Ke glow.png\nKe 1 1 1\n")
    found = parse_mtl(text, warnings)["a"]
    assert {slot: texture.name for slot, texture in found.textures.items()} == {
        "base_color": "a.png", "roughness": "a_r.png", "metallic": "a_m.png", "opacity": "a_cut.png",
        "normal": "a_n.png", "emissive": "glow.png"}
    assert (found.roughness, found.metallic, found.alpha_mode) == (1.0, 1.0, "mask")
    assert found.textures["base_color"].wrap_u == "clamp"
    assert found.textures["normal"].strength == 0.5
    assert len(warnings) == 1
    assert "a_m.png" in warnings[0]


def test_an_opacity_map_that_is_the_colour_map_cuts_by_its_alpha() -> None:
    found = parse_mtl("newmtl a\nmap_Kd leaf.png\nmap_d leaf.png\n", [])["a"]
    assert (found.alpha_mode, set(found.textures)) == ("mask", {"base_color"})


def test_vertex_colours_and_concave_polygons(tmp_path: Path) -> None:
    text = "".join(f"v {x} {y} 0 1 0.5 0\n" for x, y in ((0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)))
    [part] = load((text + "f 1 2 3 4 5 6\n").encode(), "m.obj", tmp_path).parts
    a, b, c = (part.positions[part.triangles[:, k]] for k in range(3))
    assert np.cross(b - a, c - a)[:, 2].min() > 0
    assert np.cross(b - a, c - a)[:, 2].sum() / 2 == pytest.approx(3)
    assert part.colors is not None
    np.testing.assert_allclose(part.colors[0], [1, 0.214, 0, 1], atol=1e-3)


def test_faces_without_uvs_among_others(tmp_path: Path) -> None:
    raw = load((SQUARE + "vt 0.5 0.25\nf 1/1 2/1 3/1\nf 1 3 4\n").encode(), "m.obj", tmp_path)
    [part] = raw.parts
    assert sorted({tuple(uv) for uv in part.uv_sets[0].tolist()}) == [(0.0, 1.0), (0.5, 0.75)]
    assert any("3 corners have no uv" in warning for warning in raw.warnings)
