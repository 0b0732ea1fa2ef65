"""Properties of the colour transforms that every later measurement leans on."""

from __future__ import annotations

import colour
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.colour import (
    from_display,
    inverse_view_transform,
    quantise,
    srgb_decode,
    srgb_encode,
    to_display,
    view_transform,
)

light = st.floats(0.0, 8.0, width=32)
colours = arrays(np.float32, (16, 3), elements=light)


def test_every_code_value_survives_decoding_and_encoding() -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantise(srgb_encode(srgb_decode(codes))), codes)


def test_srgb_agrees_with_the_standard() -> None:
    linear = np.linspace(0.0, 1.0, 1001, dtype=np.float32)
    assert np.allclose(srgb_encode(linear), colour.cctf_encoding(linear, function="sRGB"), atol=2e-6)
    assert np.allclose(srgb_decode(linear), colour.cctf_decoding(linear, function="sRGB"), atol=2e-6)


@settings(max_examples=60, deadline=None)
@given(colours)
def test_the_view_transform_round_trips(linear: np.ndarray) -> None:
    restored = inverse_view_transform(view_transform(linear))
    peak = linear.max(axis=-1, keepdims=True)
    # Near black the Fresnel offset squares small values away; half a percent of code value 1 is left.
    assert np.all(np.abs(restored - linear) <= 1e-3 * peak + 2e-5)


def test_the_view_transform_round_trips_on_a_grid() -> None:
    axis = np.concatenate([np.linspace(0.01, 1.2, 25), np.linspace(1.3, 8.0, 12)]).astype(np.float32)
    linear = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    restored = inverse_view_transform(view_transform(linear))
    assert np.max(np.abs(restored - linear) / linear.max(axis=-1, keepdims=True)) < 1e-3


@settings(max_examples=30, deadline=None)
@given(colours)
def test_the_view_transform_stays_in_range(linear: np.ndarray) -> None:
    shown = view_transform(linear)
    assert shown.min() >= 0.0
    assert shown.max() <= 1.0


def test_neutral_maps_one_to_code_240() -> None:
    code = quantise(srgb_encode(view_transform(np.ones((1, 3), np.float32))))
    assert code.tolist() == [[240, 240, 240]]


def test_brighter_light_is_never_shown_darker() -> None:
    grey = np.repeat(np.linspace(0.0, 8.0, 2000, dtype=np.float32)[:, None], 3, axis=1)
    assert np.all(np.diff(view_transform(grey)[:, 0]) >= 0.0)


def test_an_unshadowed_white_backdrop_is_exactly_255() -> None:
    product = np.zeros((4, 4, 4), np.float32)
    plate = np.ones((4, 4, 3), np.float32)
    assert np.all(to_display(product, plate, white_backdrop=True) == 255)
    assert np.all(to_display(product, plate * np.float32(0.996), white_backdrop=True) == 255)
    assert np.all(to_display(product, plate * np.float32(0.99), white_backdrop=True) < 255)


def test_a_white_backdrop_does_not_touch_the_opaque_product() -> None:
    product = np.full((2, 2, 4), 0.25, np.float32)
    product[..., 3] = 1.0
    shown = to_display(product, np.ones((2, 2, 3), np.float32), white_backdrop=True)
    assert np.array_equal(shown, quantise(srgb_encode(view_transform(product[..., :3]))))


def test_a_coloured_stage_is_composited_in_linear_light() -> None:
    product = np.zeros((1, 1, 4), np.float32)
    product[..., 3] = 0.5
    shown = to_display(product, np.full((1, 1, 3), 0.4, np.float32), white_backdrop=False)
    assert np.array_equal(shown, quantise(srgb_encode(view_transform(np.full((1, 1, 3), 0.2, np.float32)))))


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (16, 3), elements=st.floats(0.0, 1.0, width=32)))
def test_a_delivered_image_round_trips_through_scene_light(linear: np.ndarray) -> None:
    codes = quantise(srgb_encode(view_transform(linear)))
    again = quantise(srgb_encode(view_transform(from_display(codes))))
    # Where one channel is near zero beside bright ones, the transform's desaturation hangs on the last code of
    # the peak: the weakest channel then comes back a few codes off. Real materials are not that pure.
    pure = linear.min(axis=-1) < 0.25 * linear.max(axis=-1)
    off = np.abs(again.astype(int) - codes.astype(int)).max(axis=-1)
    assert np.all(off <= np.where(pure, 4, 1))
