"""Nodes as ONNX Runtime hands them to providers: an operator alone, or with the quantize and dequantize nodes around it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from pixsearch.export.graph import Graph

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_KERNELS = ("Conv", "ConvTranspose")
_STORED = {
    TensorProto.UINT8: "u8",
    TensorProto.INT8: "s8",
    TensorProto.UINT16: "u16",
    TensorProto.INT16: "s16",
    TensorProto.FLOAT16: "fp16",
    TensorProto.FLOAT: "float",
}


@dataclass(frozen=True)
class Unit:
    """The operator `node`, all `nodes` that go with it, and its form: `float`, `fp16`, `u8s8/channel` …"""

    node: onnx.NodeProto
    nodes: tuple[onnx.NodeProto, ...]
    form: str

    @property
    def is_group(self) -> bool:
        """Whether it computes from quantized to quantized."""
        return len(self.nodes) > 1


class Scene:
    """A graph with the types and sides of its tensors, as far as they can be inferred."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = Graph(model)
        inferred = onnx.shape_inference.infer_shapes(model).graph
        ports = (*inferred.input, *inferred.value_info, *inferred.output)
        self._types = {port.name: port.type.tensor_type for port in ports}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def is_fixed(self, tensor: str) -> bool:
        """Whether all sides of `tensor` are numbers."""
        if tensor in self._constants:
            return True
        known = self._types.get(tensor)
        return known is not None and known.HasField("shape") and all(axis.HasField("dim_value") for axis in known.shape.dim)

    def kind(self, tensor: str) -> str:
        """What `tensor` stores: `float`, `fp16`, `u8` …; `other` where it is nothing that is computed with."""
        constant = self._constants.get(tensor)
        known = self._types.get(tensor)
        number = constant.data_type if constant is not None else known.elem_type if known is not None else 0
        return _STORED.get(number, "other")

    def length(self, tensor: str) -> int:
        """How many numbers a constant holds; 1 for others."""
        constant = self._constants.get(tensor)
        sides = list(constant.dims) if constant is not None else []
        return max(1, *sides) if sides else 1


def units_of(scene: Scene, grouped: Set[str]) -> list[Unit]:
    """Every node of the graph in one unit, in the order of computation; operators of `grouped` take their neighbours along."""
    taken: set[int] = set()
    units = []
    for node in scene.graph.nodes:
        if node.op_type in grouped and (found := _group(scene, node)) is not None:
            taken |= {id(one) for one in found.nodes}
            units.append(found)
    alone = [Unit(node, (node,), _form_alone(scene, node)) for node in scene.graph.nodes if id(node) not in taken]
    order = {id(node): place for place, node in enumerate(scene.graph.nodes)}
    return sorted([*units, *alone], key=lambda unit: order[id(unit.node)])


def _group(scene: Scene, node: onnx.NodeProto) -> Unit | None:
    """`node` with what dequantizes its inputs and quantizes its outputs, if all of them are."""
    graph = scene.graph
    makers = [graph.maker(name) for name in graph.flowing(node)]
    before = [maker for maker in makers if maker is not None and maker.op_type == DEQUANTIZE]
    behind = [reader for output in node.output for reader in graph.readers(output)]
    flowing = [maker for maker in before if not graph.is_constant(maker.input[0])]
    if len(before) != len(makers) or not flowing or not behind or any(reader.op_type != QUANTIZE for reader in behind):
        return None
    form = scene.kind(flowing[0].input[0])
    if node.op_type in _KERNELS:
        kernel = graph.maker(node.input[1])
        if kernel is None or kernel.op_type != DEQUANTIZE:
            return None
        form += scene.kind(kernel.input[0]) + ("/channel" if scene.length(kernel.input[1]) > 1 else "")
    unique = {id(one): one for one in (*before, node, *behind)}
    return Unit(node, tuple(unique.values()), form)


def _form_alone(scene: Scene, node: onnx.NodeProto) -> str:
    if node.op_type == QUANTIZE:
        return scene.kind(node.output[0])
    return scene.kind(node.input[0]) if node.input else "other"
