"""Where a float graph is rounded: quantize and dequantize nodes around its 8-bit operators, and the part that stays float."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from pixsearch.card import STATISTICS
from pixsearch.errors import DataError
from pixsearch.export.graph import Graph, with_own_weights
from pixsearch.export.ranges import Range
from pixsearch.export.scheme import Scheme

CONVOLUTIONS = ("Conv", "ConvTranspose")
_ACTIVATIONS = ("Relu", "LeakyRelu", "Clip")
_OTHERS = ("Add", "Mul", "Concat", "Split", "Gather", "Pad", "DepthToSpace")
QUANTIZED = (*CONVOLUTIONS, *_ACTIVATIONS, *_OTHERS)
"""Operators that ONNX Runtime has for 8 bits. Others between them compute in float, from 8 bits to 8 bits.

AveragePool is left out: in 8 bits its output has the steps of its input, so that every fourth mean of four lies half-way between two of
them, and runtimes round it this way or that.
"""

_ACTIVATION_TYPES = {(True, 8): QuantType.QInt8, (False, 8): QuantType.QUInt8, (False, 16): QuantType.QUInt16}
_OPSET_OF_16_BITS = 21

_SHUFFLES = frozenset({"DepthToSpace", "Clip", "Identity"})
_LINEAR = frozenset({"Concat", "Conv", "Gather", "Identity", "Pad", "SpaceToDepth", "Split"})


class IntegerModel(ONNXModel):  # type: ignore[misc]
    """The quantizer's view of its graph, which does not look at all of it anew with each thing it adds: that is for 8-bit floats."""

    def _check_init(self, init: onnx.TensorProto, test: object = None) -> onnx.TensorProto:
        del test
        return init

    def _check_node(self, node: onnx.NodeProto) -> onnx.NodeProto:
        return node

    def initializer_extend(self, inits: Iterable[onnx.TensorProto]) -> None:
        """Add constants."""
        self.model.graph.initializer.extend(inits)

    def replace_input_of_all_nodes(self, old_input_name: str, new_input_name: str) -> None:
        """Let every reader of a tensor read another."""
        for node in self.model.graph.node:
            inputs = list(node.input)
            if old_input_name in inputs:
                node.input[:] = [new_input_name if name == old_input_name else name for name in inputs]


def float_part(model: onnx.ModelProto) -> set[str]:
    """The names of the nodes that stay float: the global skip, the addition it ends in, and what only reorders behind that.

    Without a global skip nothing does, but for what computes kernels and coefficients from the means over the picture.
    """
    graph = Graph(model)
    return _skip_part(graph) | _predicted(graph)


def _predicted(graph: Graph) -> set[str]:
    """The nodes that depend on the picture through its means alone."""
    tensors, names = {STATISTICS}, set()
    for node in graph.nodes:
        flowing = graph.flowing(node)
        if flowing and tensors.issuperset(flowing):
            tensors |= set(node.output)
            names.add(node.name)
    return names


def _skip_part(graph: Graph) -> set[str]:
    behind, end = [], graph.maker(graph.output)
    while end is not None and end.op_type in _SHUFFLES:
        behind.append(end.name)
        end = graph.maker(end.input[0])
    if end is None or end.op_type != "Add":
        return set()
    branches = [list(graph.upstream(tensor)) for tensor in graph.flowing(end)]
    skips = [branch for branch in branches if all(node.op_type in _LINEAR for node in branch)]
    if len(branches) != 2 or len(skips) != 1:
        return set()
    return {end.name, *behind, *(node.name for node in skips[0])}


def insert_steps(model: onnx.ModelProto, ranges: Mapping[str, Range], scheme: Scheme, kept: Iterable[str] = ()) -> onnx.ModelProto:
    """`model` with quantize and dequantize nodes of `scheme` around all operators of `QUANTIZED` but the nodes called `kept`.

    `ranges` may leave out tensors that are not rounded; `DataError` when one that is has none.
    """
    kept = set(kept)
    none = dict.fromkeys(Graph(model).activations(), (0.0, 0.0))  # the quantizer asks for a range even where it rounds nothing
    spans: Any = {name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in {**none, **ranges}.items()}
    quantizer = QDQQuantizer(
        with_opset_for(model, scheme),
        per_channel=scheme.per_channel,
        reduce_range=False,
        weight_qType=QuantType.QInt8 if scheme.signed_weights else QuantType.QUInt8,
        activation_qType=_ACTIVATION_TYPES[scheme.signed_activations, scheme.activation_bits],
        tensors_range=TensorsData(CalibrationMethod.MinMax, spans),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(kept),
        op_types_to_quantize=QUANTIZED,
        extra_options={},
    )
    quantizer.model = IntegerModel(quantizer.model.model)
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    made: onnx.ModelProto = quantizer.model.model
    _check_ranges(made, ranges)
    floats = {port.name for port in model.graph.input} | {name for node in model.graph.node if node.name in kept for name in node.output}
    _read_floats(made, kept, floats)
    return made


def with_opset_for(model: onnx.ModelProto, scheme: Scheme) -> onnx.ModelProto:
    """A copy of `model`, under the opset that has 16-bit quantization where `scheme` needs it; its operators mean the same there."""
    made = with_own_weights(model)
    if scheme.activation_bits > 8:
        made.opset_import[0].version = max(made.opset_import[0].version, _OPSET_OF_16_BITS)
    return made


def _check_ranges(quantized: onnx.ModelProto, ranges: Mapping[str, Range]) -> None:
    rounded = [node.input[1].removesuffix("_scale") for node in quantized.graph.node if node.op_type == "QuantizeLinear"]
    lacking = [name for name in rounded if name not in ranges]
    if lacking:
        raise DataError(f"There is no range for the tensor `{lacking[0]}`. Train the model for int8 again, or export one that was not.")


def _read_floats(quantized: onnx.ModelProto, kept: set[str], floats: set[str]) -> None:
    """Let the nodes called `kept` read the tensors `floats` themselves, not their 8-bit copies."""
    makers = {name: node for node in quantized.graph.node for name in node.output}

    def source(tensor: str) -> str:
        pair = makers.get(tensor)
        if pair is None or pair.op_type != "DequantizeLinear":
            return tensor
        rounding = makers.get(pair.input[0])
        return rounding.input[0] if rounding is not None and rounding.input[0] in floats else tensor

    for node in quantized.graph.node:
        if node.name in kept:
            node.input[:] = [source(tensor) for tensor in node.input]
