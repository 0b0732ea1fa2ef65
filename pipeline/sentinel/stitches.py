"""What a straightened seam shows: its rows and rhythm in the faithful picture, and each stitch of them in an image.

>>> thread = thread_of(strip, strip.sample(expected.display))
>>> reading = read_stitches(strip, thread, strip.sample(expected.display), strip.sample(image))
>>> reading.contrast               # (rows, stitches) 1 where the image shows a stitch as it should be
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, gaussian_filter1d
from scipy.signal import find_peaks, peak_prominences

from pipeline.sentinel.seams import STEP_ACROSS, STEP_ALONG, Strip

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LEATHER = 0.5              # share of a column that must show, or its leather is not known
_UNEQUAL = 0.35             # of the strongest row's height; a lower ridge is no row
_RHYTHM = 0.3               # share of the rows' power that their pitch must hold
_STRETCH = 24.0             # thicknesses; six stitches and more
_SHORTEST_STRETCH = 64      # columns
_STRETCH_SHOWN = 0.7        # share of a stretch that must show
_PADDED = 8                 # times its length, to read a line to a fraction of its width
_SHORTEST_PITCH = 2.5       # columns
_LONGEST_PITCH = 6.0        # thread thicknesses
_NO_RHYTHM = 3.0            # thicknesses a stretch is long where no pitch is seen
_LEAST_CONTRAST = 10.0      # code values; a refiner's relief moves as much
_OVER_GRAIN = 0.6           # of the leather's own standard deviation; fainter rows drown in it
_THINNEST = 1.0             # px of thread
_NARROWEST = 3.0            # px from row to row, and from stitch to stitch
_LEAST_ENERGY = 40.0        # code values, root of the sum of squares over a stitch's pixels: 8 codes over 5 × 5 px
_WHOLE = 0.8                # share of a stitch's samples that must show
_NEIGHBOURS = 4             # stitches to either side share one shift: a refiner may warp, but smoothly
_WARP_PX = 0.6              # a faithful image's warp
_MOVED = 0.15               # of the gap that a row may have moved and still be that row
_GAIN = (0.5, 2.0)          # of code values, from light
SEGMENT = 6                 # stitches over which rows are counted
_FADED_RIDGE = 0.35         # of a row's height; a fainter ridge is not read as a row
_BURNT, _CRUSHED = 253.0, 2.0


@dataclass(frozen=True, slots=True)
class Thread:
    """A seam's rows as the faithful picture shows them. Positions are samples of its strip."""

    colour: F32                # (3,) unit direction in code values from leather to thread
    rows: F64                  # (k,) sample across, ascending
    thickness: float           # samples across, full width at half height
    pitch: float               # columns from stitch to stitch; 0 where no rhythm is seen
    contrast: float            # code values by which the faintest row stands out, mean along it
    grain: float               # code values, standard deviation of the leather beside the rows

    @property
    def stands_out(self) -> bool:
        """Whether a buyer sees thread there; sewn in the leather's own colour it is relief, which light may change."""
        return self.contrast >= max(_LEAST_CONTRAST, _OVER_GRAIN * self.grain)

    @property
    def gap(self) -> float:
        """Samples between neighbouring rows, the narrowest; 0 for a single row."""
        return float(np.diff(self.rows).min()) if len(self.rows) > 1 else 0.0

    @property
    def half(self) -> int:
        """Samples to either side of a row that belong to it."""
        alone = 1.2 * self.thickness
        return max(2, int(min(alone, self.gap / 2) if self.gap else alone))


