"""Weights are fitted to rounded inputs: nearer to the float model's outputs, and unchanged where nothing is rounded away."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pixsearch.export.graph import Graph
from pixsearch.export.observe import histograms, observe
from pixsearch.export.ranges import best_ranges
from pixsearch.export.refit import _rounded, refit, refit_layer
from pixsearch.export.scheme import ARM, PORTABLE
from pixsearch.export.steps import insert_steps

CROPS = [{"input": np.random.default_rng(number).random((1, 4, 60, 48), np.float32)} for number in range(3)]


def chain(*convolutions, act=None, seed=0):
    """A graph of convolutions given as (kernel shape, attributes, has a bias), each followed by `act`."""
    rng = np.random.default_rng(seed)
    nodes, constants, tensor = [], [], "input"
    for place, (shape, attributes, biased) in enumerate(convolutions):
        constants.append(numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), f"w{place}"))
        names = [tensor, f"w{place}"]
        if biased:
            constants.append(numpy_helper.from_array(rng.normal(0, 0.3, shape[0]).astype(np.float32), f"b{place}"))
            names.append(f"b{place}")
        nodes.append(helper.make_node("Conv", names, [f"c{place}"], name=f"conv{place}", kernel_shape=shape[2:], **attributes))
        tensor = f"c{place}"
        if act is not None:
            nodes.append(helper.make_node(act, [tensor], [f"a{place}"], name=f"act{place}"))
            tensor = f"a{place}"
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, None, None]) for name in ("input", tensor)]
    graph = helper.make_graph(nodes, "chain", ports[:1], ports[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def constants(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def error(model, aim, ranges, scheme=ARM, kept=()):
    """Mean squared error of the rounded model against the float one."""
    rounded = insert_steps(model, ranges, scheme, kept)
    name = Graph(aim).output
    pairs = zip(observe(rounded, CROPS, [f"{name}"]), observe(aim, CROPS, [name]), strict=True)
    return float(np.mean([np.mean((one[name] - other[name]) ** 2) for one, other in pairs]))


LAYERS = {
    "3x3": ((6, 4, 3, 3), {"pads": [1, 1, 1, 1]}, True),
    "no bias": ((6, 4, 3, 3), {"pads": [1, 1, 1, 1]}, False),
    "1x1": ((6, 4, 1, 1), {}, True),
    "no padding": ((6, 4, 3, 3), {}, True),
    "one-sided": ((6, 4, 2, 3), {"pads": [1, 0, 0, 2]}, True),
    "dilated": ((6, 4, 3, 3), {"pads": [2, 2, 2, 2], "dilations": [2, 2]}, True),
    "depthwise": ((4, 1, 3, 3), {"pads": [1, 1, 1, 1], "group": 4}, True),
    "grouped": ((6, 2, 3, 3), {"pads": [1, 1, 1, 1], "group": 2}, True),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_what_loses_nothing_keeps_its_weights(layer):
    """Inputs that are levels already: the float weights are the exact solution, for every shape a convolution has."""
    model = chain(layer)
    crops = [{"input": np.round(crop["input"] * 255) / 255} for crop in CROPS]
    rounded = insert_steps(model, {"input": (0.0, 1.0), "c0": (-9.0, 9.0)}, ARM)
    before = constants(model)
    graph = Graph(model)
    assert refit_layer(graph, graph.nodes[0], rounded, copy.deepcopy(model), crops, None, 0)
    for name, values in constants(model).items():
        np.testing.assert_allclose(values, before[name], atol=2e-4)


@pytest.mark.parametrize("scheme", [ARM, PORTABLE], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("act", [None, "Relu", "LeakyRelu"])
def test_the_rounded_network_comes_nearer(scheme, act):
    """Coarse ranges make errors that the fit undoes in part."""
    aim = chain(
        ((8, 4, 3, 3), {"pads": [1] * 4}, True), ((8, 8, 3, 3), {"pads": [1] * 4}, True), ((4, 8, 3, 3), {"pads": [1] * 4}, True), act=act
    )
    ranges = {name: (low * 6, high * 6) for name, (low, high) in best_ranges(aim, histograms(aim, CROPS)).items()}
    model = copy.deepcopy(aim)
    before = error(model, aim, ranges, scheme)
    assert refit(model, CROPS, ranges, scheme, set(), 0) == 3
    assert error(model, aim, ranges, scheme) < 0.97 * before


def test_two_fits_are_the_same():
    layers = [LAYERS["3x3"], ((4, 6, 3, 3), {"pads": [1] * 4}, True)]
    fitted = []
    for _ in range(2):
        model = chain(*layers, act="Relu")
        refit(model, CROPS, best_ranges(model, histograms(model, CROPS)), ARM, set(), 5)
        fitted.append(model.SerializeToString())
    assert fitted[0] == fitted[1]


def test_a_channel_that_never_speaks_keeps_its_weights():
    """Behind a ReLU that is always zero every error weighs nothing: its weights go to the nearest level."""
    model = chain(LAYERS["3x3"], act="Relu")
    Graph(model).replace("b0", np.full(6, -100, np.float32))
    before = constants(model)
    refit(model, CROPS, {"input": (0.0, 1.0), "c0": (-110.0, 1.0), "a0": (0.0, 1.0)}, ARM, set(), 0)
    for name, values in constants(model).items():
        np.testing.assert_allclose(values, before[name], rtol=1e-5, atol=np.abs(before["w0"]).max() / 254)


def test_strided_and_kept_layers_stay():
    strided = ((4, 4, 3, 3), {"pads": [1] * 4, "strides": [2, 2]}, True)
    model = chain(strided, LAYERS["1x1"])
    before = constants(model)
    assert refit(model, CROPS, best_ranges(model, histograms(model, CROPS)), ARM, {"conv1"}, 0) == 0
    assert all((values == before[name]).all() for name, values in constants(model).items())


def test_layers_that_share_their_weights_stay():
    model = chain(((4, 4, 3, 3), {"pads": [1] * 4}, True), ((4, 4, 3, 3), {"pads": [1] * 4}, True), act="Relu")
    model.graph.node[2].input[1] = "w0"
    before = constants(model)
    assert refit(model, CROPS, best_ranges(model, histograms(model, CROPS)), ARM, set(), 0) == 0
    assert all((values == before[name]).all() for name, values in constants(model).items())


def test_a_wide_layer_gains_on_the_fewer_pixels_it_is_fitted_on():
    """Wide layers have many unknowns, so they see fewer pixels; still enough."""
    aim = chain(((48, 4, 3, 3), {"pads": [1] * 4}, True), ((48, 48, 3, 3), {"pads": [1] * 4}, True), act="Relu")
    ranges = {name: (low * 6, high * 6) for name, (low, high) in best_ranges(aim, histograms(aim, CROPS)).items()}
    model = copy.deepcopy(aim)
    assert refit(model, CROPS, ranges, ARM, set(), 0) == 2
    assert error(model, aim, ranges) < error(aim, aim, ranges)


def test_a_layer_with_too_few_pixels_stays():
    model = chain(LAYERS["3x3"])
    before = constants(model)
    crops = [{"input": CROPS[0]["input"][:, :, :12, :12]}]
    assert refit(model, crops, {"input": (0.0, 1.0), "c0": (-6.0, 6.0)}, ARM, set(), 0) == 0
    assert all((values == before[name]).all() for name, values in constants(model).items())


@pytest.mark.parametrize("scheme", [ARM, PORTABLE], ids=lambda scheme: scheme.name)
def test_the_bias_makes_up_for_what_rounded_weights_move_the_mean_by(scheme):
    """Bright, even pictures: what the rounding of weights does to the mean is the bias's to mend."""
    crops = [{"input": 0.9 + 0.02 * crop["input"]} for crop in CROPS]
    aim = chain(LAYERS["3x3"])
    ranges = {"input": (0.0, 1.0), "c0": (-9.0, 9.0)}
    model = copy.deepcopy(aim)
    assert refit(model, crops, ranges, scheme, set(), 0) == 1
    graph, inside = Graph(model), np.s_[:, :, 1:-1, 1:-1]  # without the border, where zeros are seen
    rounded = next(node for node in insert_steps(aim, ranges, scheme).graph.node if node.op_type == "Conv").input[0]
    seen = [tensors[rounded] for tensors in observe(insert_steps(aim, ranges, scheme), crops, [rounded])]
    wanted = [tensors["c0"][inside] for tensors in observe(aim, crops, ["c0"])]
    kernel, bias = graph.constant("w0"), graph.constant("b0")
    windows = [np.lib.stride_tricks.sliding_window_view(one[0], (3, 3), axis=(1, 2)) for one in seen]
    made = [np.einsum("chwij,mcij->mhw", one, kernel)[None] + bias[:, None, None] for one in windows]
    off = np.concatenate([one - other for one, other in zip(made, wanted, strict=True)])
    assert np.abs(off.mean((0, 2, 3))).max() < 5e-4


def test_weights_leave_the_mean_to_the_bias():
    """Of bright inputs that move little, rounded weights keep what moves; the mean is the bias's."""
    shares = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        inputs = np.column_stack([5 + rng.normal(size=(300, 10)) @ rng.normal(size=(10, 10)) * 0.1, np.ones(300)])
        squares, fitted = (inputs.T @ inputs)[None], rng.normal(size=(1, 11))
        found = _rounded(fitted, squares, ARM, biased=True)
        step = np.abs(fitted[:, :-1]).max() / 127
        nearest = inputs[:, :-1] @ (np.round(fitted[0, :-1] / step) * step - fitted[0, :-1])
        shares.append(np.square(inputs @ (found - fitted)[0]).sum() / np.square(nearest - nearest.mean()).sum())
    print("SH", np.mean(shares))
    assert np.mean(shares) < 0.9
