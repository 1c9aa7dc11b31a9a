"""Channels are rescaled between convolutions: the network stays the same, its channels become alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixsearch.export.equalize import Reach, _factors, equalize
from pixsearch.export.observe import observe
from pixsearch.export.onnx import export_float, read_model

CROPS = [{"input": np.random.default_rng(number).random((1, 1, 16, 20), np.float32)} for number in range(2)]


def layer(op, act, width=6, **more):
    return {"op": op, "act": act, "width": width, **more}


def unbalanced(network):
    """Make the channels of every convolution unlike, by powers of ten."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight *= torch.logspace(-1, 1, module.weight.shape[0])[:, None, None, None]
    return network


def outputs(model):
    return [tensors["output"] for tensors in observe(model, CROPS)]


def spread(model, name):
    """The loudest channel over the quietest."""
    loud = np.max([np.abs(tensors[name]).max(axis=(0, 2, 3)) for tensors in observe(model, CROPS)], axis=0)
    return loud.max() / loud.min()


@pytest.mark.parametrize(
    ("layers", "pairs"),
    [
        ([layer("conv3", "leaky"), layer("conv3", "prelu"), layer("conv1", "relu")], 3),
        ([layer("dw3", "relu", 5), layer("dw5", "leaky", 7)], 4),  # between depthwise and 1×1 too, but for the one input channel
        ([layer("conv3", "relu"), layer("ib3", "leaky", hidden=9)], 4),
        ([layer("conv3", "hardswish"), layer("conv3", "hardswish")], 0),
    ],
)
def test_the_network_stays_the_same(make, tmp_path, layers, pairs):
    network, card = make({"layers": layers})
    model = read_model(export_float(unbalanced(network), card, tmp_path / "a.onnx"))
    before = outputs(model)
    assert equalize(model, CROPS) >= pairs - 1
    for one, other in zip(outputs(model), before, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())


def test_kernels_that_are_used_several_times_stay_the_same(make, tmp_path):
    blocks = [{"kind": "context", "convs": 2, "growth": 4, "width": 8}]
    network, card = make({"space": "erdb", "blocks": blocks, "width": 8})
    model = read_model(export_float(unbalanced(network), card, tmp_path / "a.onnx"))
    before = outputs(model)
    assert equalize(model, CROPS) >= 1
    for one, other in zip(outputs(model), before, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())


def test_channels_become_alike(make, tmp_path):
    network, card = make({"layers": [layer("conv3", "leaky"), layer("conv3", "relu")]})
    model = read_model(export_float(unbalanced(network), card, tmp_path / "a.onnx"))
    first = model.graph.node[0].output[0]
    before = spread(model, first)
    assert equalize(model, CROPS) == 2
    assert spread(model, first) < 0.3 * before


def test_a_channel_with_other_readers_is_left_alone(make, tmp_path):
    residual = layer("ib3", "relu", hidden=8, residual=True)
    network, card = make({"layers": [layer("conv3", "relu"), residual]})
    model = read_model(export_float(unbalanced(network), card, tmp_path / "a.onnx"))
    before = outputs(model)
    assert equalize(model, CROPS) == 2  # inside the bottleneck alone
    np.testing.assert_allclose(outputs(model)[0], before[0], atol=1e-5 * np.abs(before[0]).max())


def test_the_input_of_a_transposed_convolution(make, tmp_path):
    network, card = make("fsrcnn")
    model = read_model(export_float(unbalanced(network), card, tmp_path / "a.onnx"))
    before = outputs(model)
    assert equalize(model, CROPS) == 7
    np.testing.assert_allclose(outputs(model)[0], before[0], atol=1e-4 * np.abs(before[0]).max())


def test_a_silent_network(make, tmp_path):
    network, card = make("plain-m1c4")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    model = read_model(export_float(network, card, tmp_path / "a.onnx"))
    equalize(model, CROPS)
    assert np.isfinite(outputs(model)[0]).all()


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_other_factors_leave_much_less_error(slope, seed):
    """Both steps follow from how far the divided channels reach; the layer behind multiplies the error of each channel back."""
    rng = np.random.default_rng(seed)
    reach = Reach(rng.lognormal(0, 1, 8), rng.lognormal(1, 1, 8), rng.uniform(0.1, 0.9, 8))
    weight = rng.lognormal(0, 1, 8)

    def error(factors):
        up, down = (reach.up / factors).max(), (reach.down / factors).max()
        steps = (up + down) ** 2 * (reach.above + slope**2 * (1 - reach.above)) + (up + slope * down) ** 2
        return (weight * factors**2 * steps).sum()

    found = error(_factors(reach, slope, weight))
    others = [_factors(reach, slope, weight) * np.exp(rng.normal(0, spread, 8)) for spread in (0.05, 0.2, 1.0) for _ in range(200)]
    limits = [np.maximum(reach.up, reach.down / ratio) for ratio in np.geomspace(0.05, 20, 40)]
    assert found <= 1.01 * min(map(error, [*others, *limits, np.ones(8)]))
