from __future__ import annotations

import numpy as np
import pytest

from pixsearch.bench.ontarget import histogram, levels_apart, middle
from pixsearch.bench.subjects import open_subjects
from pixsearch.tasks.base import Pair


def test_differences_are_counted_in_levels_after_clipping_and_rounding():
    first = np.array([[[0.0, 1.2, 0.4, -3.0, 10 / 255]]], np.float32)
    second = np.array([[[0.0, 1.0, 0.4 + 1 / 255, 0.0, 30 / 255]]], np.float32)
    apart = levels_apart(first, second)
    assert apart.tolist() == [0, 0, 1, 0, 20]
    assert histogram([apart]) == {"0": 0.6, "1": 0.2, "2": 0.0, "3": 0.0, "4+": 0.2}


@pytest.mark.parametrize(("height", "width", "side"), [(200, 300, 64), (40, 300, 64), (50, 60, 51)])
def test_the_middle_of_input_and_truth_belong_together(export, height, width, side):
    subject = open_subjects([export()], lambda *a, **k: None)[0]
    small = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    pair = middle(Pair({"input": small}, small.repeat(2, 0).repeat(2, 1)), side, [subject])
    found = pair.inputs["input"]
    assert found.shape[:2] == (min(height, side // 2), min(width, side // 2))
    np.testing.assert_array_equal(pair.truth, found.repeat(2, 0).repeat(2, 1))
