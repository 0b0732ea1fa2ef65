"""What stands in a photo: found to the pixel, told from shadow and grain, refused where it is not clear."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import PhotoError
from pipeline.reference import from_mask, segment
from pipeline.reference.contour import closed_contour
from pipeline.reference.edges import Edges

SIDE = 480
Mask = NDArray[np.bool_]
GROUNDS = ("grey", "falloff", "wood", "stone")


def ground(kind: str) -> NDArray[np.float64]:
    """(SIDE, SIDE, 3) sRGB code values."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    random = np.random.default_rng(3)
    if kind == "white":
        return np.full((SIDE, SIDE, 3), 246.0)
    if kind == "wood":
        grain = np.sin(rows * 90 + np.sin(columns * 9)) + 0.5 * np.sin(rows * 330 + columns * 5)
        return np.asarray(np.array([186.0, 148.0, 110.0]) * (1 + 0.04 * grain[..., None]))
    if kind == "stone":
        cloud = cv2.GaussianBlur(random.standard_normal((SIDE, SIDE)), (0, 0), 5.0) * 9
        return np.asarray(np.array([168.0, 166.0, 160.0]) * (1 + 0.05 * cloud[..., None]))
    falloff = 0.25 * ((rows - 0.4) ** 2 + (columns - 0.6) ** 2) if kind == "falloff" else np.zeros_like(rows)
    return np.asarray(np.array([150.0, 152.0, 155.0]) * (1 - falloff[..., None]))


def ellipse(centre: tuple[int, int], axes: tuple[int, int], angle: float = 0.0) -> Mask:
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(canvas, centre, axes, angle, 0, 360, 1, -1)
    return canvas > 0


def photo(kind: str, products: list[Mask], colour: tuple[int, int, int] = (96, 52, 30), *, shadow: float = 0.4
          ) -> NDArray[np.uint8]:
    """Products on a ground, with a soft shadow to the lower right, noise and JPEG."""
    random = np.random.default_rng(5)
    mask = np.logical_or.reduce([np.zeros((SIDE, SIDE), np.bool_), *products])
    dark = cv2.GaussianBlur(np.roll(mask, (10, 8), (0, 1)).astype(np.float64), (0, 0), 8.0)
    pixels = ground(kind) * (1 - shadow * dark[..., None])
    shade = 1.0 + 0.15 * np.cos(np.mgrid[:SIDE, :SIDE][0] / 40.0)
    pixels = np.where(mask[..., None], np.array(colour) * shade[..., None], pixels)
    noisy = np.clip(pixels + random.normal(0, 2.0, pixels.shape), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, "JPEG", quality=90)
    with Image.open(stream) as decoded:
        return np.asarray(decoded).copy()


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("kind", GROUNDS)
def test_a_product_is_told_from_its_ground_and_its_shadow(kind: str) -> None:
    product = ellipse((230, 250), (130, 60), 25)
    found = segment(photo(kind, [product]))
    assert len(found.figures) == 1
    assert iou(found.mask, product) > 0.97


@pytest.mark.parametrize("kind", GROUNDS)
def test_a_pair_is_two_figures_from_left_to_right(kind: str) -> None:
    left, right = ellipse((140, 240), (45, 120), -8), ellipse((330, 250), (45, 120), 8)
    found = segment(photo(kind, [right, left]))
    assert [iou(figure.mask, mask) > 0.96 for figure, mask in zip(found.figures, (left, right), strict=True)] == [
        True, True]


def test_a_handle_s_hole_stays_open() -> None:
    ring = ellipse((240, 240), (120, 100)) & ~ellipse((240, 240), (60, 45))
    assert iou(segment(photo("grey", [ring])).mask, ring) > 0.95


