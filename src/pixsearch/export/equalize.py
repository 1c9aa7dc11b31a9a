"""Give the channels of a layer like ranges, so that one step size serves them all (Nagel et al. 2019, with measured ranges).

A channel can be divided by any positive number where the layer behind it multiplies it back: the network stays the same.
Nagel et al. equalize the kernels' ranges; kernels have a step for each channel here, so it is the activations that pay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx

from pixsearch.export.graph import Graph, attribute
from pixsearch.export.observe import Feeds, observe

POSITIVELY_HOMOGENEOUS = frozenset({"Relu", "LeakyRelu", "PRelu"})
"""Activations for which f(s·x) = s·f(x) when s > 0, channel by channel."""

_QUANTILE = 0.99999  # of a channel's magnitudes: what it needs of the range, but for outliers that are clipped
_SHARE = 0.35  # of the way to equal ranges: all the way makes the kernels behind uneven
_QUIETEST = 0.01  # a channel quieter than this share of the loudest is treated as if it were as loud

Factors = npt.NDArray[np.float64]


def equalize(model: onnx.ModelProto, crops: Sequence[Feeds]) -> int:
    """Rescale the channels between convolutions of `model`, in place; the number of layers that took part.

    Takes part what is convolution → (ReLU, leaky ReLU, PReLU or nothing) → convolution without other readers between.
    """
    graph = Graph(model)
    pairs = [pair for node in graph.nodes if node.op_type == "Conv" and (pair := _pair(graph, node)) is not None]
    loudness: dict[str, Factors] = {}
    for tensors in observe(model, crops):
        for _, second in pairs:
            name = second.input[0]
            loudness[name] = np.maximum(loudness.get(name, 0.0), _loudness(tensors[name]))
    for first, second in pairs:
        factors = _factors(loudness[second.input[0]])
        _divide_outputs(graph, first, factors)
        _multiply_inputs(graph, second, factors)
    return len(pairs)


def _pair(graph: Graph, first: onnx.NodeProto) -> tuple[onnx.NodeProto, onnx.NodeProto] | None:
    """`first` and the one convolution that reads its channels, if it is so simple."""
    tensor = first.output[0]
    readers = graph.readers(tensor)
    if len(readers) == 1 and readers[0].op_type in POSITIVELY_HOMOGENEOUS and readers[0].input[0] == tensor:
        tensor = readers[0].output[0]
        readers = graph.readers(tensor)
    if tensor == graph.output or len(readers) != 1 or readers[0].op_type not in ("Conv", "ConvTranspose"):
        return None
    second = readers[0]
    if not (graph.is_constant(first.input[1]) and graph.is_constant(second.input[1])):
        return None
    channels = graph.constant(first.input[1]).shape[0]
    simple = all(_is_own(graph, node) and (attribute(node, "group", 1) == 1 or _is_depthwise(graph, node)) for node in (first, second))
    return (first, second) if simple and channels > 1 else None


def _is_own(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether no other node uses this one's kernel."""
    return len(graph.readers(node.input[1])) == 1


def _is_depthwise(graph: Graph, node: onnx.NodeProto) -> bool:
    shape = graph.constant(node.input[1]).shape
    return bool(node.op_type == "Conv" and attribute(node, "group", 1) == shape[0] and shape[1] == 1)


def _loudness(values: npt.NDArray[np.float32]) -> Factors:
    """What each channel of (1, C, H, W) reaches but for rare outliers."""
    channels = np.abs(values[0]).reshape(values.shape[1], -1)
    place = int(_QUANTILE * (channels.shape[1] - 1))
    return np.partition(channels, place, axis=1)[:, place].astype(np.float64)


def _factors(loudness: Factors) -> Factors:
    """What each channel is divided by; their geometric mean is 1."""
    if loudness.max() <= 0:
        return np.ones_like(loudness)
    heard = np.maximum(loudness, _QUIETEST * loudness.max())
    factors: Factors = (heard / np.exp(np.log(heard).mean())) ** _SHARE
    return factors


def _divide_outputs(graph: Graph, node: onnx.NodeProto, factors: Factors) -> None:
    kernel = graph.constant(node.input[1])
    graph.replace(node.input[1], (kernel / factors[:, None, None, None]).astype(np.float32))
    if len(node.input) > 2:
        graph.replace(node.input[2], (graph.constant(node.input[2]) / factors).astype(np.float32))


def _multiply_inputs(graph: Graph, node: onnx.NodeProto, factors: Factors) -> None:
    kernel = graph.constant(node.input[1])
    by_first_axis = node.op_type == "ConvTranspose" or _is_depthwise(graph, node)
    shaped = factors[:, None, None, None] if by_first_axis else factors[None, :, None, None]
    graph.replace(node.input[1], (kernel * shaped).astype(np.float32))
