"""The int8 graph of a network as a torch module that can be trained: the very nodes that export writes, one by one.

It is read off the graph with its QuantizeLinear and DequantizeLinear nodes, so rounding stands where export puts it, and
what stays float there stays float here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from pixsearch.errors import UsageError
from pixsearch.export.graph import COPY, attributes
from pixsearch.export.ranges import Range
from pixsearch.export.scheme import Scheme
from pixsearch.export.steps import CONVOLUTIONS
from pixsearch.qat.operators import OPERATORS
from pixsearch.qat.rounding import RangeRounding, kernel_step, rounded_bias, rounded_kernel

_ROUND, _RESTORE = "QuantizeLinear", "DequantizeLinear"


class Plain(nn.Module):
    """A node that computes in float, its constants and weights by the place they have among its inputs."""

    def __init__(self, operator: str, settings: dict[str, Any], fixed: dict[int, Tensor]) -> None:
        super().__init__()
        self.operator, self.settings, self.places = operator, settings, sorted(fixed)
        for place, value in fixed.items():
            _hold(self, f"input{place}", value)

    def forward(self, *flowing: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The node's outputs for the inputs that depend on the picture."""
        inputs = list(flowing)
        for place in self.places:
            inputs.insert(place, getattr(self, f"input{place}"))
        return OPERATORS[self.operator](inputs, self.settings)


class Convolution(nn.Module):
    """A convolution in integers, of either kind: kernel and bias are rounded anew each time, as export will round them."""

    kernel: Tensor
    bias: Tensor | None

    def __init__(
        self, operator: str, settings: dict[str, Any], kernel: Tensor, bias: Tensor | None, axis: int, source: RangeRounding, scheme: Scheme
    ) -> None:
        super().__init__()
        self.operator, self.settings, self.axis, self.source, self.scheme = operator, settings, axis, source, scheme
        _hold(self, "kernel", kernel)
        _hold(self, "bias", bias)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """`x` has been rounded by `source`."""
        step, zero = kernel_step(self.kernel, self.scheme, self.axis)
        inputs = [x, rounded_kernel(self.kernel, step, zero, self.scheme)]
        if self.bias is not None:
            inputs.append(rounded_bias(self.bias, step.flatten() * self.source.step()[0]))
        return OPERATORS[self.operator](inputs, self.settings)


def _hold(module: nn.Module, name: str, value: Tensor | None) -> None:
    """A weight as a parameter (shared with the network it is of), a constant as a buffer."""
    if isinstance(value, nn.Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value, persistent=False)


@dataclass
class Wire:
    """Which tensors a node reads and writes, and which of them nobody needs behind it."""

    inputs: list[str]
    outputs: list[str]
    last_read: list[str]


class Simulated(nn.Module):
    """A network's body as int8 computes it: (N, C, H, W) → (N, C, H·scale, W·scale), float32 whatever autocast asks for.

    `plain` is the float body, whose weights are the ones in use. `ranges` are the activations' 8 bits by tensor. `graph` is
    the int8 graph, `weights` the network's weights by the names of its float constants. `UsageError` for an operator
    that torch is not told how to compute.
    """

    def __init__(
        self,
        plain: nn.Module,
        graph: onnx.GraphProto,
        weights: Mapping[str, nn.Parameter],
        ranges: Mapping[str, Range],
        scheme: Scheme,
        *,
        learned: bool,
    ) -> None:
        super().__init__()
        self.plain = plain
        reader = _Reader(graph, weights, ranges, scheme, learned)
        self.ports, self.channels = reader.ports, reader.channels
        self.nodes, self.wires, self.output = nn.ModuleList(reader.nodes), reader.wires, reader.output
        self._ranges = reader.ranges

    @property
    def ranges(self) -> dict[str, RangeRounding]:
        """The rounding of every rounded activation, by tensor."""
        found = {name: self.nodes[place] for name, place in self._ranges.items()}
        return {name: node for name, node in found.items() if isinstance(node, RangeRounding)}

    def forward(self, x: Tensor) -> Tensor:
        """Several inputs come as one, channels behind channels."""
        with torch.autocast(x.device.type, enabled=False):
            values = dict(zip(self.ports, torch.split(x.float(), self.channels, 1), strict=True))
            for node, wire in zip(self.nodes, self.wires, strict=True):
                found = node(*(values[name] for name in wire.inputs))
                values.update(zip(wire.outputs, found if isinstance(found, tuple) else (found,), strict=True))
                for name in wire.last_read:
                    del values[name]
            output: Tensor = values[self.output]
            return output


