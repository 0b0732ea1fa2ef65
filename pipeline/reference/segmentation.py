"""What stands in a photo: silhouettes of its products, told from the ground and from their shadows.

The ground is fitted to the photo's border by a quadratic in each channel of Lab, so a studio's falloff is
no product; where the border shows a horizon, floor and wall are fitted apart. Where a pixel is darker than
its ground, and its chroma is as much smaller, it lies in a shadow; but not where less than half of the
ground's lightness is left, or dark heels would count as shadow. The rest is GrabCut (Rother, Kolmogorov and
Blake 2004) between what surely is and surely is not product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.errors import PhotoError
from pipeline.reference.contour import closed_contour
from pipeline.reference.edges import Edges

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

WORK_SIDE = 512            # px of the longer side, where the cut is made
BORDER = 0.04              # of the sides: what the ground is fitted to at first
SHADOW_RATIO = 0.5         # of the ground's lightness: darker is product
SMALLEST_SHARE = 0.01      # of the photo: smaller figures are dirt
SAME_SHARE = 0.35          # of the largest figure's area: what counts as another product
MOST_FIGURES = 4
ALIKE = 0.6                    # ratio of areas and elongations: less is another kind of product
CLEAR = 6.0                # Lab units beyond the ground's own noise: a product that stands out
MOST_OUTSIDE = 0.12        # of the outline's length: edges outside all figures
SUPPORTED = 0.9            # of the outline runs along edges: then some of a shadow may lie outside
SUPPORTED_TOGETHER = 0.75  # of what colours and edges find together
MOST_OUTSIDE_SUPPORTED = 0.35
CLEARER = 0.2              # by how much edges have to say it better than colours
MOST_FLAT, LESS_DOUBT = 0.4, 0.05  # of what a closed line finds, and by how much it has to be better
BRIDGED = (3, 6, 10)       # px of the small photo: half of the gaps in an outline of edges
_FOREGROUND, _BACKGROUND = 9.0, 3.0  # Lab units beyond noise: surely product, surely ground
_CUT_ROUNDS = 4
_NEAR_HORIZON = 5              # px of the small photo
_TILT = 0.12                   # of the width: how far a horizon may climb
_STEP_SHARE, _STEP_LAB = 0.6, 3.0  # of the misfit without a step; Lab units of the step itself


@dataclass(frozen=True)
class Figure:
    """One product in the photo."""

    mask: Mask                             # (H, W) of the photo's pixels

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in px; x1 and y1 are beyond the last pixel."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    @property
    def area(self) -> int:
        return int(self.mask.sum())


@dataclass(frozen=True)
class Segmentation:
    """All products of a photo, from left to right."""

    figures: tuple[Figure, ...]
    contrast: float                        # Lab units between product and ground along the outline, median

    @property
    def mask(self) -> Mask:
        return np.asarray(np.logical_or.reduce([figure.mask for figure in self.figures]))

    def without_holes(self) -> Segmentation:
        """Of products that have none: an insole may have the ground's colour."""
        return replace(self, figures=tuple(Figure(np.asarray(ndimage.binary_fill_holes(figure.mask)))
                                           for figure in self.figures))


def segment(pixels: U8) -> Segmentation:
    """Find the products of (H, W, 3) sRGB pixels.

    Raises PhotoError ``no_product``, ``product_cut``, ``products_differ``, ``too_many_products`` or
    ``product_unclear`` (white on white), each with the line that would help.
    """
    height, width = pixels.shape[:2]
    shrink = min(1.0, WORK_SIDE / max(height, width))
    small = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else pixels
    small = np.asarray(small, np.uint8)
    horizon = horizon_of(small)
    distance = ground_distance(small, horizon)
    edges = Edges.of(small, horizon)
    figures = _clearest(_figures(_grab_cut(small, distance)), edges)
    lined = _lined(figures, edges)
    figures = lined or figures
    if not figures:
        raise PhotoError("no_product", "No product was found in the photo.", _MASK_HINT)
    together = np.logical_or.reduce(figures)
    missing, support = edges.outside(together), edges.support(together)
    contrast = _contrast(distance, together)
    if missing > (MOST_OUTSIDE_SUPPORTED if support > SUPPORTED else MOST_OUTSIDE):
        raise PhotoError("product_unclear", "Parts of a product seem to lie outside what was found: as many edges as "
                         f"{missing:.0%} of its outline.", _MASK_HINT)
    if contrast < CLEAR and support < SUPPORTED and not lined:
        raise PhotoError("product_unclear", f"The product hardly differs from its ground (by {contrast:.1f} of "
                         f"{CLEAR:.0f} Lab units).", _MASK_HINT)
    return _checked([_enlarged(figure, (height, width)) for figure in figures], contrast)


