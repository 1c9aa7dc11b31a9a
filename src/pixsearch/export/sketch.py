"""A network's graph without PyTorch's exporter: the same operators on the same shapes, in milliseconds instead of tenths of a second.

It serves to say what a network would cost. What is delivered goes through `export.onnx`; a test holds the two together.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import fx, nn
from torch.nn import functional as F

from pixsearch.export.onnx import OPSET
from pixsearch.nn import body
from pixsearch.nn.build import Network
from pixsearch.signature import Port, Signature
from pixsearch.space.cost import BICUBIC

Attributes = dict[str, Any]


class _Tracer(fx.Tracer):
    """Stops at layers, at the global skips and at space-to-depth, which look at sizes that are not known yet."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=(body.fold,))

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, body.Nearest | body.Bicubic) or super().is_leaf_module(m, module_qualified_name)


def sketch(network: Network) -> onnx.ModelProto | None:
    """The float graph of the deploy form `network` for any height and width; None when it holds something that is not known here."""
    if network.signature.state:
        return None
    try:
        traced = _Tracer().trace(network.body)
        return _Sketch(network).draw(traced)
    except (_UnknownPartError, fx.proxy.TraceError, TypeError, RuntimeError):
        return None


class _UnknownPartError(Exception):
    """A part of a network that has no entry below."""


class _Sketch:
    """The nodes and constants of one graph while it is drawn."""

    def __init__(self, network: Network) -> None:
        self.signature: Signature = network.signature
        self.body = network.body
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.channels: dict[str, int] = {port.name: port.channels for port in self.signature.inputs}

    def draw(self, traced: fx.Graph) -> onnx.ModelProto:
        """Node by node, in the order they are computed."""
        names: dict[fx.Node, str] = {}
        for node in traced.nodes:
            if node.op == "placeholder":
                names[node] = self._input()
            elif node.op == "output":
                self.nodes[-1].output[0] = self.signature.output.name
            else:
                given = [names.get(argument, argument) if isinstance(argument, fx.Node) else argument for argument in node.args]
                names[node] = self._part(node)(self, *given)
        return self._model()

    def _part(self, node: fx.Node) -> Callable[..., str]:
        if node.kwargs:
            raise _UnknownPartError(f"{node.target}({node.kwargs})")
        if node.op == "call_module":
            module = self.body.get_submodule(str(node.target))
            for kind, draw in _MODULES.items():
                if isinstance(module, kind):
                    return lambda sketch, *given: draw(sketch, module, *given)
        elif node.op == "call_function" and node.target in _FUNCTIONS:
            return _FUNCTIONS[node.target]
        raise _UnknownPartError(str(node.target))

    def _input(self) -> str:
        ports = [port.name for port in self.signature.inputs]
        if len(ports) == 1:
            return ports[0]
        return self.add("Concat", ports, sum(port.channels for port in self.signature.inputs), axis=1)

    def add(self, kind: str, inputs: Sequence[str], channels: int, outputs: int = 1, **attributes: Any) -> str:
        """Append a node; the name of its first output, which has `channels`."""
        number = len(self.nodes)
        names = [f"{kind}_{number}" + (f"_{place}" if place else "") for place in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"node_{names[0]}", **attributes))
        self.channels |= dict.fromkeys(names, channels)
        return names[0]

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Append a constant; its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weight(self, values: torch.Tensor) -> str:
        """Append a network's own weights; their name."""
        return self.constant(values.detach().cpu().numpy())

    def _model(self) -> onnx.ModelProto:
        inputs = [_value(port, "height", "width") for port in self.signature.inputs]
        output = _value(self.signature.output, "output_height", "output_width")
        graph = helper.make_graph(self.nodes, "sketch", inputs, [output], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def _value(port: Port, height: str, width: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(port.name, TensorProto.FLOAT, [1, port.channels, height, width])


def _convolution(s: _Sketch, conv: nn.Conv2d, x: str) -> str:
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise _UnknownPartError(str(conv))
    inputs = [x, s.weight(conv.weight), *([] if conv.bias is None else [s.weight(conv.bias)])]
    return _conv(s, inputs, conv.weight, pads=conv.padding * 2, strides=conv.stride, dilations=conv.dilation, group=conv.groups)


def _conv(s: _Sketch, inputs: list[str], kernel: torch.Tensor, **attributes: Any) -> str:
    return s.add("Conv", inputs, len(kernel), kernel_shape=list(kernel.shape[2:]), **attributes)


def _prelu(s: _Sketch, module: nn.PReLU, x: str) -> str:
    return s.add("PRelu", [x, s.weight(module.weight[None, :, None, None])], s.channels[x])


def _bicubic(s: _Sketch, skip: body.Bicubic, x: str) -> str:
    if s.channels[x] != skip.channels:
        raise _UnknownPartError("a slice of the input")
    border = BICUBIC
    padded = s.add("Pad", [x, s.constant(np.array([0, 0, border, border] * 2))], skip.channels, mode="edge")
    steps = {"pads": [0] * 4, "strides": [skip.block] * 2, "dilations": [1, 1], "group": skip.channels}
    return _conv(s, [padded, s.weight(skip.kernel)], skip.kernel, **steps)


def _nearest(s: _Sketch, skip: body.Nearest, x: str) -> str:
    channels = s.channels[x]
    if skip.sources == list(range(channels)) or (channels == 1 and set(skip.sources) == {0}):
        return x
    if len(set(skip.sources)) == 1:
        raise _UnknownPartError("a slice of the input")
    first = s.add("Split", [x], 1, outputs=channels, axis=1, num_outputs=channels)
    parts = [first, *(f"{first}_{place}" for place in range(1, channels))]
    return s.add("Concat", [parts[source] for source in skip.sources], len(skip.sources), axis=1)


def _add(s: _Sketch, a: str, b: str) -> str:
    return s.add("Add", [a, b], max(s.channels[a], s.channels[b]))


def _pixel_shuffle(s: _Sketch, x: str, side: int) -> str:
    return s.add("DepthToSpace", [x], s.channels[x] // side**2, blocksize=side, mode="CRD")


def _fold(s: _Sketch, x: str, side: int) -> str:
    return s.add("SpaceToDepth", [x], side**2 * s.channels[x], blocksize=side)


_MODULES: dict[type[nn.Module], Callable[..., str]] = {
    nn.Conv2d: _convolution,
    nn.ReLU: lambda s, _relu, x: s.add("Relu", [x], s.channels[x]),
    nn.LeakyReLU: lambda s, leaky, x: s.add("LeakyRelu", [x], s.channels[x], alpha=leaky.negative_slope),
    nn.PReLU: _prelu,
    nn.Hardswish: lambda s, _hardswish, x: s.add("HardSwish", [x], s.channels[x]),
    body.Bicubic: _bicubic,
    body.Nearest: _nearest,
}
_FUNCTIONS: dict[Any, Callable[..., str]] = {
    operator.add: _add,
    F.pixel_shuffle: _pixel_shuffle,
    body.fold: _fold,
}