@dataclass(frozen=True, slots=True)
class Stitches:
    """A seam's stitches, or stretches as long where no rhythm is seen, in one image."""

    starts: NDArray[np.intp]   # (n + 1,) column at which each begins, and the end
    visible: Bools             # (rows, n) wholly in the picture
    legible: Bools             # (rows, n) visible, large enough, and with contrast in the faithful picture
    read: Bools                # (rows, n) legible, and not burnt out in the image
    contrast: F64              # (rows, n) matched contrast against the faithful picture's, light taken out
    light: F64                 # (n,) gain of code values from the faithful picture to the image


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a seam whose rows lie side by side in the faithful picture."""

    first: int                 # stitch
    last: int                  # one past its last stitch
    stitches: int              # of it that are read in every row
    wanted: F64                # (rows,) samples across at which the faithful picture's rows lie
    seen: F64                  # (≤ rows or more,) and the image's


def thread_of(strip: Strip, wanted: F32, rows: int, width: float) -> Thread | None:
    """Find ``rows`` rows in the faithful strip (m, n, 3); None where they cannot be told apart."""
    columns = strip.shown.mean(axis=0) >= _LEATHER
    if np.count_nonzero(columns) < 8:
        return None
    relief = _without_leather(wanted, strip.shown)
    samples = relief[:, columns][strip.shown[:, columns]]
    _, directions = np.linalg.eigh(samples.T @ samples)
    best: Thread | None = None
    for colour in (directions[:, -1], -directions[:, -1]):
        found = _rows_along(strip, relief @ colour.astype(np.float32), columns, rows, width)
        if found is not None and (best is None or found[2] > best.contrast):
            centres, thickness, contrast = found
            best = Thread(colour.astype(np.float32), centres, thickness, 0.0, contrast, 0.0)
    if best is None:
        return None
    # Summed over stretches, for a rhythm need not stay in step along a whole seam.
    signal = relief @ best.colour
    pitch = _pitch(_spectra(row_signals(strip, best, signal), best).sum(axis=0))
    leather = signal[strip.shown & columns & _beside(strip, best)[:, None]]
    return replace(best, pitch=pitch, grain=float(leather.std()) if leather.size else 0.0)


def thread_signal(strip: Strip, thread: Thread, picture: F32) -> F32:
    """(m, n) code values towards the thread's colour above the leather's; 0 where nothing shows."""
    return _without_leather((picture @ thread.colour)[..., None], strip.shown)[..., 0]


def row_signals(strip: Strip, thread: Thread, signal: F32) -> F64:
    """(rows, n) mean of a signal over each row's thread, zero where it does not show."""
    reach = max(1, round(thread.thickness / 2))
    result = np.zeros((len(thread.rows), signal.shape[1]))
    for i, centre in enumerate(np.rint(thread.rows).astype(int)):
        band = slice(max(0, centre - reach), centre + reach + 1)
        shown = strip.shown[band]
        mean = np.where(shown, signal[band], 0.0).sum(axis=0) / np.maximum(shown.sum(axis=0), 1)
        result[i] = np.where(shown.mean(axis=0) >= _WHOLE, mean, 0.0)
    return result


def profile(strip: Strip, signal: F32, columns: Bools | slice) -> F64:
    """(m,) mean of a signal along the seam, over what shows."""
    shown = strip.shown[:, columns]
    total = np.where(shown, signal[:, columns], 0.0).sum(axis=1)
    mean = total / np.maximum(shown.sum(axis=1), 1)
    return np.asarray(gaussian_filter1d(mean.astype(np.float64), 1.0, mode="nearest"))


def ridges(heights: F64, least: float) -> NDArray[np.intp]:
    """Positions of a profile's peaks that stand out by at least ``least``."""
    peaks, _ = find_peaks(heights, prominence=max(least, 1e-6))
    return np.asarray(peaks, np.intp)