def from_mask(mask: U8, size: tuple[int, int]) -> Segmentation:
    """Products of a mask drawn by hand, white on black, for a photo of ``size`` (H, W). Raises as :func:`segment`."""
    grey = mask if mask.ndim == 2 else mask[..., :3].max(axis=2)
    fitted = np.asarray(cv2.resize(grey, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)) > 127
    figures = _figures(fitted)
    if not figures:
        raise PhotoError("no_product", "The mask shows no product.", "Draw it white on black.")
    return _checked(figures, float("inf"))


_MASK_HINT = "Draw the product white on black into mask.png and name it with `mask: mask.png` beside the photo."


def ground_distance(pixels: U8, horizon: F32 | None = None) -> F32:
    """(H, W) how far each pixel is from its ground, in Lab units beyond the ground's own noise; shadows are near.

    Floor and wall, parted by ``horizon``, are fitted apart; near it a pixel may be either.
    """
    lab = np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), np.float32)
    height, width = lab.shape[:2]
    edge = max(2, round(BORDER * min(height, width)))
    border = np.ones((height, width), np.bool_)
    border[edge:-edge, edge:-edge] = False
    if horizon is None:
        return _away(lab, border)
    below = np.arange(height)[:, None] - horizon[None, :]
    wall, floor = _away(lab, border & (below < -_NEAR_HORIZON)), _away(lab, border & (below > _NEAR_HORIZON))
    either = np.minimum(wall, floor)
    return np.where(below < -_NEAR_HORIZON, wall, np.where(below > _NEAR_HORIZON, floor, either)).astype(np.float32)


def _away(lab: F32, border: Mask) -> F32:
    """(H, W) distance from a quadratic that is fitted to the ``border``."""
    height, width = lab.shape[:2]
    rows, columns = np.mgrid[-1:1:height * 1j, -1:1:width * 1j]
    terms = np.stack([np.ones_like(rows), rows, columns, rows * rows, columns * columns, rows * columns],
                     axis=-1).reshape(-1, 6).astype(np.float32)
    values = lab.reshape(-1, 3)
    chosen = border.reshape(-1)
    for _ in range(3):  # what does not fit, a product at the border, leaves the fit
        fit, *_rest = np.linalg.lstsq(terms[chosen], values[chosen], rcond=None)
        residual = np.abs(values - terms @ fit)
        noise = np.maximum(1.4826 * np.median(residual[chosen], axis=0), 0.5)
        chosen = border.reshape(-1) & (residual < 3.0 * noise).all(axis=1)
        if chosen.sum() < 200:
            chosen = border.reshape(-1)
            break
    ground = (terms @ fit).reshape(lab.shape)
    ratio = np.clip(lab[..., 0] / np.maximum(ground[..., 0], 1.0), 0.0, 1.0)
    shaded = ground * np.where(ratio > SHADOW_RATIO, ratio, 1.0)[..., None]
    away = np.abs(lab - shaded)
    away[..., 0] = np.where(ratio > SHADOW_RATIO, np.maximum(lab[..., 0] - ground[..., 0], 0.0), away[..., 0])
    return np.asarray(np.sqrt((np.maximum(away - 2.0 * noise, 0.0) ** 2).sum(axis=-1)), np.float32)


