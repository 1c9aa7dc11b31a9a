"""A mixture as an ONNX graph: rounding where the formats ask for it, and integer convolutions whose sums become floats.

ONNX Runtime's CPU provider has integer kernels for 8 bits alone. It computes 16 bits in float, between a quantize and a dequantize node;
a convolution whose 32-bit sums are wanted it has as `ConvInteger`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pixsearch.bits.formats import Mixture
from pixsearch.bits.layers import LayerNodes, widths
from pixsearch.export.graph import attributes
from pixsearch.export.quantize import Plan
from pixsearch.export.steps import insert_steps

_OPSET_OF_16_BITS = 21
_INNER = "_QuantizeLinear_Input"  # what the quantizer appends to the name of a graph's output
_STEPS_OF_16_BITS = 2**16 - 1


def mixed(plan: Plan, layers: Sequence[LayerNodes], mixture: Mixture, model: onnx.ModelProto | None = None) -> onnx.ModelProto:
    """The graph of `plan`, or its `model` with other weights, in the formats of `mixture`; all int8 it is that of `quantized`."""
    float_model = plan.model if model is None else model
    chosen = list(zip(layers, mixture, strict=True))
    floats = {node.name for layer, one in chosen for node in layer.nodes if one == "float"}
    floats |= {node.name for layer, one in chosen for node in layer.nodes[1:] if one == "int32"}
    made = _Made(insert_steps(float_model, plan.ranges, plan.scheme, plan.kept | floats))
    bits = widths(float_model, layers, mixture)
    for pair in made.pairs():
        wide = bits.get(pair.input[0].removesuffix(_INNER), 8)
        if wide is None:
            made.drop(pair)
        elif wide == 16:
            made.widen(pair)
    for layer, one in chosen:
        if one == "int32":
            made.sum_up(layer.nodes[0].name)
    return made.swept()


class _Made:
    """A quantized graph while it is changed."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.graph = model, model.graph
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self.makers = {name: node for node in self.graph.node for name in node.output}

    def pairs(self) -> list[onnx.NodeProto]:
        """The nodes that quantize an activation."""
        return [node for node in self.graph.node if node.op_type == "QuantizeLinear"]

    def _behind(self, quantize: onnx.NodeProto) -> list[onnx.NodeProto]:
        return [node for node in self.graph.node if node.op_type == "DequantizeLinear" and node.input[0] == quantize.output[0]]

    def drop(self, quantize: onnx.NodeProto) -> None:
        """Let all readers of a rounded tensor read the tensor itself."""
        source, outputs = quantize.input[0], {port.name for port in self.graph.output}
        for behind in self._behind(quantize):
            own = behind.output[0]
            old, new = (source, own) if own in outputs else (own, source)
            if own in outputs:
                behind.output[0] = f"{own}_unused"
                self.makers[source].output[:] = [own if name == source else name for name in self.makers[source].output]
            for node in self.graph.node:
                node.input[:] = [new if name == old else name for name in node.input]

    def widen(self, quantize: onnx.NodeProto) -> None:
        """Store a rounded tensor in 16 bits, over the range that it has in 8."""
        step, zero = (numpy_helper.to_array(self.constants[name]) for name in quantize.input[1:3])
        low, high = ((np.iinfo(zero.dtype).min - zero.astype(np.int64)) * step, (np.iinfo(zero.dtype).max - zero.astype(np.int64)) * step)
        fine = np.asarray((high - low) / _STEPS_OF_16_BITS, np.float32)
        both: list[npt.NDArray[Any]] = [fine, np.asarray(np.rint(-low / fine), np.uint16)]
        names = [self.constant(f"{name}_16", value) for name, value in zip(quantize.input[1:3], both, strict=True)]
        for node in (quantize, *self._behind(quantize)):
            node.input[1:] = names
        self.model.opset_import[0].version = max(self.model.opset_import[0].version, _OPSET_OF_16_BITS)

    def constant(self, name: str, values: npt.NDArray[Any]) -> str:
        """A constant, made once; its name."""
        if name not in self.constants:
            self.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
            self.constants[name] = self.graph.initializer[-1]
        return name

    def sum_up(self, name: str) -> None:
        """Let the convolution called `name` give its sums as floats."""
        place, conv = next((place, node) for place, node in enumerate(self.graph.node) if node.name == name)
        activation, kernel, *bias = (self.makers[tensor] for tensor in conv.input)
        step, levels, zero = (
            numpy_helper.to_array(self.constants[tensor]) for tensor in (kernel.input[1], kernel.input[0], kernel.input[2])
        )
        # Products of unsigned weights do not saturate on x86 without VNNI, as those of signed ones do.
        shift = 128 if levels.dtype == np.int8 else 0
        weights = self.constant(f"{kernel.input[0]}_unsigned", (levels.astype(np.int16) + shift).astype(np.uint8))
        middle = self.constant(f"{kernel.input[0]}_middle", np.asarray(zero.flat[0].astype(np.int16) + shift, np.uint8))
        scale = numpy_helper.to_array(self.constants[activation.input[1]]).astype(np.float64) * step.astype(np.float64)
        column = (1, -1, 1, 1)
        sums, floats, scaled = (f"{name}_{word}" for word in ("sums", "floats", "scaled"))
        factor = self.constant(f"{name}_factor", scale.astype(np.float32).reshape(column))
        inputs = [activation.input[0], weights, activation.input[2], middle]
        nodes = [
            helper.make_node("ConvInteger", inputs, [sums], name=sums, **attributes(conv)),
            helper.make_node("Cast", [sums], [floats], name=floats, to=TensorProto.FLOAT),
            helper.make_node("Mul", [floats, factor], [scaled if bias else conv.output[0]], name=scaled),
        ]
        if bias:
            whole, unit = (numpy_helper.to_array(self.constants[tensor]) for tensor in bias[0].input[:2])
            offset = self.constant(f"{name}_offset", (whole * unit.astype(np.float64)).astype(np.float32).reshape(column))
            nodes.append(helper.make_node("Add", [scaled, offset], [conv.output[0]], name=name))
        rest = list(self.graph.node)
        rest[place : place + 1] = nodes
        del self.graph.node[:]
        self.graph.node.extend(rest)
        self.makers = {tensor: node for node in self.graph.node for tensor in node.output}

    def swept(self) -> onnx.ModelProto:
        """The graph without the nodes and constants that nothing reads."""
        wanted, kept = {port.name for port in self.graph.output}, []
        for node in reversed(self.graph.node):
            if wanted.intersection(node.output):
                wanted |= set(node.input)
                kept.append(node)
        constants = [tensor for tensor in self.graph.initializer if tensor.name in wanted]
        del self.graph.node[:], self.graph.initializer[:], self.graph.value_info[:]
        self.graph.node.extend(reversed(kept))
        self.graph.initializer.extend(constants)
        return self.model
