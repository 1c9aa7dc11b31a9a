"""Depth to space with the sub-pixel before the channel (ONNX's mode DCR), the one order that NNAPI takes.

PyTorch has the channel before the sub-pixel (CRD). What computes the channels is put in the other order instead: kernels and
biases of convolutions, inputs of concatenations. The network stays the same, value by value.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx

from pixsearch.export.graph import Graph, attribute, channels_of, set_attribute

Order = npt.NDArray[np.intp]


def subpixels_first(model: onnx.ModelProto) -> int:
    """Turn every depth-to-space of `model` to DCR, in place; the number of those that stay as they are.

    One stays where something else than convolutions, additions and concatenations of single channels computes its channels.
    """
    graph, channels = Graph(model), channels_of(model)
    left = 0
    for node in graph.nodes:
        if node.op_type != "DepthToSpace" or attribute(node, "mode", b"DCR") == b"DCR":
            continue
        order = _order(channels[node.input[0]], attribute(node, "blocksize", 0))
        if not _can_reorder(graph, channels, node.input[0], order):
            left += 1
            continue
        _reorder(graph, channels, node.input[0], order)
        set_attribute(node, "mode", "DCR")
    return left


def _order(channels: int, side: int) -> Order:
    """The place in CRD of each channel in DCR."""
    return np.arange(channels).reshape(-1, side**2).T.ravel()


def _is_same(order: Order) -> bool:
    return bool((order == np.arange(len(order))).all())


def _can_reorder(graph: Graph, channels: dict[str, int], tensor: str, order: Order) -> bool:
    if _is_same(order) or channels.get(tensor) == 1:  # one channel is added to each alike
        return True
    node = graph.maker(tensor)
    if node is None or len(graph.readers(tensor)) != 1 or tensor == graph.output:
        return False
    if node.op_type == "Add":
        return all(_can_reorder(graph, channels, name, order) for name in graph.flowing(node)) and len(graph.flowing(node)) == 2
    if node.op_type == "Concat":
        return attribute(node, "axis", 1) == 1 and all(channels.get(name) == 1 for name in node.input)
    return node.op_type == "Conv" and all(graph.is_constant(name) and len(graph.readers(name)) == 1 for name in node.input[1:])


def _reorder(graph: Graph, channels: dict[str, int], tensor: str, order: Order) -> None:
    if _is_same(order) or channels.get(tensor) == 1:
        return
    node = graph.maker(tensor)
    assert node is not None
    if node.op_type == "Add":
        for name in node.input:
            _reorder(graph, channels, name, order)
    elif node.op_type == "Concat":
        node.input[:] = [node.input[place] for place in order]
    else:
        _reorder_convolution(graph, node, order)


def _reorder_convolution(graph: Graph, node: onnx.NodeProto, order: Order) -> None:
    kernel = _ungrouped(graph.constant(node.input[1]), attribute(node, "group", 1))
    graph.replace(node.input[1], kernel[order])
    set_attribute(node, "group", 1)
    if len(node.input) > 2:
        graph.replace(node.input[2], graph.constant(node.input[2])[order])


def _ungrouped(kernel: npt.NDArray[np.float32], groups: int) -> npt.NDArray[np.float32]:
    """The kernel (O, I, h, w) of a plain convolution equal to one in `groups`: zeros where a group does not look."""
    if groups == 1:
        return kernel
    outputs, inputs = len(kernel) // groups, kernel.shape[1]
    whole = np.zeros((len(kernel), inputs * groups, *kernel.shape[2:]), np.float32)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        whole[rows, group * inputs : (group + 1) * inputs] = kernel[rows]
    return whole