def horizon_of(pixels: U8) -> F32 | None:
    """(W,) row at which floor and wall meet, where the photo's left and right borders both show such a step."""
    lab = np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), np.float32)
    width = lab.shape[1]
    strip = max(3, round(2 * BORDER * width))
    found = [_step_of(np.median(side, axis=1)) for side in (lab[:, :strip], lab[:, -strip:])]
    left, right = found
    if left is None or right is None or abs(left - right) > _TILT * width:
        return None
    return np.linspace(left, right, width).astype(np.float32)


def _step_of(profile: F32) -> float | None:
    """Row of the one step in a profile (H, 3) that is smooth above it and below it; None where there is none."""
    height = len(profile)
    rows = np.linspace(-1.0, 1.0, height)
    smooth = np.stack([np.ones(height), rows, rows * rows], axis=1)

    def misfit(part: slice, terms: int) -> tuple[float, NDArray[np.floating]]:
        fit, *_rest = np.linalg.lstsq(smooth[part, :terms], profile[part], rcond=None)
        return float(np.abs(profile[part] - smooth[part, :terms] @ fit).sum()), fit

    whole, _ = misfit(slice(None), 3)
    best: tuple[float, int, float] = (whole, 0, 0.0)
    for row in range(height // 8, height - height // 8, max(1, height // 128)):
        (above, first), (below, second) = misfit(slice(None, row), 2), misfit(slice(row, None), 2)
        if above + below < best[0]:
            jump = float(np.linalg.norm(smooth[row, :2] @ (first - second)))
            best = above + below, row, jump
    return float(best[1]) if best[0] < _STEP_SHARE * whole and best[2] > _STEP_LAB else None


def _grab_cut(pixels: U8, distance: F32) -> Mask:
    smooth = np.asarray(cv2.GaussianBlur(distance, (0, 0), 1.5))
    surely = smooth > _FOREGROUND
    trimap = np.full(distance.shape, cv2.GC_PR_BGD, np.uint8)
    trimap[smooth > (_FOREGROUND + _BACKGROUND) / 2] = cv2.GC_PR_FGD
    trimap[smooth < _BACKGROUND] = cv2.GC_BGD
    near = np.asarray(cv2.dilate(surely.astype(np.uint8), np.ones((15, 15), np.uint8))) > 0
    trimap[(smooth < _BACKGROUND) & near] = cv2.GC_PR_BGD  # grey parts of a product on a grey ground
    trimap[surely] = cv2.GC_PR_FGD
    trimap[np.asarray(cv2.erode(surely.astype(np.uint8), np.ones((5, 5), np.uint8))) > 0] = cv2.GC_FGD
    if not (trimap == cv2.GC_FGD).any():
        return np.zeros(distance.shape, np.bool_)
    bgr = np.ascontiguousarray(pixels[..., ::-1])
    cv2.setRNGSeed(0)  # its mixtures start from k-means
    cv2.grabCut(bgr, trimap, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), _CUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD))


def _figures(mask: Mask) -> list[Mask]:
    """Connected parts that are large enough, from left to right, with pinholes closed."""
    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    if not len(areas) or areas.max() < SMALLEST_SHARE * mask.size:
        return []
    kept = [label for label in range(1, count) if areas[label - 1] >= max(SAME_SHARE * areas.max(),
                                                                           SMALLEST_SHARE * mask.size / 4)]
    kept.sort(key=lambda label: int(stats[label, cv2.CC_STAT_LEFT]))
    return [_without_pinholes(labels == label) for label in kept]


