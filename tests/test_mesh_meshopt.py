"""Streams that the reference encoder made of data known here: the decoder must give that data back."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.mesh import gltf_meshopt

V0 = bytes.fromhex(
    "a01f004ade8d069ad13d56ea8112a6c53162f6751eb2b9256efd692abead197af15dffff000036caa10d86e551421a000222"
    "4444666888a8acacceeeefffff1010101210ffff000014121414141416161f00585858585858585858585858585858585858"
    "58585858585858585858585858ffff00005858585858585858152aaeaaea0404aeaaeaae040404abaa0000041f0021212121"
    "212121212121212121212121212121212121212121212121212121ffff000021212121212121211f003c3e3e3e3e3e3e3e3e"
    "3e3e3e3e3e3e3c3e3e3e3e3e3e3e3e3e3e3e3e3e3e3cffff00003e3e3e3e3e3e3e3e00001500c0c0c09d9d9dc0c0c0c09d9d"
    "9d9dc0c000009d9d1500c0c0c0f2f4f4c0c0c0c0f2f4f4f2c0c00000f4f41500c0c0c06e6e70c0c0c0c06e706e70c0c00000"
    "6e701500c0c0c0c3c3c3c0c0c0c0c3c1c3c3c0c00000c3c30000000000000000000000000000000000000000000000000000"
    "000000000000")
V1 = bytes.fromhex(
    "a177af55004ade72069a2ec256ea7e12a63ace62f68a1eb246da6e02962abe52e67a0ea236ca5ef2861aae420a0001223344"
    "56677889aabbcddeefffff0f0f101111ff001212131314151516005858585858585858585858585858585858585858585858"
    "58585858585858585858585858585858152aaaaaaaaaaaaaaaaaaa0000002121212121212121212121212121212121212121"
    "21212121212121212121212121212121212121003c3e3e3e3e3e3e3e3e3e3e3e3e3e3e3c3e3e3e3e3e3e3e3e3e3e3e3e3e3e"
    "3c3e3e3e3e3e3e3e3e0010119d9d9d11119d9d9d9d11009d9d001011f2f4f41111f2f4f4f21100f4f40010116e6e7011116e"
    "706e7011006e70001011c3c3c31111c3c1c3c31100c3c3000000000000000000000000000000000000000000010000")
F1 = bytes.fromhex(
    "a19a2a044444444444444444444444444444444444444400000000000000000000000000000000000000000000000000803f"
    "00")
T = bytes.fromhex(
    "e1fe1e100e100e100e100e100efe1e1b0e1a0e190e180e170eff1e170e170e170e170e170eff1e170e170e170e170e170eff"
    "0f0f0ebf026f0b0e6f0b0e1f43e0c508d5c508007687566778a9866589689801690000")
S = bytes.fromhex(
    "d100041800161c1a041800161c1a041800161c1a041800161c1a041800161c1a041800161c16041800161c1a041800161c1a"
    "041800161c1a041800161c1a041800161c1a041800161c16041800161c1a041800161c1a041800161c1a041800161c1a0418"
    "00161c1a041800161c16041800161c1a041800161c1a041800161c1a041800161c1a041800161c1a041800161c0100c18b11"
    "8601011400000000")
OCT8 = bytes.fromhex(
    "a1ef000149735d24d72500441a404c78482100030403040304030000000000000000000000000000000000000024a57f8100")
OCT16 = bytes.fromhex(
    "a1ffba001ba9c21e468a4b000005050502120100626900dc7b92350004020404080401000304030403040300000000000000"
    "000000000000003d023efaff0701800001")
QUAT = bytes.fromhex(
    "a1ff9f00ba63e5a0ac1a8c002f014028635e47009c5782fce54215001526013f01070d008c566b126ccca300110b1a5b4c0e"
    "690121a9000000000000000000000000000000000000cc10441cfc1f0000")
EXP = bytes.fromhex(
    "a15f5f5f006652518f002a7b001d1718be000b2400100002011578000004007b2a008f51526600240b00be18171d00100002"
    "0107aa000003007900f5f500797a002400484600242300080002010422000000000000000000000071dffff5cdc4fff4b8ca"
    "fff4000000")
COL8 = bytes.fromhex(
    "a1ff002e2e912e2e912e005b59dd5959dd5b0075754a77754a7500101010100e101000000000000000000000000000000000"
    "0000007f007fa000")
COL16 = bytes.fromhex(
    "a1f75f00dcdc25deda23dc012bae0000090900b5b546b5b548b70005051205051205006d6b926b6d926b0007070407070407"
    "002000fe01154500000000000000000000000000000000ff070000ff07000a0101")

FILTERED = {"OCTAHEDRAL": (OCT16, 8), "QUATERNION": (QUAT, 8), "EXPONENTIAL": (EXP, 12), "COLOR": (COL16, 8)}
STREAMS = [(V1, "ATTRIBUTES", "NONE", 40, 12), (V0, "ATTRIBUTES", "NONE", 40, 12), (T, "TRIANGLES", "NONE", 150, 4),
           (S, "INDICES", "NONE", 150, 4), (T, "TRIANGLES", "NONE", 150, 2)]
STREAMS += [(data, "ATTRIBUTES", name, 8, stride) for name, (data, stride) in FILTERED.items()]


def _decoded(data: bytes, name: str, stride: int, kind: str) -> NDArray[Any]:
    return np.frombuffer(gltf_meshopt.decode(data, "ATTRIBUTES", name, 8, stride), kind).reshape(8, -1).astype(float)


@pytest.mark.parametrize("data", [V0, V1])
def test_attributes_of_both_versions(data: bytes) -> None:
    i = np.arange(40)
    expected = np.zeros(40, np.dtype([("short", "<u2", 4), ("word", "<u4")]))
    expected["short"] = np.stack([i * i * 37, i * 300, i * 7919, 0 * i], axis=1) & 0xFFFF
    expected["word"] = (i >> 2) * 0x9E3779B1 & 0xFFFFFFFF
    assert gltf_meshopt.decode(data, "ATTRIBUTES", "NONE", 40, 12) == expected.tobytes()


def test_floats_that_are_coded_as_rotated_words() -> None:
    assert gltf_meshopt.decode(F1, "ATTRIBUTES", "NONE", 40, 4) == (1 + np.arange(40) / 64).astype("<f4").tobytes()


def test_triangles_and_index_sequences() -> None:
    """A grid of 6 × 4 cells, then two triangles far from it."""
    corners = [y * 7 + x for y in range(4) for x in range(6)]
    expected = [i for a in corners for i in (a, a + 1, a + 7, a + 7, a + 1, a + 8)] + [0, 34, 70000, 0, 70000, 5]
    assert np.frombuffer(gltf_meshopt.decode(S, "INDICES", "NONE", 150, 4), "<u4").tolist() == expected
    coded = np.frombuffer(gltf_meshopt.decode(T, "TRIANGLES", "NONE", 150, 4), "<u4").reshape(-1, 3)
    # The codec may turn a triangle; its winding stays.
    turned = [min(np.roll(t, k).tolist() for k in range(3)) for t in coded]
    assert turned == [min(np.roll(t, k).tolist() for k in range(3)) for t in np.reshape(expected, (-1, 3))]


@pytest.mark.parametrize(("data", "kind", "stride", "tolerance"), [(OCT8, "<i1", 4, 0.02), (OCT16, "<i2", 8, 2e-3)])
def test_octahedral_normals(data: bytes, kind: str, stride: int, tolerance: float) -> None:
    i = np.arange(8)
    a, b = i * 0.8, i * 0.35 - 1.2
    expected = np.stack([np.cos(a) * np.cos(b), np.sin(b), np.sin(a) * np.cos(b), i % 2 * 2 - 1], axis=1)
    values = _decoded(data, "OCTAHEDRAL", stride, kind)
    np.testing.assert_allclose(values[:, :3] / np.iinfo(kind).max, expected[:, :3], atol=tolerance)
    assert (np.sign(values[:, 3]) == expected[:, 3]).all()


def test_quaternions() -> None:
    i = np.arange(8)
    expected = np.stack([np.cos(i), np.sin(2 * i), np.cos(3 * i + 1), np.sin(i + 2)], axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    values = _decoded(QUAT, "QUATERNION", 8, "<i2") / 32767
    np.testing.assert_allclose(np.abs((values * expected).sum(axis=1)), 1, atol=2e-4)


def test_exponents_and_colours() -> None:
    i = np.arange(8)
    np.testing.assert_allclose(_decoded(EXP, "EXPONENTIAL", 12, "<f4").reshape(-1), (np.arange(24) - 11) * 0.37,
                               atol=3e-4)
    expected = np.stack([i / 7, 1 - i / 7, i % 3 / 2, 0.25 + i / 16], axis=1)
    np.testing.assert_allclose(_decoded(COL8, "COLOR", 4, "u1") / 255, expected, atol=0.02)
    np.testing.assert_allclose(_decoded(COL16, "COLOR", 8, "<u2") / 65535, expected, atol=2e-3)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_a_value_error_or_an_array_of_the_right_size(draw: st.DataObject) -> None:
    data, mode, name, count, stride = draw.draw(st.sampled_from(STREAMS))
    broken = bytearray(data[:draw.draw(st.integers(0, len(data)) | st.just(len(data)))])
    for place, value in draw.draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=6)):
        if place < len(broken):
            broken[place] = value
    try:
        out = gltf_meshopt.decode(bytes(broken), mode, name, count, stride)
    except ValueError:
        return
    assert len(out) == count * stride


@pytest.mark.parametrize(("data", "mode", "name", "count", "stride"), STREAMS)
def test_a_count_that_the_stream_cannot_hold_costs_nothing(data: bytes, mode: str, name: str, count: int, stride: int
                                                           ) -> None:
    started = perf_counter()
    for huge in (3 * 10**8, count * 1000):
        with pytest.raises(ValueError, match="stream"):
            gltf_meshopt.decode(data, mode, name, huge, stride)
    assert perf_counter() - started < 1