class _Reader:
    """Takes an int8 graph apart into nodes and wires."""

    def __init__(
        self, graph: onnx.GraphProto, weights: Mapping[str, nn.Parameter], ranges: Mapping[str, Range], scheme: Scheme, learned: bool
    ) -> None:
        self.ports = [port.name for port in graph.input]
        self.channels = [port.type.tensor_type.shape.dim[1].dim_value for port in graph.input]
        self.nodes: list[nn.Module] = []
        self.wires: list[Wire] = []
        self.ranges: dict[str, int] = {}
        self._weights, self._scheme, self._learned, self._ends = weights, scheme, learned, ranges
        self._constants = {item.name: item for item in graph.initializer}
        self._restored: dict[str, onnx.NodeProto] = {}
        self._same: dict[str, str] = {}
        for node in graph.node:
            self._read(node)
        self.output = self._named(graph.output[0].name)
        self._forget()

    def _read(self, node: onnx.NodeProto) -> None:
        if node.op_type == _RESTORE and node.input[0] in self._constants:
            self._restored[node.output[0]] = node
        elif node.op_type == _RESTORE:
            self._same[node.output[0]] = node.input[0]
        elif node.op_type == _ROUND:
            self._add(node, self._range(node), node.input[:1])
        elif node.op_type in CONVOLUTIONS and node.input[1] in self._restored:
            self._add(node, self._convolution(node), node.input[:1])
        elif node.op_type in OPERATORS:
            fixed = {place: self._fixed(name) for place, name in enumerate(node.input) if name in self._constants}
            flowing = [name for name in node.input if name and name not in self._constants]
            self._add(node, Plain(node.op_type, attributes(node), fixed), flowing)
        else:
            raise UsageError(f"The network computes a `{node.op_type}`, which cannot be trained for int8. Choose another architecture.")

    def _range(self, node: onnx.NodeProto) -> RangeRounding:
        name = node.input[1].removesuffix("_scale")
        if name in self.ranges:
            known = self.nodes[self.ranges[name]]
            assert isinstance(known, RangeRounding)
            return known
        self.ranges[name] = len(self.nodes)
        return RangeRounding(*self._ends[name], self._scheme, learned=self._learned)

    def _convolution(self, node: onnx.NodeProto) -> Convolution:
        kernel = self._restored[node.input[1]]
        bias = self._fixed(self._float_name(node.input[2])) if len(node.input) > 2 else None
        axis = attributes(kernel).get("axis", 0)
        source = next(place for place, wire in enumerate(self.wires) if wire.outputs == [self._named(node.input[0])])
        rounding = self.nodes[source]
        assert isinstance(rounding, RangeRounding), "what a convolution in integers reads has been rounded"
        return Convolution(node.op_type, attributes(node), self._fixed(self._float_name(node.input[1])), bias, axis, rounding, self._scheme)

    def _float_name(self, name: str) -> str:
        """What the constant was called before it became integers, and before nodes that share it got one each."""
        integers: str = self._restored[name].input[0]
        return integers.removesuffix("_quantized").partition(COPY)[0]

    def _fixed(self, name: str) -> Tensor:
        return self._weights[name] if name in self._weights else torch.from_numpy(numpy_helper.to_array(self._constants[name]).copy())

    def _named(self, name: str) -> str:
        """A tensor's name, the same before and behind a DequantizeLinear."""
        return self._same.get(name, name)

    def _add(self, node: onnx.NodeProto, module: nn.Module, inputs: Any) -> None:
        self.nodes.append(module)
        self.wires.append(Wire([self._named(name) for name in inputs], list(node.output), []))

    def _forget(self) -> None:
        """Note where each tensor is read last."""
        kept = {self.output}
        for wire in reversed(self.wires):
            wire.last_read = [name for name in dict.fromkeys((*wire.inputs, *wire.outputs)) if name not in kept]
            kept.update(wire.last_read)
