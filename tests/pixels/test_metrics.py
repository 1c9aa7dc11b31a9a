"""PSNR, SSIM and Tenengrad against scikit-image, a direct formulation, and values known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import correlate1d, gaussian_filter, sobel
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pixsearch.errors import DataError
from pixsearch.pixels.metrics import psnr, ssim, tenengrad


def pair(height=37, width=150, channels=None, seed=0, dtype=np.uint8):
    rng = np.random.default_rng(seed)
    shape = (height, width, channels) if channels else (height, width)
    clean = np.cumsum(rng.integers(-9, 10, shape), axis=1) % 256
    return clean.astype(dtype), np.clip(clean + rng.integers(-20, 21, shape), 0, 255).astype(dtype)


def direct_ssim(a, b):
    """Wang et al. 2004 on whole windows, by scipy."""
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    taps /= taps.sum()

    def mean(x):
        return correlate1d(correlate1d(x, taps, 0), taps, 1)[5:-5, 5:-5]

    a, b = a.astype(np.float64), b.astype(np.float64)
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = 2.55**2, 7.65**2
    return np.mean((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))


@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("border", [0, 3])
def test_psnr_is_that_of_scikit_image(channels, border):
    a, b = pair(channels=channels)
    inside = slice(border, -border or None)
    expected = peak_signal_noise_ratio(a[inside, inside], b[inside, inside], data_range=255)
    assert psnr(a, b, border) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 255))
def test_psnr_of_a_constant_error_is_known(error):
    a = np.zeros((5, 6, 3), np.uint8)
    assert psnr(a, np.full_like(a, error)) == pytest.approx(20 * math.log10(255 / error), abs=1e-9)


def test_uint8_differences_do_not_wrap():
    dark, bright = np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)
    assert psnr(dark, bright) == psnr(bright, dark) == 0


def test_equal_pictures_have_no_finite_psnr():
    a, _ = pair()
    assert psnr(a, a.astype(np.float32)) == math.inf


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("height", [19, 37, 74, 75, 150])
def test_ssim_is_the_direct_formulation(height, border):
    a, b = pair(height)
    inside = slice(border, -border or None)
    assert ssim(a, b, border) == pytest.approx(direct_ssim(a[inside, inside], b[inside, inside]), abs=1e-10)


def test_ssim_is_that_of_scikit_image_where_windows_are_whole():
    a, b = pair()
    _, full = structural_similarity(a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True)
    assert ssim(a, b) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-7)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_ssim_of_colours_is_the_mean_over_channels(dtype):
    a, b = pair(channels=3, dtype=dtype)
    expected = np.mean([direct_ssim(a[..., c], b[..., c]) for c in range(3)])
    assert ssim(a, b) == pytest.approx(expected, abs=1e-10)


@given(st.integers(0, 1000))
def test_ssim_is_one_for_equals_symmetric_and_bounded(seed):
    a, b = pair(15, 15, seed=seed)
    assert ssim(a, a) == pytest.approx(1, abs=1e-9)
    assert ssim(a, b) == pytest.approx(ssim(b, a), abs=1e-12)
    assert -1 <= ssim(a, b) < 1


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_shapes_must_agree(metric):
    with pytest.raises(DataError, match=r"\(20, 20\) and `b` \(20, 21\)"):
        metric(np.zeros((20, 20)), np.zeros((20, 21)))


def test_what_the_border_leaves_must_suffice():
    a = np.zeros((20, 30))
    assert psnr(a, a, 9) == math.inf
    with pytest.raises(DataError, match="leaves 0×10 pixels"):
        psnr(a, a, 10)
    with pytest.raises(DataError, match="needs 11×11"):
        ssim(a, a, 5)
    with pytest.raises(DataError, match="`border` = -1"):
        psnr(a, a, -1)


class TestTenengrad:
    def test_is_that_of_scipys_sobel(self):
        plane, _ = pair()
        values = plane.astype(np.float64)
        energy = sobel(values, 0) ** 2 + sobel(values, 1) ** 2
        assert tenengrad(plane) == pytest.approx(energy[1:-1, 1:-1].mean())

    def test_is_known_of_a_ramp_and_of_nothing(self):
        assert tenengrad(np.tile(np.arange(20.0), (9, 1))) == pytest.approx(64)  # 8 levels of 1 across, unnormalized kernels
        assert tenengrad(np.full((9, 9), 7, np.uint8)) == 0

    def test_blur_lowers_it(self):
        plane, _ = pair(dtype=np.float32)
        assert tenengrad(gaussian_filter(plane, 1.0)) < 0.5 * tenengrad(plane)

    @pytest.mark.parametrize("shape", [(2, 9), (9, 9, 3)])
    def test_says_what_it_takes(self, shape):
        with pytest.raises(DataError, match="at least 3×3"):
            tenengrad(np.zeros(shape, np.uint8))
