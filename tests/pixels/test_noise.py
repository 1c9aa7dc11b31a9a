"""Noise has the variance it is asked for, and cameras' exposures lie where Brooks et al. put them."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.pixels.noise import SHOT, draw_levels, measured, read_out, white


def test_white_noise_is_standard_normal():
    values = white((3, 200, 200), np.random.default_rng(0))
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(0, abs=0.02)
    assert values.std() == pytest.approx(1, abs=0.02)


def test_variance_grows_with_the_signal_by_shot_noise_from_that_of_reading():
    shot, read = np.float32([0.01, 0.004]), np.float32([1e-4, 4e-4])
    for signal in (0.0, 0.3, 1.0):
        noisy = read_out(np.full((2, 300, 300), signal, np.float32), shot, read, np.random.default_rng(1))
        assert noisy.var(axis=(1, 2)) == pytest.approx(shot * signal + read, rel=0.03)
        assert noisy.mean(axis=(1, 2)) == pytest.approx(signal, abs=2e-3)


def test_a_signal_below_zero_has_the_noise_of_darkness():
    noisy = read_out(np.full((1, 300, 300), -0.5, np.float32), np.float32([0.01]), np.float32([1e-4]), np.random.default_rng(1))
    assert noisy.var() == pytest.approx(1e-4, rel=0.03)


def test_exposures_lie_on_the_line_of_read_over_shot():
    shot, read = draw_levels(20_000, np.random.default_rng(2))
    assert shot.dtype == read.dtype == np.float32
    assert SHOT[0] <= shot.min() < 1.1 * SHOT[0]
    assert 0.9 * SHOT[1] < shot.max() <= SHOT[1] * 1.0001
    slope, offset = np.polyfit(np.log(shot), np.log(read), 1)
    assert (slope, offset) == (pytest.approx(2.18, abs=0.02), pytest.approx(1.20, abs=0.1))
    assert (np.log(read) - 2.18 * np.log(shot) - 1.20).std() == pytest.approx(0.26, abs=0.01)


def frame(light, shot, read, seed=0):
    """Packed planes of a sloping light, noisy."""
    slope = np.linspace(0.9, 1.1, 160, dtype=np.float32)
    signal = light * np.float32([0.5, 1, 0.6, 1])[:, None, None] * slope[None, None, :] * slope[None, :, None]
    return read_out(signal[None], np.float32([shot]), np.float32([read]), np.random.default_rng(seed))[0]


@pytest.mark.parametrize(("shot", "read"), [(0.01, 2e-4), (1e-3, 1e-5), (3e-4, 1e-6)])
def test_a_flat_and_a_dark_frame_tell_both_kinds(shot, read):
    found = measured([frame(0.7, shot, read), frame(0.0, shot, read, seed=1)])
    assert found.shot == pytest.approx(shot, rel=0.05)
    assert found.read == pytest.approx(read, rel=0.08)


def test_a_dark_frame_alone_tells_what_reading_adds():
    found = measured([frame(0.0, 0.01, 2e-4)])
    assert found.shot is None
    assert found.read == pytest.approx(2e-4, rel=0.05)


def test_a_frame_of_one_brightness_tells_shot_noise_alone():
    light = np.full((4, 160, 160), 0.5, np.float32)
    noisy = read_out(light[None], np.float32([0.002]), np.float32([0]), np.random.default_rng(0))[0]
    found = measured([noisy])
    assert found.read is None
    assert found.shot == pytest.approx(0.002, rel=0.05)


def test_slopes_of_the_light_are_no_noise():
    slope = np.linspace(0, 0.8, 160, dtype=np.float32)
    found = measured([np.broadcast_to(slope, (4, 160, 160)) + np.float32(1e-4) * white((4, 160, 160), np.random.default_rng(0))])
    assert found.read is not None
    assert found.read < 2e-8


def test_saturated_blocks_are_left_out():
    noisy = frame(0.5, 0.01, 1e-4)
    noisy[:, :80] = 1.0
    assert measured([noisy]).shot == pytest.approx(0.01, rel=0.1)
