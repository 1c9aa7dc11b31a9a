"""BT.601 studio range against MATLAB's documented colours and its own inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pixsearch.pixels.color import rgb_to_y, rgb_to_ycbcr, ycbcr_to_rgb

# rgb2ycbcr of uint8 colours in MATLAB.
KNOWN = {
    (0, 0, 0): (16, 128, 128),
    (255, 255, 255): (235, 128, 128),
    (255, 0, 0): (81, 90, 240),
    (0, 255, 0): (145, 54, 34),
    (0, 0, 255): (41, 240, 110),
}
batches = hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 4)] * 3).map(lambda shape: (*shape, 3)))


@pytest.mark.parametrize(("rgb", "expected"), KNOWN.items())
def test_primaries_are_matlabs(rgb, expected):
    ycbcr = rgb_to_ycbcr(np.array([[rgb]], np.uint8))
    assert ycbcr.dtype == np.float32
    assert tuple(np.round(ycbcr[0, 0]).astype(int)) == expected


@given(batches)
def test_luma_is_the_weighted_sum_at_every_pixel(rgb):
    expected = 16 + rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255
    luma = rgb_to_y(rgb)
    assert luma.dtype == np.float32
    np.testing.assert_allclose(luma, expected, atol=5e-5)
    np.testing.assert_allclose(luma, rgb_to_ycbcr(rgb)[..., 0], atol=5e-5)


@given(batches)
def test_the_inverse_returns_every_colour(rgb):
    np.testing.assert_allclose(ycbcr_to_rgb(rgb_to_ycbcr(rgb)), rgb, atol=2e-3)


@given(batches)
def test_float_and_integer_samples_agree(rgb):
    np.testing.assert_array_equal(rgb_to_y(rgb), rgb_to_y(rgb.astype(np.float64)))


def test_a_view_with_strides_is_the_same_as_its_copy():
    whole = np.random.default_rng(0).integers(0, 256, (2, 9, 8, 3), dtype=np.uint8)
    view = whole[:, ::2, 1:6, ::-1]
    np.testing.assert_allclose(rgb_to_y(view), rgb_to_y(view.copy()), atol=5e-5)


def test_an_empty_batch_stays_empty():
    assert rgb_to_y(np.empty((0, 4, 5, 3), np.uint8)).shape == (0, 4, 5)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (4, 4, 4), (3,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="colours need"):
        rgb_to_y(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("channel", "expected"),
    [(0, (81.481, 90.203, 240.0)), (1, (144.553, 53.797, 34.214)), (2, (40.966, 240.0, 109.786))],
)
def test_primaries_are_not_rounded(channel, expected):
    primary = np.zeros((1, 1, 3), np.uint8)
    primary[..., channel] = 255
    np.testing.assert_allclose(rgb_to_ycbcr(primary)[0, 0], expected, atol=1e-4)
