"""A mixture's graph computes what its formats say, in the kernels that ONNX Runtime has for them."""

from __future__ import annotations

from collections import Counter
from itertools import product

import cv2
import numpy as np
import onnx
import pytest

from pixsearch.bits.formats import EVERY, shares
from pixsearch.bits.graph import mixed
from pixsearch.bits.layers import layers_in, widths
from pixsearch.export.config import ExportConfig
from pixsearch.export.onnx import export_float
from pixsearch.export.quantize import plan_of, quantized
from pixsearch.infer.session import open_session, session_options


def run(model: onnx.ModelProto, side: int = 24) -> np.ndarray:
    noise = np.random.default_rng(0).random((side, side + 3), dtype=np.float32)
    frame = cv2.GaussianBlur(noise, (0, 0), 1.5)[np.newaxis, np.newaxis]  # as smooth as a photo, or ranges would clip it
    return open_session(model.SerializeToString(), session_options(precise_int8=True)).run(None, {"input": frame})[0]


def executed(model: onnx.ModelProto, tmp_path) -> Counter:
    """The operators that ONNX Runtime runs of it, by name."""
    options = session_options(precise_int8=True)
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    open_session(model.SerializeToString(), options)
    return Counter(node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node)


def test_all_int8_is_the_quantized_graph(plan):
    layers = layers_in(plan)
    assert np.array_equal(run(mixed(plan, layers, ("int8",) * len(layers))), run(quantized(plan)))


def test_all_float_is_the_float_graph(plan):
    layers = layers_in(plan)
    made = mixed(plan, layers, ("float",) * len(layers))
    assert not [node for node in made.graph.node if "Quantize" in node.op_type]
    assert np.abs(run(made) - run(plan.model)).max() < 1e-6


def test_more_bits_are_nearer_to_float(plan):
    layers, exact = layers_in(plan), run(plan.model)
    off = {one: float(np.abs(run(mixed(plan, layers, (one,) * len(layers))) - exact).mean()) for one in ("int8", "int32", "int16", "float")}
    assert off["float"] < off["int16"] < off["int8"]
    assert off["int32"] < off["int8"]


def test_every_mixture_of_two_layers_is_a_graph_that_runs(plan):
    layers, exact = layers_in(plan), run(plan.model)
    for first, last in product(EVERY, repeat=2):
        made = mixed(plan, layers, (first, "int8", "int32", last))
        onnx.checker.check_model(made)
        assert np.abs(run(made) - exact).mean() < 0.03


def test_int32_is_an_integer_convolution_and_16_bits_are_none(plan, tmp_path):
    layers = layers_in(plan)
    found = {one: executed(mixed(plan, layers, (one,) * len(layers)), tmp_path) for one in ("int8", "int32", "int16")}
    assert found["int8"]["QLinearConv"] == found["int32"]["ConvInteger"] == len(layers)
    assert not any("Integer" in name or "QLinear" in name for name in found["int16"])
    assert sum(count for name, count in found["int16"].items() if name.endswith("Conv")) == len(layers)


def test_an_int32_layer_gives_its_sums_exactly(plan):
    """The same as a float convolution of the rounded input with the rounded weights."""
    layers = layers_in(plan)
    made = mixed(plan, layers, ("float", "int32", "float", "float"))
    simulated = mixed(plan, layers, ("float", "int8", "float", "float"))
    makers = {name: node for node in simulated.graph.node for name in node.output}
    inner = {layers[1].nodes[0].output[0], layers[1].nodes[-1].output[0]}
    for node in simulated.graph.node:  # all rounding behind the convolution taken out
        for place, pair in enumerate(makers.get(name) for name in node.input):
            source = makers.get(pair.input[0]) if pair is not None and pair.op_type == "DequantizeLinear" else None
            if source is not None and source.input[0] in inner:
                node.input[place] = source.input[0]
    assert np.abs(run(made) - run(simulated)).max() < 1e-5
    assert np.abs(run(made) - run(plan.model)).max() > 1e-4


def test_neighbours_agree_on_the_fewest_bits(plan):
    layers = layers_in(plan)
    bits = widths(plan.model, layers, ("float", "int16", "int8", "int32"))
    outputs = [layer.nodes[-1].output[0] for layer in layers]
    assert [bits[name] for name in outputs] == [16, 8, 8, None]
    assert bits["input"] is None


def test_a_relu_survives_in_every_format(make, task, pictures, tmp_path):
    """The quantizer leaves it out where 8 bits end at zero anyhow."""
    network, card = make({"layers": [{"op": "conv3", "act": "relu", "width": 6}] * 2})
    path = export_float(network, card, tmp_path / "relu.onnx")
    assert "Relu" in {node.op_type for node in onnx.load(path).graph.node}
    plan = plan_of(path, card, pictures, task, ExportConfig(int8=True, scheme="portable"), fitted=False)
    layers, exact = layers_in(plan), run(plan.model)
    for one in ("int8", "int32", "int16", "float"):
        assert np.abs(run(mixed(plan, layers, (one,) * len(layers))) - exact).mean() < 0.03


def test_no_mixture_changes_the_plan(plan):
    before = plan.model.SerializeToString()
    layers = layers_in(plan)
    mixed(plan, layers, ("int16", "int32", "float", "int8"))
    assert plan.model.SerializeToString() == before


def test_formats_in_words():
    assert shares(["float", "int32", "int32", "int8"]) == "1 int8, 2 int32, 1 float"


@pytest.mark.parametrize("one", ["int8", "int32"])
def test_shapes_stay_free(plan, one):
    layers = layers_in(plan)
    made = mixed(plan, layers, (one,) * len(layers))
    assert run(made, 16).shape == (1, 1, 32, 38)
    assert run(made, 9).shape == (1, 1, 18, 24)
