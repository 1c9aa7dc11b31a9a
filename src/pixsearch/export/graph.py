"""Look around in an ONNX graph: who makes a tensor, who reads it, and the constants a node takes."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Constant = npt.NDArray[np.float32]


class Graph:
    """A view of `model` that stays true as long as no node is added or removed; constants can be replaced."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self.inputs = [port.name for port in model.graph.input]
        self.output: str = model.graph.output[0].name
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._maker = {name: node for node in self.nodes for name in node.output}

    def maker(self, tensor: str) -> onnx.NodeProto | None:
        """The node whose output `tensor` is; None for inputs and constants."""
        return self._maker.get(tensor)

    def readers(self, tensor: str) -> list[onnx.NodeProto]:
        """The nodes that read `tensor`."""
        return [node for node in self.nodes if tensor in node.input]

    def activations(self) -> list[str]:
        """Every tensor that depends on the picture: inputs first, then in the order they are computed."""
        return [*self.inputs, *(name for node in self.nodes for name in node.output if name)]

    def flowing(self, node: onnx.NodeProto) -> list[str]:
        """The inputs of `node` that depend on the picture."""
        return [name for name in node.input if name and name not in self._constants]

    def is_constant(self, name: str) -> bool:
        """Whether `name` is a constant of the graph."""
        return name in self._constants

    def constant(self, name: str) -> Constant:
        """A copy of the constant called `name`."""
        values: Constant = numpy_helper.to_array(self._constants[name]).copy()
        return values

    def replace(self, name: str, values: Constant) -> None:
        """Put `values` in place of the constant called `name`."""
        self._constants[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))

    def upstream(self, tensor: str) -> Iterator[onnx.NodeProto]:
        """The nodes that `tensor` is computed by, nearest first, each once."""
        seen: set[str] = set()
        waiting = [tensor]
        while waiting:
            node = self.maker(waiting.pop(0))
            if node is not None and node.output[0] not in seen:
                seen.add(node.output[0])
                yield node
                waiting += self.flowing(node)


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """The value of a node's attribute, or `default` where it is left out."""
    found = next((item for item in node.attribute if item.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    """Give a node's attribute another value."""
    others = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*others, onnx.helper.make_attribute(name, value)])


def channels_of(model: onnx.ModelProto) -> dict[str, int]:
    """The sides of the second axis of every activation whose shape is known, inferred from the inputs'."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {port.name: port.type.tensor_type.shape.dim for port in (*graph.input, *graph.value_info, *graph.output)}
    return {name: axes[1].dim_value for name, axes in known.items() if len(axes) > 1 and axes[1].HasField("dim_value")}


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """All attributes of a node that are written down, text as `str`."""
    values = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


COPY = "@"
"""What stands between a constant's name and the number of its copy."""


def with_own_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in which convolutions that share their kernel or bias have copies of their own, called `NAME@1`, `NAME@2`, …

    ONNX Runtime does not open a model in which several nodes restore one 8-bit kernel.
    """
    own = copy.deepcopy(model)
    constants = {tensor.name: tensor for tensor in own.graph.initializer}
    uses: Counter[str] = Counter()
    for node in own.graph.node:
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        for place, name in enumerate(node.input):
            if name in constants and (number := uses[name]):
                node.input[place] = f"{name}{COPY}{number}"
                own.graph.initializer.append(constants[name])
                own.graph.initializer[-1].name = node.input[place]
            uses[name] += 1
    return own


def lasting_names(graph: Graph) -> dict[str, str]:
    """A name for every tensor that depends on the picture, out of the network's own names and not the exporter's.

    A convolution's output is called as its module, what an operator makes of a tensor `TENSOR/Operator`, so that what is
    recorded of a tensor is found again in another export of the network.
    """
    names = {name: name for name in graph.inputs}
    for node in graph.nodes:
        kernel = node.input[1] if node.op_type in ("Conv", "ConvTranspose") else ""
        name = kernel.removesuffix(".weight") or f"{names[graph.flowing(node)[0]]}/{node.op_type}"
        for place, output in enumerate(node.output):
            own = f"{name}:{place}" if place else name
            taken = set(names.values())
            names[output] = own if own not in taken else next(f"{own}#{n}" for n in range(2, 10**6) if f"{own}#{n}" not in taken)
    return names


def named_nodes(nodes: Iterable[onnx.NodeProto]) -> list[str]:
    """The names of `nodes`."""
    return [node.name for node in nodes]
