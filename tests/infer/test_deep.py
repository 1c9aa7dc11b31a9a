"""16 bit, alpha and grey through a model that was made for 8-bit RGB."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.infer.deep import apply_decoded, decode_16, enlarge_alpha
from pixsearch.infer.tiles import apply_inputs
from pixsearch.pixels.files import Decoded
from pixsearch.pixels.resize import rescale
from pixsearch.tasks.base import make_task, task_for


def through(model, pixels, alpha=None, grey=False, memory_bytes=300_000):
    return apply_decoded(model, task_for(model.card.signature), Decoded(pixels, alpha, grey), memory_bytes=memory_bytes)


def largest(a, b):
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_8_bit_colours_go_the_tasks_way(models, photo):
    model = models("plain")
    result = through(model, photo)
    np.testing.assert_array_equal(
        result.pixels, apply_inputs(model, task_for(model.card.signature), {"input": photo}, memory_bytes=300_000)
    )
    assert result.alpha is None


@pytest.mark.parametrize("color", ["y", "rgb"])
def test_16_bit_is_8_bit_with_finer_levels(models, photo, color):
    model = models("plain", color=color)
    coarse, fine = through(model, photo).pixels, through(model, photo.astype(np.uint16) * 257).pixels
    assert fine.dtype == np.uint16
    assert largest(np.round(fine / 257), coarse) <= 1
    assert len(np.unique(fine)) > 2 * len(np.unique(coarse))


@pytest.mark.parametrize("color", ["y", "rgb"])
def test_16_bit_input_is_not_rounded_to_8(models, photo, color):
    model = models("plain", color=color)
    deep = photo.astype(np.uint16) * 257
    nudged = np.minimum(deep, 65535 - 100) + 100  # less than half of an 8-bit level
    assert np.median(through(model, nudged).pixels.astype(int) - through(model, deep).pixels.astype(int)) > 30


def test_16_bit_levels_span_the_whole_range():
    planes = np.repeat(np.array([-0.1, 0.0, 0.5, 1.0, 1.1], np.float32)[None, :, None], 3, axis=0)
    signature = make_task("sr", 2, "rgb").signature
    decoded = decode_16(planes, np.zeros((3, 1, 3), np.uint16), signature)
    assert decoded[:, 0, 0].tolist() == [0, 0, 32768, 65535, 65535]


def test_16_bit_white_and_black_do_not_wrap(models):
    for level in (0, 65535):
        result = through(models("plain"), np.full((20, 24, 3), level, np.uint16)).pixels
        assert np.abs(result.astype(int) - level).mean() < 10_000


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("scale", [2, 3])
def test_alpha_is_enlarged_by_bicubic_in_bands(photo, depth, scale):
    factor = np.iinfo(depth).max // 255
    alpha = np.tile(photo[..., 0], (4, 1)).astype(depth) * depth(factor)
    whole = np.clip(np.floor(rescale(alpha.astype(np.float32), float(scale)) + 0.5), 0, np.iinfo(depth).max)
    result = enlarge_alpha(alpha, scale)
    assert result.dtype == depth
    assert len(result) > 2 * 256
    assert largest(result, whole) <= 1


def test_alpha_comes_through(models, photo):
    result = through(models("plain", scale=3), photo, photo[..., 1])
    assert result.alpha.shape == (288, 360)
    assert result.pixels.shape == (288, 360, 3)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_grey_stays_grey(models, photo, depth):
    grey = np.repeat(photo[..., :1], 3, axis=2).astype(depth)
    flat, coloured = through(models("plain"), grey, grey=True), through(models("plain"), grey)
    assert flat.pixels.shape == (192, 240)
    assert largest(flat.pixels, coloured.pixels[..., 1]) <= 1


def test_windows_do_not_show_in_16_bit(models, photo):
    deep = photo.astype(np.uint16) * 257
    assert largest(through(models("s2d"), deep).pixels, through(models("s2d"), deep, memory_bytes=2**28).pixels) <= 8
