"""No reference leaves the SKU folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import IngestError
from pipeline.mesh.resolver import Resolver

FILES = ("models/shoe.gltf", "models/shoe.bin", "textures/Shoe_Diffuse.PNG", "a b.bin")


def _resolver(folder: Path = Path("/nowhere")) -> Resolver:
    return Resolver(folder, FILES, "models/shoe.gltf")


@pytest.mark.parametrize(("reference", "code"), [
    ("../../secret.bin", "path_escapes"), ("..\\..\\secret.bin", "path_escapes"), ("/etc/passwd", "path_escapes"),
    ("C:\\secret.bin", "path_escapes"), ("%2e%2e/%2e%2e/secret.bin", "path_escapes"), ("../..", "path_escapes"),
    ("x/../../../y.bin", "path_escapes"), ("http://example.com/x.bin", "remote_uri"), ("//host/x.bin", "remote_uri"),
    ("file:///etc/passwd", "remote_uri"), ("absent.bin", "file_missing"), ("a\0b", "path_escapes"),
])
def test_what_is_refused(reference: str, code: str) -> None:
    with pytest.raises(IngestError) as caught:
        _resolver().read(reference)
    assert caught.value.code == code
    assert caught.value.hint


def test_what_is_found(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    resolver = _resolver(tmp_path)
    assert resolver.read("shoe.bin") == b"models/shoe.bin"
    assert resolver.read("./x/../shoe.bin") == b"models/shoe.bin"
    assert resolver.read("../a%20b.bin") == b"a b.bin"


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "sku"
    folder.mkdir()
    (folder / "shoe.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(IngestError) as caught:
        Resolver(folder, ("shoe.bin",), "shoe.gltf").read("shoe.bin")
    assert caught.value.code == "path_escapes"


@pytest.mark.parametrize(("reference", "found"), [
    ("../textures/Shoe_Diffuse.PNG", "textures/Shoe_Diffuse.PNG"), ("shoe_diffuse.png", "textures/Shoe_Diffuse.PNG"),
    ("C:\\work\\maps\\shoe_diffuse.tga", "textures/Shoe_Diffuse.PNG"),
])
def test_textures_are_found_by_their_last_name(reference: str, found: str) -> None:
    assert _resolver().find_texture(reference, loose=True)[0] == found


def test_an_absent_texture_is_no_error_of_ingest() -> None:
    path, warning = _resolver().find_texture("gone.png", loose=False)
    assert path == "models/gone.png"
    assert warning
    assert "gone.png" in warning


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("./\\%2eE5cCab:\0 ~"), max_size=24))
def test_nothing_located_is_outside(reference: str) -> None:
    try:
        path = _resolver().locate(reference)
    except IngestError:
        return
    assert not path.startswith("/")
    assert path.split("/")[0] != ".."
