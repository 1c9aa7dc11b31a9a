"""Rounded values are ONNX Runtime's to the bit, and gradients those of learned step sizes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnxruntime.quantization.quant_utils import compute_scale_zp, quantize_data

from pixsearch.export.scheme import ARM, PORTABLE, X86
from pixsearch.infer.session import open_session, session_options
from pixsearch.qat.rounding import RangeRounding, affine_step, kernel_step, rounded_bias, rounded_kernel

SCHEMES = pytest.mark.parametrize("scheme", [ARM, PORTABLE, X86], ids=lambda scheme: scheme.name)


def by_runtime(values: np.ndarray, low: float, high: float, scheme) -> np.ndarray:
    """What a QuantizeLinear and DequantizeLinear pair gives with the step that ONNX Runtime's quantizer writes."""
    lowest, highest = (np.array(level, np.int8 if scheme.signed_activations else np.uint8) for level in scheme.levels)
    zero, step = compute_scale_zp(np.float32(low), np.float32(high), lowest, highest)
    constants = [onnx.numpy_helper.from_array(np.asarray(step), "step"), onnx.numpy_helper.from_array(np.asarray(zero), "zero")]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"]),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(values.shape)) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "pair", ports[:1], ports[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return open_session(model.SerializeToString(), session_options(optimization="none")).run(["y"], {"x": values})[0]


@SCHEMES
@given(low=st.floats(-8, 0, width=32), high=st.floats(0, 8, width=32), seed=st.integers(0, 99))
def test_activations_are_the_runtime_s(scheme, low, high, seed):
    values = np.random.default_rng(seed).normal(scale=4, size=200).astype(np.float32)
    found = RangeRounding(low, high, scheme, learned=True)(torch.from_numpy(values)).detach().numpy()
    np.testing.assert_array_equal(found, by_runtime(values, low, high, scheme))


@SCHEMES
def test_halves_go_to_even_levels_and_the_ends_saturate(scheme):
    rounding = RangeRounding(-64.0, 191.0, scheme, learned=False)
    found = rounding(torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 190.6, 500.0, -500.0]))
    assert found.tolist() == [0, 2, 2, 0, -2, 191, 191, -64]


@given(low=st.floats(-1e3, 0, width=32), high=st.floats(0, 1e3, width=32))
def test_zero_is_a_level_of_every_range(low, high):
    step, zero = affine_step(torch.tensor(low), torch.tensor(high))
    assert step > 0
    assert 0 <= zero <= 255
    assert zero == zero.round()


@SCHEMES
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", ["normal", "one-sided", "a dead channel", "all zero"])
def test_kernels_are_the_runtime_s(scheme, axis, kind):
    kernel = np.random.default_rng(0).normal(size=(5, 4, 3, 3)).astype(np.float32)
    kernel = {"one-sided": np.abs(kernel), "all zero": 0 * kernel}.get(kind, kernel)
    if kind == "a dead channel":
        kernel[1], kernel[:, 1] = 0, 0
    weight = torch.from_numpy(kernel)
    found = rounded_kernel(weight, *kernel_step(weight, scheme, axis), scheme).numpy()
    kind_of = TensorProto.INT8 if scheme.signed_weights else TensorProto.UINT8
    parts = [kernel.take([place], axis) for place in range(kernel.shape[axis])] if scheme.per_channel else [kernel]
    expected = []
    for part in parts:
        zero, step, levels = quantize_data(part, kind_of, scheme.signed_weights)
        expected.append((levels.astype(np.float32) - np.float32(zero)) * step)
    np.testing.assert_allclose(found, np.concatenate(expected, axis if scheme.per_channel else 0), atol=1e-7)


def test_a_bias_has_steps_of_input_times_weight():
    bias, step = torch.tensor([0.1004, -0.2506, 3.0]), torch.tensor([1e-3, 2e-3, 1.0])
    assert rounded_bias(bias, step).tolist() == pytest.approx([0.1, -0.25, 3.0])


def test_gradients_pass_inside_a_range_and_move_its_ends_outside():
    rounding = RangeRounding(-1.0, 1.55, ARM, learned=True)  # steps of 0.01
    x = torch.tensor([0.003, 0.5, 3.0, -4.0], requires_grad=True)
    rounding(x).backward(torch.tensor([1.0, 1.0, 5.0, 7.0]))
    assert x.grad.tolist() == [1, 1, 0, 0]
    inside = -0.3 / 255  # level minus exact place, of the first value alone, as a share of the range's levels
    assert rounding.wider.grad.tolist() == pytest.approx([-(7 - inside), 1.55 * (5 + inside)], rel=1e-3)


def test_moving_an_end_changes_the_outcome_as_its_gradient_says():
    """The mean over many values is smooth where single values jump."""
    x = torch.randn(400_000, generator=torch.Generator().manual_seed(0))

    def squared(rounding):
        return ((rounding(x) - x) ** 2).sum()

    rounding = RangeRounding(-1.5, 1.5, ARM, learned=True)
    squared(rounding).backward()
    moved = []
    for change in (-0.02, 0.02):
        with torch.no_grad():
            rounding.wider.copy_(torch.tensor([0.0, change]))
            moved.append(squared(rounding).item())
    assert rounding.wider.grad[1].item() == pytest.approx((moved[1] - moved[0]) / 0.04, rel=0.05)


def test_an_end_at_zero_stays_there():
    rounding = RangeRounding(0.0, 1.0, PORTABLE, learned=True)
    with torch.no_grad():
        rounding.wider.fill_(0.3)
    low, high = rounding.ends()
    assert (low.item(), high.item()) == (0.0, pytest.approx(1.35, abs=0.001))


@SCHEMES
def test_weights_have_the_gradients_of_what_they_are_rounded_to(scheme):
    kernel, bias = torch.randn(3, 2, 3, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    step, zero = kernel_step(kernel, scheme, 0)
    rounded_kernel(kernel, step, zero, scheme).sum().backward()
    rounded_bias(bias, torch.full((3,), 1e-4)).sum().backward()
    assert torch.equal(kernel.grad, torch.ones_like(kernel))
    assert torch.equal(bias.grad, torch.ones_like(bias))