def _clearest(figures: list[Mask], edges: Edges) -> list[Mask]:
    """The figures; or what edges enclose, where they say much more clearly what is there.

    A grey shoe on grey stone has its outline and its seams; a colour alone would find its white sole.
    """
    if not figures:
        return figures
    cut = np.logical_or.reduce(figures)
    holes = np.asarray(ndimage.binary_fill_holes(cut)) & ~cut
    least = edges.support(cut) - edges.outside(cut) + CLEARER
    best = figures
    for reach in BRIDGED:
        enclosed = edges.enclosed(reach)
        # Edges enclose a handle's hole too; what colours leave open stays so.
        for mask, needed in ((enclosed, SUPPORTED), ((enclosed & ~holes) | cut, SUPPORTED_TOGETHER)):
            other = _figures(mask)
            together = np.logical_or.reduce(other) if other else mask
            support, outside = edges.support(together), edges.outside(together)
            if other and support > needed and outside < MOST_OUTSIDE and support - outside > least:
                best, least = other, support - outside
    return best


def _lined(figures: list[Mask], edges: Edges) -> list[Mask]:
    """What one closed line along edges encloses, where it says clearly better what is there; nothing where not.

    A grey bottle on grey stone: colours find its cap, and its outline has gaps.
    """
    cut = np.logical_or.reduce(figures) if figures else np.zeros_like(edges.strong)
    doubt = edges.doubt(cut) if figures and _least_alike(figures) >= ALIKE else 1.0
    if len(figures) > 1 and edges.outside(cut) <= MOST_OUTSIDE and _least_alike(figures) >= ALIKE:
        return []
    line = closed_contour(edges)
    if line is None:
        return []
    # A handle's hole is known by its colour, but not where colours found several things.
    holes = np.asarray(ndimage.binary_fill_holes(cut)) & ~cut if len(figures) == 1 else np.zeros_like(cut)
    found = _figures(line & ~holes)
    if len(found) != 1:
        return []
    [mask] = found
    clear = edges.outside(mask) < MOST_OUTSIDE and edges.flatness(mask) < MOST_FLAT
    return found if clear and edges.doubt(mask) < doubt - LESS_DOUBT else []


def _without_pinholes(mask: Mask) -> Mask:
    """Holes of less than 0.4 % of the figure are noise; larger ones are handles."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    filled = mask.copy()
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] < 0.004 * mask.sum():
            filled |= labels == label
    return filled


def _contrast(distance: F32, mask: Mask) -> float:
    """Median distance from the ground just inside the outline."""
    inner = np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))) > 0
    deeper = np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((9, 9), np.uint8))) > 0
    rim = inner & ~deeper
    return float(np.median(distance[rim])) if rim.any() else 0.0


def _enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    soft = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(soft) > 0.5


def _checked(figures: list[Mask], contrast: float) -> Segmentation:
    height, width = figures[0].shape
    for mask in figures:
        touching = int(mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum())
        if touching > 0.02 * (height + width):
            raise PhotoError("product_cut", "A product is cut by the photo's frame.",
                             "Give a photo that shows it whole.")
    if len(figures) > MOST_FIGURES:
        raise PhotoError("too_many_products", f"{len(figures)} products were found; {MOST_FIGURES} are placed at most.",
                         _MASK_HINT)
    if (alike := _least_alike(figures)) < ALIKE:
        raise PhotoError("products_differ", f"The products in the photo are not alike (at best {alike:.0%} of their "
                         "outlines agree).", "Leave one of them in the mask: `mask: mask.png` beside the photo.")
    return Segmentation(tuple(Figure(mask) for mask in figures), contrast)


def _least_alike(figures: Sequence[Mask]) -> float:
    """0..1: how alike the first and the other one are that is least like it."""
    return min((_alikeness(figures[0], other) for other in figures[1:]), default=1.0)


def _alikeness(one: Mask, other: Mask) -> float:
    """0..1: the ratio of areas, or of elongations where that is smaller; a pair may be turned and mirrored."""
    first, second = (_shape(mask) for mask in (one, other))
    return float(min(min(a, b) / max(a, b) for a, b in zip(first, second, strict=True)))


def _shape(mask: Mask) -> tuple[float, float]:
    """Area in px² and elongation of a figure."""
    rows, columns = np.nonzero(mask)
    spread = np.linalg.eigvalsh(np.cov(np.stack([columns, rows]).astype(np.float64)))
    return float(len(rows)), float(np.sqrt(spread[1] / max(spread[0], 1e-9)))
