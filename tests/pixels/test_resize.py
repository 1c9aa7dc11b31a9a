"""MATLAB's imresize against a direct, slow formulation, its known kernel weights, and its own windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pixsearch.pixels.resize import rescale, rescaled_size, resize, resize_window

SCALES = [1 / 2, 1 / 3, 1 / 4, 2, 3, 4, 1.5, 0.7, 0.31]


def noise(height, width, channels=3, seed=0, dtype=np.uint8):
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def keys(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def mirrored(line, i):
    """The sample at `i` of a line that continues symmetrically, edge sample repeated, on and on."""
    i %= 2 * len(line)
    return line[i] if i < len(line) else line[2 * len(line) - 1 - i]


def slow_line(line, scale, length):
    """One axis by the definition: every input position in reach of the (stretched) kernel, weights normalized."""
    stretch = max(1.0, 1 / scale)
    out = []
    for j in range(length):
        center = (j + 0.5) / scale - 0.5
        near = range(math.floor(center - 2 * stretch), math.ceil(center + 2 * stretch) + 1)
        weights = [keys((center - i) / stretch) for i in near]
        out.append(sum(w * mirrored(line, i) for w, i in zip(weights, near, strict=True)) / sum(weights))
    return np.array(out)


def slow(picture, scale_rows, height, scale_columns, width, rounded=False):
    level = (lambda a: np.clip(np.floor(a + 0.5 + 1e-9), 0, 255)) if rounded else (lambda a: a)
    passes = [(0, scale_rows, height), (1, scale_columns, width)]
    result = picture.astype(np.float64)
    for axis, scale, length in sorted(passes, key=lambda p: p[1]):
        result = level(np.moveaxis(slow_line(np.moveaxis(result, axis, 0), scale, length), 0, axis))
    return result


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_float_follows_the_definition(scale, channels):
    picture = noise(13, 18, channels, dtype=np.float32)
    result = rescale(picture, scale)
    assert result.dtype == np.float32
    expected = slow(picture, scale, math.ceil(13 * scale), scale, math.ceil(18 * scale))
    np.testing.assert_allclose(result, expected, atol=2e-3)


@pytest.mark.parametrize("scale", SCALES)
def test_uint8_is_rounded_after_each_axis(scale):
    picture = noise(13, 18)
    result = rescale(picture, scale)
    assert result.dtype == np.uint8
    difference = np.abs(result - slow(picture, scale, math.ceil(13 * scale), scale, math.ceil(18 * scale), rounded=True))
    assert difference.max() <= 1  # a tie in exact arithmetic may fall either way
    assert np.mean(difference > 0) < 0.01


@pytest.mark.parametrize("scale", [0.5, 2])
def test_uint8_is_exact_where_the_weights_are_binary_fractions(scale):
    picture = noise(14, 18)
    expected = slow(picture, scale, int(14 * scale), scale, int(18 * scale), rounded=True)
    np.testing.assert_array_equal(rescale(picture, scale), expected)


@pytest.mark.parametrize(("height", "width"), [(5, 30), (30, 5), (13, 7), (26, 36), (1, 1)])
def test_each_axis_has_its_own_scale_and_the_smaller_goes_first(height, width):
    picture = noise(13, 18)
    expected = slow(picture, height / 13, height, width / 18, width)
    np.testing.assert_allclose(resize(picture.astype(np.float32), height, width), expected, atol=2e-3)
    rounded = slow(picture, height / 13, height, width / 18, width, rounded=True)
    assert np.abs(resize(picture, height, width) - rounded).max() <= 1


def test_the_kernels_of_matlab():
    impulse = np.zeros((1, 16), np.float32)
    impulse[0, 8] = 256
    halved = rescale(impulse, 0.5)[0]
    np.testing.assert_array_equal(halved[2:7], [-3, 29, 111, -9, 0])
    doubled = rescale(impulse, 2.0)[0] / 2
    np.testing.assert_array_equal(doubled[12:22], [0, -3, -9, 29, 111, 111, 29, -9, -3, 0])


def test_sizes_are_ceilings():
    assert rescaled_size(7, 10, 1 / 3) == (3, 4)
    assert rescale(noise(7, 10), 1 / 3).shape == (3, 4, 3)


def test_an_exact_scale_is_not_the_quotient_of_the_sizes():
    picture = noise(7, 10, dtype=np.float32)
    assert not np.allclose(rescale(picture, 1 / 3), resize(picture, 3, 4), atol=0.1)


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([np.uint8, np.float32]), st.integers(0, 99))
def test_scale_one_is_the_identity(height, width, dtype, seed):
    picture = noise(height, width, 3, seed, dtype)
    np.testing.assert_array_equal(rescale(picture, 1.0), picture)
    np.testing.assert_array_equal(resize(picture, height, width), picture)


@given(st.integers(0, 255), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_a_flat_picture_stays_flat(level, height, width, new_height, new_width):
    flat = np.full((height, width, 3), level, np.uint8)
    assert np.all(resize(flat, new_height, new_width) == level)


@given(st.data())
def test_a_window_is_that_part_of_the_whole(data):
    scale = data.draw(st.sampled_from(SCALES))
    dtype = data.draw(st.sampled_from([np.uint8, np.float32]))
    picture = noise(data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60)), 3, 1, dtype)
    whole = rescale(picture, scale)
    top, left = (data.draw(st.integers(0, size - 1)) for size in whole.shape[:2])
    height = data.draw(st.integers(1, whole.shape[0] - top))
    width = data.draw(st.integers(1, whole.shape[1] - left))
    window = resize_window(picture, scale, top, left, height, width)
    np.testing.assert_array_equal(window, whole[top : top + height, left : left + width])


def test_a_window_touches_only_what_lies_under_it():
    picture = noise(60, 60, dtype=np.float32)
    far = picture.copy()
    far[23:] = far[:, 23:] = np.nan
    window = resize_window(far, 2.0, 0, 0, 40, 40)
    np.testing.assert_array_equal(window, rescale(picture, 2.0)[:40, :40])


def test_bands_join_without_a_seam():
    picture = noise(40, 12000, None, dtype=np.float32)
    np.testing.assert_array_equal(resize(picture, 20, 6000)[:, :100], resize_window(picture, 0.5, 0, 0, 20, 100))


def test_many_channels_and_views():
    planes = noise(9, 11, 40, dtype=np.float32)
    expected = np.stack([rescale(planes[..., c].copy(), 2.0) for c in range(40)], axis=-1)
    np.testing.assert_array_equal(rescale(planes, 2.0), expected)
    np.testing.assert_array_equal(rescale(planes[::2, 1:, :3], 0.5), rescale(planes[::2, 1:, :3].copy(), 0.5))


def test_uint8_overshoot_is_clipped_and_float_is_not():
    edge = np.zeros((8, 8), np.uint8)
    edge[:, 4:] = 255
    assert rescale(edge.astype(np.float32), 2.0).max() > 255
    bright = rescale(edge, 2.0)
    assert bright.min() == 0
    assert bright[:, 8:].min() > 128


@given(st.floats(0.05, 4), st.integers(1, 40), st.integers(1, 40))
def test_any_scale_gives_the_announced_size(scale, height, width):
    assume(math.ceil(height * scale) * math.ceil(width * scale) < 20_000)
    assert rescale(noise(height, width), scale).shape[:2] == rescaled_size(height, width, scale)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(ValueError, match="`scale`"):
        rescale(noise(4, 4), scale)


@pytest.mark.parametrize("window", [(-1, 0, 2, 2), (0, 7, 2, 2), (0, 0, 9, 2), (0, 0, 0, 2)])
def test_windows_outside_are_refused(window):
    with pytest.raises(ValueError, match="leaves the resized picture"):
        resize_window(noise(4, 4), 2.0, *window)


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.zeros((4, 4), np.uint16), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)])
def test_other_pictures_are_refused(picture):
    with pytest.raises(ValueError, match="`picture`"):
        resize(picture, 2, 2)


def test_an_empty_result_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        resize(noise(4, 4), 0, 2)