@pytest.mark.parametrize(("products", "kind", "colour", "code"), [
    ([], "grey", (0, 0, 0), "no_product"),
    ([ellipse((240, 240), (9, 9))], "grey", (40, 20, 20), "no_product"),
    ([ellipse((20, 240), (120, 60))], "grey", (96, 52, 30), "product_cut"),
    ([ellipse((120, 240), (95, 95)), ellipse((350, 240), (30, 160))], "grey", (96, 52, 30), "products_differ"),
    ([ellipse((60 + 90 * n, 240), (30, 80)) for n in range(5)], "grey", (96, 52, 30), "too_many_products"),
])
def test_what_cannot_be_replaced_is_refused(products: list[Mask], kind: str, colour: tuple[int, int, int], code: str
                                            ) -> None:
    with pytest.raises(PhotoError) as caught:
        segment(photo(kind, products, colour))
    assert caught.value.code == code
    assert caught.value.hint


def test_white_on_white_with_a_coloured_part_is_not_taken_for_that_part() -> None:
    """A white shoe whose green lining alone stands out: its sole and laces are edges that nothing holds."""
    product = ellipse((240, 240), (150, 70))
    pixels = photo("white", [product], (250, 250, 250), shadow=0.15)
    pixels[ellipse((190, 240), (60, 30))] = (20, 90, 50)
    for offset in range(-40, 41, 16):
        cv2.line(pixels, (270, 240 + offset), (370, 240 + offset // 2), (205, 205, 205), 2)
    found = segment(pixels)                # a line around lining and laces, which is most of it
    assert iou(found.mask, product) > 0.65
    assert (found.mask & ~product).sum() < 0.02 * product.sum()


def test_white_on_white_is_found_where_its_outline_shows() -> None:
    product = ellipse((240, 240), (150, 70))
    pixels = photo("white", [product], (250, 250, 250), shadow=0.15)
    for place in ((190, 240), (330, 215), (300, 270)):
        pixels[ellipse(place, (12, 12))] = (20, 90, 50)
    assert iou(segment(pixels).mask, product) > 0.9


def test_white_on_white_that_nothing_shows_is_refused() -> None:
    with pytest.raises(PhotoError) as caught:
        segment(photo("white", [ellipse((240, 240), (150, 70))], (246, 246, 246), shadow=0.0))
    assert caught.value.code == "no_product"


def faint(gap: float, seed: int = 4) -> tuple[NDArray[np.uint8], Mask]:
    """A grey bottle on grey, its rim a little brighter but for a share ``gap`` of it; its cap and label stand out."""
    product = ellipse((240, 270), (70, 140))
    pixels = photo("stone", [product], (168, 166, 160), shadow=0.1).astype(np.float64)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    around = (np.arctan2(rows - 270.0, columns - 240.0) / (2.0 * np.pi) * 7.0) % 1.0    # seven gaps
    inner = cv2.erode(product.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    pixels[product & ~inner & (around > gap)] += 60.0
    pixels[ellipse((240, 130), (40, 30))] = (30, 110, 120)
    pixels[ellipse((240, 290), (35, 40))] = (120, 40, 30)
    noisy = pixels + np.random.default_rng(seed).normal(0.0, 2.0, pixels.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), product | ellipse((240, 130), (40, 30))


@pytest.mark.parametrize("gap", [0.0, 0.25, 0.45])
def test_an_outline_with_gaps_is_closed(gap: float) -> None:
    """Colours find the cap and the label; edges alone leave gaps."""
    pixels, product = faint(gap)
    found = segment(pixels)
    assert len(found.figures) == 1
    assert iou(found.mask, product) > 0.93


def test_a_closed_line_leaves_no_edge_outside() -> None:
    for gap in (0.0, 0.3, 0.6):
        pixels, product = faint(gap)
        edges = Edges.of(pixels, None)
        mask = closed_contour(edges)
        assert mask is not None
        assert iou(mask, product) > 0.9
        assert edges.outside(mask) < 0.02


def test_no_line_is_drawn_around_nothing() -> None:
    assert closed_contour(Edges.of(photo("grey", []), None)) is None


def test_a_mask_drawn_by_hand_is_taken_as_it_is() -> None:
    product = ellipse((240, 240), (100, 60))
    drawn = product.astype(np.uint8) * 255
    found = from_mask(drawn[::2, ::2], (SIDE, SIDE))
    assert iou(found.mask, product) > 0.97


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(PhotoError, match="no product"):
        from_mask(np.zeros((100, 100), np.uint8), (SIDE, SIDE))
