"""EXT_meshopt_compression and KHR_meshopt_compression: compressed buffer views to plain bytes.

Written from appendices A and B of the Khronos extension text, which fix the bitstream. The attribute
codec and the filters run on whole arrays; triangles are a state machine, one step per triangle.
No package with wheels for every supported Python decodes these streams.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
_GROUP = 16                                   # elements that share one delta width
_WIDTHS_V0 = (0, 2, 4, 8)                     # bits by header value
_WIDTHS_V1 = ((0, 1, 2, 4), (1, 2, 4, 8))     # by control mode 0 and 1
_ZEROS, _LITERAL = 2, 3                       # control modes without groups
_WRAP = 0xFFFFFFFF


def decode(data: bytes, mode: str, filter_name: str, count: int, stride: int) -> bytes:
    """``count`` × ``stride`` bytes of one compressed buffer view. ValueError where the stream is not valid.

    The caller bounds ``count`` · ``stride`` by what the view declares.
    """
    if mode == "ATTRIBUTES":
        if not 4 <= stride <= 256 or stride % 4:
            raise ValueError("an attribute stride is not a multiple of 4 up to 256")
        return _filtered(decode_attributes(data, count, stride), filter_name).tobytes()
    if stride not in (2, 4) or filter_name != "NONE":
        raise ValueError("an index stream has a stride or filter that is not allowed")
    if mode == "TRIANGLES":
        indices = decode_triangles(data, count)
    elif mode == "INDICES":
        indices = decode_indices(data, count)
    else:
        raise ValueError(f"the compression mode {mode[:20]!r} is unknown")
    return indices.astype("<u2" if stride == 2 else "<u4").tobytes()


def decode_attributes(data: bytes, count: int, stride: int) -> U8:
    """(count, stride) bytes of a mode 0 stream, version 0 or 1."""
    if not data or data[0] not in (0xA0, 0xA1):
        raise ValueError("an attribute stream has an unknown header")
    version = data[0] & 1
    tail = stride + (stride // 4 if version else 0)
    end = len(data) - max(tail, 24 if version else 32)
    if end < 1:
        raise ValueError("an attribute stream is cut off")
    baseline = np.frombuffer(data, np.uint8, stride, len(data) - tail)
    channels = data[len(data) - stride // 4:] if version else bytes(stride // 4)
    largest = min(8192 // stride & ~(_GROUP - 1), 256)
    # The smallest block is one header byte per four groups: a count that the stream cannot hold costs nothing.
    if count > len(data) * largest:
        raise ValueError("an attribute stream is shorter than its count")
    columns = _Columns(data, end)
    for start in range(0, count, largest):
        columns.block(start, min(largest, count - start), stride, version)
    if columns.at != end:
        raise ValueError("an attribute stream has bytes left over")
    return _undelta(columns.deltas(count, stride), baseline, channels)


class _Columns:
    """Walks a stream once and notes where every group of 16 deltas lies; then expands all of one width together."""

    def __init__(self, data: bytes, end: int) -> None:
        self.data, self.end, self.at = data, end, 1
        self.sentinels = {bits: _sentinel_counts(data, bits) for bits in (1, 2, 4)}
        self.groups: dict[int, tuple[list[int], list[int], list[int]]] = {bits: ([], [], []) for bits in (1, 2, 4, 8)}
        self.literals: list[tuple[int, int, int, int]] = []

    def block(self, start: int, size: int, stride: int, version: int) -> None:
        control = self.take(stride // 4) if version else 0
        for column in range(stride):
            mode = self.data[control + column // 4] >> 2 * (column % 4) & 3 if version else 0
            if mode == _LITERAL:
                self.literals.append((column, start, size, self.take(size)))
            elif mode != _ZEROS:
                self.column(start, -(-size // _GROUP), column, _WIDTHS_V1[mode] if version else _WIDTHS_V0)

    def column(self, start: int, groups: int, column: int, widths: tuple[int, ...]) -> None:
        header = self.take((groups + 3) // 4)
        data, at = self.data, self.at
        for group in range(groups):
            bits = widths[data[header + group // 4] >> 2 * (group % 4) & 3]
            if not bits:
                continue
            places, columns, starts = self.groups[bits]
            places.append(at)
            columns.append(column)
            starts.append(start + group * _GROUP)
            at += 2 * bits
            if bits < 8:
                if at > self.end:
                    break
                at += self.sentinels[bits][at - 2 * bits]
        self.at = at
        self.take(0)

    def take(self, size: int) -> int:
        at = self.at
        self.at = at + size
        if self.at > self.end:
            raise ValueError("an attribute stream is cut off")
        return at

    def deltas(self, count: int, stride: int) -> U8:
        """(stride, count) delta bytes, still zigzagged."""
        padded = np.zeros((stride, -(-max(count, 1) // _GROUP) * _GROUP), np.uint8)
        source = np.frombuffer(self.data, np.uint8)
        for bits, (places, columns, starts) in self.groups.items():
            if places:
                values = _expand(source, np.array(places), bits)
                padded[np.array(columns)[:, None], np.array(starts)[:, None] + np.arange(_GROUP)] = values
        for column, start, size, at in self.literals:
            padded[column, start:start + size] = source[at:at + size]
        return padded[:, :count]


def _sentinel_counts(data: bytes, bits: int) -> list[int]:
    """For every offset: how many of the 16 values of ``bits`` bits that begin there are all ones."""
    values = np.arange(256)
    ones = (1 << bits) - 1
    per_byte = sum(((values >> shift & ones) == ones).astype(np.int64) for shift in range(0, 8, bits))
    sums = np.concatenate([[0], np.cumsum(per_byte[np.frombuffer(data, np.uint8)])])
    last = np.minimum(np.arange(len(data)) + 2 * bits, len(data))
    counts: list[int] = (sums[last] - sums[:-1]).tolist()
    return counts


def _expand(source: U8, places: NDArray[np.int64], bits: int) -> U8:
    """(G, 16) delta bytes of groups at ``places``."""
    packed: U8 = source[places[:, None] + np.arange(2 * bits)]
    if bits == 8:
        return packed
    shifts = np.arange(0, 8, bits) if bits == 1 else np.arange(8 - bits, -1, -bits)
    ones = (1 << bits) - 1
    values: U8 = (packed[:, :, None] >> shifts.astype(np.uint8) & np.uint8(ones)).reshape(len(places), _GROUP)
    sentinel = values == ones
    at = places[:, None] + 2 * bits + np.cumsum(sentinel, axis=1) - 1
    values[sentinel] = source[at[sentinel]]
    return values


def _undelta(deltas: U8, baseline: U8, channels: bytes) -> U8:
    """(N, stride) bytes from zigzagged or XORed differences to the element before."""
    out = np.empty((deltas.shape[1], deltas.shape[0]), np.uint8)
    for channel, described in enumerate(channels):
        columns = slice(4 * channel, 4 * channel + 4)
        kind, turn = described & 15, described >> 4
        if kind > 2 or (kind < 2 and turn):
            raise ValueError("an attribute stream has an unknown channel mode")
        rows = np.ascontiguousarray(deltas[columns].T)
        first = baseline[columns].copy()
        if kind == 2:
            word = rows.view("<u4")[:, 0]
            # Turned back to the right, as the reference decoder does.
            word = word >> np.uint32(turn) | word << np.uint32(32 - turn) if turn else word
            whole = np.bitwise_xor.accumulate(np.concatenate([first.view("<u4"), word]))[1:]
            out[:, columns] = whole.astype("<u4").view(np.uint8).reshape(-1, 4)
        else:
            kind_of: Any = "<u2" if kind else np.uint8
            zigzag = rows.view(kind_of)
            difference = zigzag >> 1 ^ (0 - (zigzag & 1)).astype(kind_of)
            whole = np.cumsum(np.concatenate([first.view(kind_of)[None], difference]), axis=0, dtype=kind_of)[1:]
            out[:, columns] = whole.view(np.uint8)
    return out


def decode_triangles(data: bytes, count: int) -> NDArray[np.uint32]:
    """(count,) indices of a mode 1 stream."""
    triangles = count // 3
    if count % 3 or not data or data[0] != 0xE1 or len(data) < 17 + triangles:
        raise ValueError("a triangle stream is cut off or has an unknown header")
    auxiliary = data[-16:]
    at, end = 1 + triangles, len(data) - 16
    edges: list[tuple[int, int]] = [(-1, -1)] * 16   # a ring; -1 was never written
    vertices = [-1] * 16
    edge = vertex = following = last = 0             # next place of each ring, next new index, last coded index
    out: list[int] = []

    def coded() -> int:
        nonlocal at, last
        value = shift = 0
        while True:
            if at >= end or shift > 28:
                raise ValueError("a triangle stream is cut off")
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        value &= _WRAP
        last = last + (value >> 1 ^ -(value & 1)) & _WRAP
        return last

    for code in data[1:1 + triangles]:
        if code < 0xF0:
            a, b = edges[edge - 1 - (code >> 4) & 15]
            low = code & 15
            if low == 0:
                c, following, new = following, following + 1 & _WRAP, True
            elif low < 13:
                c, new = vertices[vertex - 1 - low & 15], False
            else:
                c = last = last + (1, -1)[low == 13] & _WRAP if low < 15 else coded()
                new = True
            if a < 0 or c < 0:
                raise ValueError("a triangle stream refers to what was not yet there")
            edges[edge] = (c, b)
            edges[edge + 1 & 15] = (a, c)
            edge = edge + 2 & 15
            if new:
                vertices[vertex] = c
                vertex = vertex + 1 & 15
        else:
            explicit = code >= 0xFE
            if explicit:
                if at >= end:
                    raise ValueError("a triangle stream is cut off")
                pair = data[at]
                at += 1
                if pair == 0:
                    following = 0
            else:
                pair = auxiliary[code & 15]
            if code == 0xFF:
                a = coded()
            else:
                a, following = following, following + 1 & _WRAP
            corners = []
            for part in (pair >> 4, pair & 15):
                if part == 0:
                    corners.append(following)
                    following = following + 1 & _WRAP
                elif part == 15 and explicit:
                    corners.append(coded())
                else:
                    corners.append(vertices[vertex - part & 15])
            b, c = corners
            if b < 0 or c < 0 or (not explicit and (pair >> 4 == 15 or pair & 15 == 15)):
                raise ValueError("a triangle stream refers to what was not yet there")
            for pushed in ((b, a), (c, b), (a, c)):
                edges[edge] = pushed
                edge = edge + 1 & 15
            for index, part in ((a, 0), (b, pair >> 4), (c, pair & 15)):
                if part in (0, 15):
                    vertices[vertex] = index
                    vertex = vertex + 1 & 15
        out += (a, b, c)
    if at != end:
        raise ValueError("a triangle stream has bytes left over")
    return np.array(out, np.uint32)


def decode_indices(data: bytes, count: int) -> NDArray[np.uint32]:
    """(count,) indices of a mode 2 stream: LEB128 deltas to one of two running values."""
    if not data or data[0] != 0xD1 or len(data) < 5:
        raise ValueError("an index stream has an unknown header")
    body = np.frombuffer(data, np.uint8, len(data) - 5, 1)
    ends = np.flatnonzero(body < 128)
    if len(ends) != count or (len(body) and (not count or ends[-1] != len(body) - 1)):
        raise ValueError("an index stream does not hold its count")
    starts = np.concatenate([[0], ends[:-1] + 1]) if count else ends
    length = ends - starts + 1
    if count and int(length.max()) > 5:
        raise ValueError("an index stream has a number that is too long")
    values = np.zeros(count, np.int64)
    for k in range(5):
        more = length > k
        values[more] |= (body[starts[more] + k] & 127).astype(np.int64) << 7 * k
    values &= _WRAP
    zigzag = values >> 1
    delta = zigzag >> 1 ^ -(zigzag & 1)
    second = (values & 1).astype(bool)
    running = np.where(second, np.cumsum(np.where(second, delta, 0)), np.cumsum(np.where(second, 0, delta)))
    return (running & _WRAP).astype(np.uint32)


def _filtered(rows: U8, name: str) -> NDArray[Any]:
    if name == "NONE":
        return rows
    if name not in _FILTERS or (name != "EXPONENTIAL" and rows.shape[1] not in (4, 8)) or (
            name == "QUATERNION" and rows.shape[1] != 8):
        raise ValueError(f"the compression filter {name[:20]!r} is unknown, or not for this stride")
    return _FILTERS[name](rows)


def _octahedral(rows: U8) -> NDArray[Any]:
    kind: Any = "<i1" if rows.shape[1] == 4 else "<i2"
    given = np.ascontiguousarray(rows).view(kind)
    values = given.astype(np.float32)
    one = np.where(values[:, 2] == 0, np.float32(1), values[:, 2])
    x, y = values[:, 0] / one, values[:, 1] / one
    z = 1 - np.abs(x) - np.abs(y)
    fold = np.minimum(z, 0)
    x, y = x - np.copysign(fold, x), y - np.copysign(fold, y)
    unit = np.stack([x, y, z], axis=1)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), np.float32(1e-12))
    return np.concatenate([_rounded(unit * np.iinfo(kind).max, kind), given[:, 3:]], axis=1)


def _quaternion(rows: U8) -> NDArray[Any]:
    given = np.ascontiguousarray(rows).view("<i2")
    one = (given[:, 3:] | 3).astype(np.float32)
    parts = given[:, :3] / np.where(one == 0, np.float32(1), one) * np.float32(np.sqrt(0.5))
    largest = np.sqrt(np.maximum(0, 1 - (parts * parts).sum(axis=1)))
    where = (given[:, 3] & 3).astype(np.int64)
    out = np.empty((len(rows), 4), "<i2")
    for k, values in enumerate((largest, *parts.T)):
        out[np.arange(len(rows)), (where + k) % 4] = _rounded(values * 32767, "<i2")
    return out


def _exponential(rows: U8) -> NDArray[Any]:
    given = np.ascontiguousarray(rows).view("<i4")
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.ldexp((given << 8 >> 8).astype(np.float32), given >> 24), "<f4")


def _color(rows: U8) -> NDArray[Any]:
    unsigned: Any = np.uint8 if rows.shape[1] == 4 else "<u2"
    signed: Any = "<i1" if rows.shape[1] == 4 else "<i2"
    given = np.ascontiguousarray(rows)
    luma, alpha = (given.view(unsigned)[:, k].astype(np.int64) for k in (0, 3))
    orange, green = (given.view(signed)[:, k].astype(np.int64) for k in (1, 2))
    largest = (1 << np.frexp(np.maximum(alpha, 1).astype(np.float64))[1].astype(np.int64)) - 1
    alpha = alpha & largest >> 1
    alpha = alpha << 1 | alpha & 1
    whole = np.stack([luma + orange - green, luma + green, luma - orange - green, alpha], axis=1)
    return _rounded(whole * (np.iinfo(unsigned).max / largest)[:, None], unsigned)


def _rounded(values: NDArray[Any], kind: Any) -> NDArray[Any]:
    """Halves away from zero, held inside the type."""
    limits = np.iinfo(kind)
    away = np.trunc(values + np.copysign(0.5, values))
    return np.asarray(np.clip(np.nan_to_num(away), limits.min, limits.max), kind)


_FILTERS: dict[str, Callable[[U8], NDArray[Any]]] = {
    "OCTAHEDRAL": _octahedral, "QUATERNION": _quaternion, "EXPONENTIAL": _exponential, "COLOR": _color}
