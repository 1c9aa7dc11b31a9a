"""What an exported graph takes and gives: 8-bit camera buffers instead of float planes, one size instead of any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pixsearch.card import ModelCard
from pixsearch.errors import UsageError
from pixsearch.infer.ports import LEVELS, UINT8_NHWC
from pixsearch.signature import NEXT, Port
from pixsearch.tasks.base import task_for

_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def with_uint8_ports(model: onnx.ModelProto, card: ModelCard) -> tuple[onnx.ModelProto, ModelCard]:
    """`model` (float planes, any size) with uint8 (1, H, W, C) in and out under the same names, and its card.

    A level is the upper end of the port's range / 255. What is given is rounded to the nearest level and saturates. `UsageError` for
    ports whose range does not begin at zero, or that stand for a state.
    """
    ports = (*card.signature.inputs, card.signature.output)
    if card.signature.state or any(port.low != 0 for port in ports):
        raise UsageError(f"`{UINT8_NHWC}` suits planes from 0 up, which the task `{card.signature.task}` does not have alone. Use `float`.")
    task = task_for(card.signature)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    inside = {port.name: f"{port.name}_planes" for port in ports}
    for node in graph.node:
        node.input[:] = [inside.get(name, name) for name in node.input]
        node.output[:] = [inside.get(name, name) for name in node.output]
    before = [node for port in card.signature.inputs for node in _read(graph, port, inside[port.name])]
    after = _write(graph, card.signature.output, inside[card.signature.output.name])
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    for info, port in zip((*graph.input, *graph.output), ports, strict=True):
        *_, height, width = (axis.dim_param for axis in info.type.tensor_type.shape.dim)
        info.CopyFrom(helper.make_tensor_value_info(port.name, TensorProto.UINT8, [1, height, width, port.channels]))
        info.doc_string = f"uint8 (1, H, W, {port.channels}): {task.meaning(port.name)}"
    return made, card.with_(io=UINT8_NHWC)


def _read(graph: onnx.GraphProto, port: Port, planes: str) -> list[onnx.NodeProto]:
    scale = _levels(graph, port)
    return [
        helper.make_node("DequantizeLinear", [port.name, *scale], [f"{port.name}_nhwc"], name=f"{port.name}_from_levels"),
        helper.make_node("Transpose", [f"{port.name}_nhwc"], [planes], name=f"{port.name}_to_planes", perm=_TO_NCHW),
    ]


def _write(graph: onnx.GraphProto, port: Port, planes: str) -> list[onnx.NodeProto]:
    scale = _levels(graph, port)
    return [
        helper.make_node("Transpose", [planes], [f"{port.name}_nhwc"], name=f"{port.name}_from_planes", perm=_TO_NHWC),
        helper.make_node("QuantizeLinear", [f"{port.name}_nhwc", *scale], [port.name], name=f"{port.name}_to_levels"),
    ]


def _levels(graph: onnx.GraphProto, port: Port) -> list[str]:
    """The names of the constants that say what a level is."""
    constants = {f"{port.name}_level": np.float32(port.high / LEVELS), f"{port.name}_zero": np.uint8(0)}
    graph.initializer.extend(numpy_helper.from_array(np.array(value), name) for name, value in constants.items())
    return list(constants)


def with_shape(model: onnx.ModelProto, card: ModelCard, shape: Sequence[int]) -> tuple[onnx.ModelProto, ModelCard]:
    """`model` (any size) for inputs of height and width `shape` alone, and its card; `UsageError` for sides that it cannot take."""
    height, width = shape
    if height % card.multiple or width % card.multiple:
        raise UsageError(
            f"`--shape {height}x{width}` does not suit `{card.label}`, which takes sides that are multiples of {card.multiple}. "
            f"Write `--shape {height + -height % card.multiple}x{width + -width % card.multiple}`."
        )
    made = onnx.ModelProto()
    made.CopyFrom(model)
    first = 1 if card.io == UINT8_NHWC else 2
    signature = card.signature
    states = {name for port in signature.state for name in (port.name, f"{NEXT}{port.name}")}
    for port in (*made.graph.input, *made.graph.output):
        up, down = (1, card.multiple) if port.name in states else (signature.scale if port.name == signature.output.name else 1, 1)
        axes = port.type.tensor_type.shape.dim
        axes[first].dim_value, axes[first + 1].dim_value = height * up // down, width * up // down
    return made, card.with_(shape=(height, width))
