"""Weights are rounded so that their errors make up for one another, and stay where a scheme stores them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime.quantization.quant_utils import QuantType, quantize_data

from pixsearch.export.rounding import grid_of, round_on, round_weights
from pixsearch.export.scheme import ARM, PORTABLE, X86

SCHEMES = pytest.mark.parametrize("scheme", [ARM, PORTABLE, X86], ids=lambda scheme: scheme.name)


def layer(seed, outputs=3, inputs=12, alike=0.9):
    """Weights of a layer, and the curvature of inputs that move alike."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(200, inputs)) * (1 - alike) + rng.normal(size=(200, 1)) * alike
    return rng.normal(size=(outputs, inputs)) * rng.uniform(0.1, 3, (outputs, 1)), np.repeat((seen.T @ seen)[None], outputs, axis=0)


def error(weights, other, curvature):
    move = weights - other
    return np.einsum("mi,mij,mj->m", move, curvature, move)


@SCHEMES
@given(seed=st.integers(0, 10_000), outputs=st.integers(1, 4), inputs=st.integers(1, 20))
def test_what_stores_the_result_finds_its_levels(scheme, seed, outputs, inputs):
    """ONNX Runtime's quantizer, given the rounded weights, rounds nothing more."""
    weights, curvature = layer(seed, outputs, inputs)
    rounded = round_weights(weights, curvature + 0.1 * np.eye(inputs), scheme).astype(np.float32)
    kind = QuantType.QInt8 if scheme.signed_weights else QuantType.QUInt8
    for row in rounded if scheme.per_channel else [rounded.ravel()]:
        zero, step, levels = quantize_data(row, kind.tensor_type, scheme.signed_weights)
        np.testing.assert_allclose((levels.astype(float) - zero) * step, row, atol=1e-5 * np.abs(row).max())


@SCHEMES
def test_errors_make_up_for_one_another(scheme):
    """Where inputs move alike, the nearest levels are far from the best ones."""
    shares = []
    for seed in range(10):
        weights, curvature = layer(seed)
        grid = grid_of(weights, scheme)
        nearest = np.round(weights / grid.step[:, None]) * grid.step[:, None]
        shares.append(error(round_weights(weights, curvature, scheme), weights, curvature).sum() / error(nearest, weights, curvature).sum())
    assert np.mean(shares) < 0.4


def test_inputs_that_have_nothing_in_common_leave_the_nearest_levels():
    weights, _ = layer(1)
    grid = grid_of(weights, ARM)
    curvature = np.repeat(np.diag(np.arange(1.0, 13))[None], 3, axis=0)
    rounded = round_on(weights, curvature, np.linalg.inv(curvature), grid)
    np.testing.assert_allclose(rounded, np.round(weights / grid.step[:, None]) * grid.step[:, None])


def test_a_narrower_grid_is_taken_where_one_weight_is_far_off():
    """A large weight of an input that is hardly ever seen does not widen everybody's steps."""
    weights, curvature = layer(2, outputs=1)
    weights[0, 0] = 1.2 * np.abs(weights).max()
    curvature[0, 0, :] *= 1e-4
    curvature[0, :, 0] *= 1e-4
    assert np.abs(round_weights(weights, curvature, ARM)).max() < 0.99 * np.abs(weights).max()


@SCHEMES
def test_a_layer_of_zeros_stays_so(scheme):
    assert not round_weights(np.zeros((2, 5)), np.repeat(np.eye(5)[None], 2, axis=0), scheme).any()


@SCHEMES
def test_inputs_that_are_all_alike_can_be_rounded_for(scheme):
    """Their curvature has no inverse."""
    weights, _ = layer(3)
    rounded = round_weights(weights, np.ones((3, 12, 12)), scheme)
    assert np.isfinite(rounded).all()
    assert error(rounded, weights, np.ones((3, 12, 12))).max() < 1e-3 * np.square(weights).sum()


def test_nothing_seen_leaves_the_nearest_levels():
    weights, _ = layer(4)
    grid = grid_of(weights, ARM)
    rounded = round_weights(weights, np.zeros((3, 12, 12)), ARM)
    np.testing.assert_allclose(rounded, np.round(weights / grid.step[:, None]) * grid.step[:, None])
