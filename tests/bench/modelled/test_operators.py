"""The operators of a model on Arm: those of the graph that the emulated library makes, with shapes that follow from the frame."""

from __future__ import annotations

from collections import Counter

import onnx
import pytest

from pixsearch.bench.modelled.operators import ArmGraph, UnpricedError
from pixsearch.bench.targets import arm64
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.export.graph import Graph
from pixsearch.export.steps import float_part, insert_steps
from pixsearch.infer.session import OnnxModel
from pixsearch.registry import SCHEMES

from ..machines import require


def rounded(model: onnx.ModelProto, scheme: str) -> onnx.ModelProto:
    return insert_steps(model, dict.fromkeys(Graph(model).activations(), (-1.0, 0.9)), SCHEMES.load(scheme), float_part(model))


@pytest.mark.parametrize("precision", ["float", "arm", "portable"])
def test_the_emulated_library_makes_the_same_graph(export, tmp_path, monkeypatch, precision):
    require("arm64")
    model = onnx.load(export("ecbsr-m2c4"))
    model = model if precision == "float" else rounded(model, precision)
    onnx.save(model, tmp_path / "model.onnx")
    monkeypatch.setattr(arm64, "SETTINGS", (*arm64.SETTINGS, f"optimized={tmp_path / 'there.onnx'}"))
    Arm64Target("a76").prepare(tmp_path / "model.onnx", 1).close()
    there = Counter((node.domain, node.op_type, len(node.attribute)) for node in onnx.load(tmp_path / "there.onnx").graph.node)
    assert Counter((o._node.domain, o._node.op_type, len(o._node.attribute)) for o in ArmGraph(model).operators(8, 32)) == there


def test_shapes_follow_from_the_frame(export):
    graph = ArmGraph(onnx.load(export()))
    for height, width in ((8, 32), (40, 24)):
        operators = graph.operators(height, width)
        assert [tensor.shape[2:] for tensor in operators[0].inputs.values()] == [(height, width)]
        assert operators[-1].outputs[0].shape == (1, 1, 2 * height, 2 * width)
        assert operators[-1].outputs[0].bytes == 16 * height * width


def test_layers_that_differ_in_weights_alone_are_one_operator(export):
    keys = [operator.key for operator in ArmGraph(onnx.load(export("plain-m4c8"))).operators(8, 32)]
    assert len(keys) - len(set(keys)) == 3
    other = [operator.key for operator in ArmGraph(onnx.load(export("plain-m4c8", seed=7))).operators(8, 32)]
    assert other == keys
    assert not set(keys) & {operator.key for operator in ArmGraph(onnx.load(export("plain-m4c8"))).operators(8, 40)}


def test_an_operator_runs_by_itself(export, tmp_path):
    import onnxruntime as ort

    for operator in ArmGraph(onnx.load(export())).operators(8, 32):
        session = ort.InferenceSession(operator.alone().SerializeToString(), providers=["CPUExecutionProvider"])
        outputs = session.run(None, operator.noise())
        assert [output.shape for output in outputs] == [tensor.shape for tensor in operator.outputs]


def test_a_model_of_one_shape_has_no_price(export, tmp_path):
    from pixsearch.export.ports import with_shape

    model, _ = with_shape(onnx.load(export()), OnnxModel.open(export()).card, (24, 32))
    with pytest.raises(UnpricedError, match="one shape alone"):
        ArmGraph(model)


def test_inputs_that_the_runner_cannot_be_given_are_told():
    from onnx import TensorProto, helper

    ports = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, "height", "width"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "integers", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (operator,) = ArmGraph(model).operators(8, 32)
    with pytest.raises(UnpricedError, match=r"tensor\(int64\)"):
        operator.alone()
