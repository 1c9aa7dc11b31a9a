"""Ranges of 8-bit activations: close to the best there is, and always with an exact zero."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pixsearch.export.observe import Seen
from pixsearch.export.ranges import LEVELS, best_ranges, least_error


def seen(values: np.ndarray) -> Seen:
    counts, edges = np.histogram(values, 4096)
    return Seen(float(edges[0]), float(edges[-1]), counts.astype(np.float64))


def squared_error(values: np.ndarray, low: float, high: float, slope: float = 1.0) -> float:
    step = (high - low) / LEVELS
    rounded = np.clip(np.round(values / step) * step, low, high)
    return float(np.mean(np.where(values < 0, slope**2, 1.0) * (values - rounded) ** 2))


@pytest.mark.parametrize("draw", ["normal", "laplace", "exponential", "uniform"])
@pytest.mark.parametrize("slope", [1.0, 0.1])
def test_no_other_range_is_much_better(draw, slope):
    values = getattr(np.random.default_rng(0), draw)(size=50_000)
    chosen = squared_error(values, *least_error(seen(values), slope), slope)
    for low_share in np.linspace(0.2, 1, 9):
        for high_share in np.linspace(0.2, 1, 9):
            other = min(0.0, values.min()) * low_share, values.max() * high_share
            assert chosen <= 1.1 * squared_error(values, *other, slope)


def test_a_rare_outlier_is_clipped_and_a_common_end_is_not():
    values = np.random.default_rng(0).uniform(0, 1, 1_000_000)
    assert least_error(seen(np.append(values, 3.0)))[1] < 1.5
    assert least_error(seen(values))[1] > 0.95


def test_what_relu_throws_away_gets_no_steps():
    values = np.random.default_rng(0).normal(size=10_000) - 1
    assert abs(least_error(seen(values), 0.0)[0]) <= 0.11 * abs(values.min())
    assert least_error(seen(values), 0.0)[0] > least_error(seen(values), 0.3)[0] >= least_error(seen(values), 1.0)[0]


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=50))
def test_zero_is_within_every_range(values):
    low, high = least_error(seen(np.array(values)))
    assert low <= 0 <= high
    assert np.isfinite([low, high]).all()


@pytest.mark.parametrize(
    ("op", "attributes", "weighed"),
    [("Relu", {}, 0.0), ("LeakyRelu", {"alpha": 0.2}, 0.2), ("LeakyRelu", {}, 0.01), ("HardSwish", {}, 1.0)],
)
def test_an_activation_behind_says_what_the_negative_side_is_worth(op, attributes, weighed):
    shape = [1, 1, 2, 2]
    port, output = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y"))
    model = helper.make_model(helper.make_graph([helper.make_node(op, ["x"], ["y"], **attributes)], "g", [port], [output]))
    values = seen(np.random.default_rng(0).normal(size=5000))
    assert best_ranges(model, {"x": values}) == {"x": least_error(values, weighed)}
