"""Every operator of an exported graph computes in torch what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pixsearch.export.graph import attributes
from pixsearch.export.onnx import SIZE_FREE
from pixsearch.infer.session import open_session, session_options
from pixsearch.qat.operators import OPERATORS

RNG = np.random.default_rng(0)
KERNEL, TRANSPOSED, DEPTHWISE = (RNG.normal(size=shape).astype(np.float32) for shape in ((5, 4, 3, 3), (4, 2, 5, 5), (4, 1, 3, 3)))
BIAS, SLOPES = RNG.normal(size=5).astype(np.float32), RNG.random((4, 1, 1), np.float32)

CASES = {
    "Add": ([RNG.random((1, 4, 6, 8), np.float32)], {}),
    "AveragePool": ([], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "Clip": ([np.float32(-0.2), np.float32(0.4)], {}),
    "Concat": ([RNG.random((1, 3, 6, 8), np.float32)], {"axis": 1}),
    "Conv": ([KERNEL, BIAS], {"pads": [1, 1, 1, 1]}),
    "Conv, strided, uneven": ([KERNEL, BIAS], {"pads": [0, 1, 2, 0], "strides": [2, 1]}),
    "Conv, depthwise": ([DEPTHWISE], {"pads": [1, 1, 1, 1], "group": 4}),
    "ConvTranspose": ([TRANSPOSED], {"strides": [2, 2], "pads": [2, 2, 2, 2], "output_padding": [1, 1]}),
    "DepthToSpace": ([], {"blocksize": 2, "mode": "CRD"}),
    "DepthToSpace, DCR": ([], {"blocksize": 2}),
    "Gather": ([np.array([2, 0, 1])], {"axis": 1}),
    "HardSigmoid": ([], {"alpha": 1 / 6, "beta": 0.5}),
    "HardSwish": ([], {}),
    "Identity": ([], {}),
    "LeakyRelu": ([], {"alpha": 0.1}),
    "LeakyRelu, default": ([], {}),
    "Mul": ([RNG.random((1, 4, 1, 1), np.float32)], {}),
    "PRelu": ([SLOPES], {}),
    "Pad": ([np.array([0, 0, 2, 1, 0, 0, 0, 3])], {"mode": "edge"}),
    "Pad, constant": ([np.array([0, 0, 2, 1, 0, 0, 0, 3])], {}),
    "Relu": ([], {}),
    "Sigmoid": ([], {}),
    "SpaceToDepth": ([], {"blocksize": 2}),
    "Split": ([np.array([1, 3])], {"axis": 1}),
    "Sub": ([RNG.random((1, 4, 6, 8), np.float32)], {}),
    "Tanh": ([], {}),
}


def test_every_operator_that_export_knows_is_tried():
    assert {case.partition(",")[0] for case in CASES} == set(OPERATORS) == SIZE_FREE - {"Constant"}


@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_the_runtime_computes(case):
    constants, settings = CASES[case]
    operator, x = case.partition(",")[0], np.random.default_rng(1).normal(size=(1, 4, 6, 8)).astype(np.float32)
    names = [f"c{place}" for place in range(len(constants))]
    outputs = ["y", "z"] if operator == "Split" else ["y"]
    node = helper.make_node(operator, ["x", *names], outputs, **settings)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", *outputs)]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in zip(names, constants, strict=True)]
    graph = helper.make_graph([node], "one", ports[:1], ports[1:], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    expected = open_session(model.SerializeToString(), session_options()).run(outputs, {"x": x})
    found = OPERATORS[operator]([torch.from_numpy(x), *(torch.from_numpy(np.asarray(value)) for value in constants)], attributes(node))
    for one, other in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, atol=1e-5)
