"""sRGB's curve at the standard's points, and its inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixsearch.pixels.light import from_linear, to_linear

POINTS = {0.0: 0.0, 0.04045: 0.0031308, 0.5: 0.21404114, 188 / 255: 0.50288650, 1.0: 1.0}


@pytest.mark.parametrize(("level", "light"), POINTS.items())
def test_points_of_the_standard(level, light):
    assert to_linear(np.float32([level]))[0] == pytest.approx(light, abs=1e-6)
    assert from_linear(np.float32([light]))[0] == pytest.approx(level, abs=1e-5)


@given(st.floats(-0.5, 2.0, width=32))
def test_each_undoes_the_other(level):
    assert from_linear(to_linear(np.float32([level])))[0] == pytest.approx(level, abs=3e-5)


def test_the_curve_rises_everywhere():
    levels = np.linspace(-0.5, 2, 5001, dtype=np.float32)
    light = to_linear(levels)
    assert light.dtype == np.float32
    assert (np.diff(light) > 0).all()