def read_stitches(strip: Strip, thread: Thread, wanted: F32, seen: F32) -> Stitches:
    """Match every stitch of the faithful strip (m, n, 3) with the image's.

    Each row may have moved a little, smoothly along the seam.
    """
    length = thread.pitch or max(4.0, _NO_RHYTHM * thread.thickness)
    count = max(1, int(strip.shown.shape[1] / length))
    starts = np.rint(np.arange(count + 1) * length).astype(np.intp)
    starts[-1] = min(starts[-1], strip.shown.shape[1])
    first = np.where(strip.shown, wanted @ thread.colour, 0.0)
    second = _filled(seen @ thread.colour, strip.shown)
    gain = _light(strip, thread, wanted, seen, starts)
    large = _large(strip, thread, starts)
    reach = int(np.ceil((_WARP_PX / STEP_ACROSS) + _MOVED * thread.gap))
    lags = [(across, along) for across in range(-reach, reach + 1) for along in (-1, 0, 1)]
    rows = len(thread.rows)
    visible, legible = np.zeros((rows, count), bool), np.zeros((rows, count), bool)
    contrast = np.zeros((rows, count))
    for i, centre in enumerate(np.rint(thread.rows).astype(int)):
        low, high = max(0, centre - thread.half), min(first.shape[0], centre + thread.half + 1)
        shown = strip.shown[low:high, :starts[-1]]
        template = _centred(first[low:high, :starts[-1]], shown, starts)
        area = np.add.reduceat(shown.sum(axis=0), starts[:-1])
        energy = np.add.reduceat((template**2).sum(axis=0), starts[:-1])
        visible[i] = area >= _WHOLE * (high - low) * np.diff(starts)
        legible[i] = visible[i] & large & (np.sqrt(energy * STEP_ACROSS) >= _LEAST_ENERGY)
        cross = np.stack([np.add.reduceat((template * _moved(second, low, high, across, along, starts[-1])).sum(axis=0),
                                          starts[:-1]) for across, along in lags])
        cross = np.where(legible[i], cross, 0.0)
        together = convolve1d(cross, np.ones(2 * _NEIGHBOURS + 1), axis=1, mode="constant")
        best = together.argmax(axis=0)
        at = np.arange(count)
        contrast[i] = cross[best, at] / np.maximum(energy, 1e-6) / gain
    burnt = _burnt(strip, thread, seen, starts)
    return Stitches(starts, visible, legible, legible & ~burnt, contrast, gain)


def row_segments(strip: Strip, thread: Thread, stitches: Stitches, wanted: F32, seen: F32) -> list[Segment]:
    """Where the rows lie in both pictures, over about ``SEGMENT`` stitches at a time.

    A row is a ridge of the mean profile across the seam, at least a third as high as it should be.
    """
    first, second = (thread_signal(strip, thread, picture) for picture in (wanted, seen))
    whole: Bools = np.asarray(stitches.read.all(axis=0))
    column = np.searchsorted(stitches.starts, np.arange(len(strip.along)), side="right") - 1
    result = []
    for start in range(0, len(whole), SEGMENT):
        part = np.flatnonzero(whole[start:start + SEGMENT]) + start
        if len(part) == 0:
            continue
        columns = np.isin(column, part)
        heights = profile(strip, first, columns)
        least = _FADED_RIDGE * float(heights[np.rint(thread.rows).astype(int)].min())
        rows = _rows_at(heights, thread, least)
        if least > 0 and len(rows) == len(thread.rows):
            light = float(stitches.light[part].mean())
            result.append(Segment(int(part[0]), int(part[-1]) + 1, len(part), rows,
                                  _rows_at(profile(strip, second, columns), thread, least * light)))
    return result


def _rows_at(heights: F64, thread: Thread, least: float) -> F64:
    """Ridges between the outermost rows, or a little beyond them."""
    peaks = ridges(heights, least)
    peaks = peaks[(peaks >= thread.rows[0] - thread.half) & (peaks <= thread.rows[-1] + thread.half)]
    return np.array([peak + _parabola(heights, peak) for peak in peaks])


def pitch_ratio(strip: Strip, thread: Thread, stitches: Stitches, wanted: F32, seen: F32, present: Bools
                ) -> float | None:
    """Pitch in the image over pitch in the faithful picture, the median over stretches of half a dozen stitches.

    Only stitches (rows, n) that are ``present`` count. None where no stretch has a rhythm in both pictures.
    """
    there = np.zeros((len(present), len(strip.along)))
    there[:, :stitches.starts[-1]] = np.repeat(present, np.diff(stitches.starts), axis=1)
    first, second = (_spectra(there * row_signals(strip, thread, thread_signal(strip, thread, picture)), thread)
                     for picture in (wanted, seen))
    pairs = [(before, _pitch(after, around=before)) for faithful, after in zip(first, second, strict=True)
             if (before := _pitch(faithful))]
    ratios = [after / before for before, after in pairs if after]
    return float(np.median(ratios)) if len(ratios) >= max(1, len(pairs) / 2) else None


def _without_leather(picture: F32, shown: Bools) -> F32:
    """(m, n, c) difference from each column's median, which is leather: threads cover less than half of it."""
    count = shown.sum(axis=0)
    known = count >= _LEATHER * shown.shape[0]
    result = np.zeros_like(picture)
    part = np.where(shown[:, known, None], picture[:, known], np.nan)
    ranked = np.sort(part, axis=0)  # NaN last
    median = np.take_along_axis(ranked, (count[known] // 2)[None, :, None], axis=0)
    result[:, known] = np.nan_to_num(part - median)
    return result


def _rows_along(strip: Strip, signal: F32, columns: Bools, rows: int, width: float) -> tuple[F64, float, float] | None:
    heights = profile(strip, signal, columns)
    peaks = ridges(heights, 0.0)
    peaks = peaks[np.abs(strip.across[peaks]) <= 0.55 * width]
    if len(peaks) < rows:
        return None
    prominence = peak_prominences(heights, peaks)[0]
    chosen = np.sort(np.argsort(-prominence, kind="stable")[:rows])
    if prominence[chosen].min() < _UNEQUAL * prominence.max():
        return None
    centres = np.array([peak + _parabola(heights, peak) for peak in peaks[chosen]])
    return centres, _half_width(heights, peaks[chosen], prominence[chosen]), float(prominence[chosen].min())


def _half_width(heights: F64, peaks: NDArray[np.intp], prominence: F64) -> float:
    widths = []
    for peak, height in zip(peaks, prominence, strict=True):
        level = heights[peak] - height / 2
        below = heights < level
        left = peak - np.argmax(below[:peak + 1][::-1]) if below[:peak].any() else 0
        right = peak + np.argmax(below[peak:]) if below[peak:].any() else len(heights) - 1
        widths.append(right - left - 1)
    return float(np.median(widths))


def _spectra(signals: F64, thread: Thread) -> F64:
    """(k, f) power of the rows' signals over overlapping stretches, without what is slower than any stitch."""
    thick = max(1.0, thread.thickness * STEP_ACROSS / STEP_ALONG)
    length = min(signals.shape[1], max(_SHORTEST_STRETCH, int(_STRETCH * thick)))
    if length < 16:
        return np.zeros((0, 1))
    padded, window = _PADDED * length, np.hanning(length)
    powers = []
    for start in range(0, signals.shape[1] - length + 1, max(1, length // 2)):
        part = signals[:, start:start + length]
        known = part != 0
        count = known.sum(axis=1, keepdims=True)
        mean = part.sum(axis=1, keepdims=True) / np.maximum(count, 1)
        stretch = np.where(known & (count >= _STRETCH_SHOWN * length), part - mean, 0.0) * window
        powers.append((np.abs(np.fft.rfft(stretch, padded, axis=1)) ** 2).sum(axis=0))
    power = np.array(powers)
    # Slower changes are of the light, or of what hides the seam in places.
    power[:, np.arange(power.shape[1]) < padded / max(_LONGEST_PITCH * thick, 4 * _SHORTEST_PITCH)] = 0.0
    return power


def _pitch(power: F64, around: float = 0.0) -> float:
    """Columns from stitch to stitch: the strongest line of a spectrum (f,); 0 where none stands out.

    ``around`` is the pitch to look for, give or take a fifth, so that an overtone is not taken for it.
    """
    padded = 2 * (len(power) - 1)
    frequency = np.arange(len(power)) / max(padded, 1)
    sought = frequency <= 1.0 / _SHORTEST_PITCH
    if around:
        sought &= np.abs(frequency * around - 1.0) <= 0.2
    peak = int(np.where(sought, power, 0.0).argmax())
    line = power[max(0, peak - 2 * _PADDED):peak + 2 * _PADDED + 1].sum() / max(float(power.sum()), 1e-9)
    if line < _RHYTHM or power[peak - 1] == 0.0 or not sought[max(0, peak - 1):peak + 2].all():
        return 0.0
    return float(padded / (peak + _parabola(power, peak)))


def _large(strip: Strip, thread: Thread, starts: NDArray[np.intp]) -> Bools:
    """(n,) whether a stitch is large enough in the picture to be told from its neighbours."""
    middle = (starts[:-1] + starts[1:]) // 2
    along, across = sample_px(strip, middle)
    return np.asarray((across * thread.thickness >= _THINNEST)
                      & ((across * thread.gap >= _NARROWEST) | (thread.gap == 0.0))
                      & ((along * thread.pitch >= _NARROWEST) | (thread.pitch == 0.0)))


def sample_px(strip: Strip, columns: NDArray[np.intp]) -> tuple[F64, F64]:
    """Pixels that one step of samples along and one across cover at these columns."""
    return (strip.px_along[columns] * (strip.along[1] - strip.along[0]),
            strip.px_across[columns] * (strip.across[1] - strip.across[0]))


def _beside(strip: Strip, thread: Thread) -> Bools:
    """(m,) which samples across lie on leather."""
    away = np.abs(np.arange(len(strip.across))[:, None] - thread.rows).min(axis=1)
    return np.asarray(away > 0.5 + 0.8 * thread.thickness)


def _light(strip: Strip, thread: Thread, wanted: F32, seen: F32, starts: NDArray[np.intp]) -> F64:
    """(n,) gain of code values from one picture to the other, per stitch and its neighbours, from the leather."""
    beside = _beside(strip, thread)
    leather = strip.shown[:, :starts[-1]] & (beside[:, None] if beside.any() else True)

    def per_stitch(values: NDArray[np.generic]) -> F64:
        sums = np.add.reduceat(values.sum(axis=0, dtype=np.float64), starts[:-1])
        return convolve1d(sums, np.ones(5), mode="nearest")

    area = np.maximum(per_stitch(leather), 1.0)
    before, after = (per_stitch(np.where(leather, picture[:, :starts[-1]].mean(axis=-1), 0.0)) / area
                     for picture in (wanted, seen))
    return np.clip((after + 4.0) / (before + 4.0), *_GAIN)


def _filled(signal: F32, shown: Bools) -> F32:
    """What does not show takes the mean of its column, so that a shifted window is not torn."""
    mean = np.where(shown, signal, 0.0).sum(axis=0) / np.maximum(shown.sum(axis=0), 1)
    return np.where(shown, signal, mean).astype(np.float32)


def _centred(values: F32, shown: Bools, starts: NDArray[np.intp]) -> F32:
    """Each stitch's samples less their mean; 0 where nothing shows."""
    sums, area = (np.add.reduceat(a.sum(axis=0), starts[:-1]) for a in (np.where(shown, values, 0.0), shown))
    mean = np.repeat(sums / np.maximum(area, 1), np.diff(starts))
    return np.where(shown, values - mean, 0.0).astype(np.float32)


def _moved(signal: F32, low: int, high: int, across: int, along: int, end: int) -> F32:
    """The window of a signal displaced by so many samples, its border repeated."""
    rows = np.clip(np.arange(low, high) + across, 0, signal.shape[0] - 1)
    columns = np.clip(np.arange(end) + along, 0, signal.shape[1] - 1)
    return signal[rows[:, None], columns]


def _burnt(strip: Strip, thread: Thread, seen: F32, starts: NDArray[np.intp]) -> Bools:
    """(n,) where the image shows no colour at all, not even where a thread of another row should be.

    One wiped row on bright leather is not burnt: its neighbour still shows.
    """
    centres = np.rint(thread.rows).astype(int)
    core = seen[centres, :starts[-1]]
    gone = ((core.min(axis=-1) >= _BURNT) | (core.max(axis=-1) <= _CRUSHED)).all(axis=0)
    return np.asarray(np.add.reduceat(gone.astype(np.float64), starts[:-1]) >= 0.5 * np.diff(starts))


def _parabola(values: F64, peak: int) -> float:
    """Offset of the vertex through a peak and its neighbours, ±0.5."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    before, at, after = values[peak - 1:peak + 2]
    bend = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
