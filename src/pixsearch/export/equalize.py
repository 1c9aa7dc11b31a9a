"""Give the channels of a layer like ranges, so that one step size serves them all (Nagel et al. 2019, with measured ranges).

A channel can be divided by any positive number where the layer behind it multiplies it back: the network stays the same.
Nagel et al. equalize the kernels' ranges; kernels have a step for each channel here, so it is the activations that pay. These are
rounded in front of the activation function and behind it. Channels that reach far below zero widen the first step alone, so how
far up and how far down a channel may reach is balanced by the error that both steps cause in the layer behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from pixsearch.export.graph import Graph, attribute
from pixsearch.export.observe import Feeds, observe
from pixsearch.export.ranges import slope_behind

POSITIVELY_HOMOGENEOUS = frozenset({"Relu", "LeakyRelu", "PRelu"})
"""Activations for which f(s·x) = s·f(x) when s > 0, channel by channel."""

_QUANTILE = 0.9999  # of a channel's values: what it needs of the range, but for outliers that are clipped
_QUIETEST = 0.01  # a channel quieter than this share of the loudest is treated as if it were as loud
_RATIOS = np.geomspace(0.05, 20, 200)

Factors = npt.NDArray[np.float64]


@dataclass
class Reach:
    """How far the values of each channel of a convolution go up and down from zero, and the mean share of them above it."""

    up: Factors
    down: Factors
    above: Factors


def equalize(model: onnx.ModelProto, crops: Sequence[Feeds]) -> int:
    """Rescale the channels between convolutions of `model`, in place; the number of layers that took part.

    Takes part what is convolution → (ReLU, leaky ReLU, PReLU or nothing) → convolution without other readers between.
    """
    graph = Graph(model)
    pairs = [pair for node in graph.nodes if node.op_type == "Conv" and (pair := _pair(graph, node)) is not None]
    reached = _reached(model, crops, [first.output[0] for first, _ in pairs])
    for first, second in pairs:
        name = first.output[0]
        factors = _factors(reached[name], slope_behind(graph, name), _weight(graph, second))
        _divide_outputs(graph, first, factors)
        _multiply_inputs(graph, second, factors)
    return len(pairs)


def _reached(model: onnx.ModelProto, crops: Sequence[Feeds], names: Sequence[str]) -> dict[str, Reach]:
    """The reach over all crops of the tensors called `names`."""
    reached: dict[str, Reach] = {}
    for tensors in observe(model, crops, names):
        for name in names:
            seen = _reach(tensors[name])
            before = reached.get(name, Reach(seen.up, seen.down, np.zeros_like(seen.above)))
            reached[name] = Reach(
                np.maximum(before.up, seen.up), np.maximum(before.down, seen.down), before.above + seen.above / len(crops)
            )
    return reached


def _reach(values: npt.NDArray[np.float32]) -> Reach:
    """That of each channel of (1, C, H, W), but for rare outliers."""
    channels = values[0].reshape(values.shape[1], -1)
    last = channels.shape[1] - 1
    high = int(_QUANTILE * last)
    ordered = np.partition(channels, (last - high, high), axis=1)
    up, down = np.maximum(ordered[:, high], 0).astype(np.float64), np.maximum(-ordered[:, last - high], 0).astype(np.float64)
    return Reach(up, down, (channels > 0).mean(axis=1))


def _weight(graph: Graph, node: onnx.NodeProto) -> Factors:
    """The energy that a unit of each input channel has in the output of `node`."""
    squares = graph.constant(node.input[1]).astype(np.float64) ** 2
    if _by_first_axis(graph, node):
        return np.asarray(squares.sum(axis=(1, 2, 3)))
    return np.asarray(squares.sum(axis=(0, 2, 3)))


def _factors(reach: Reach, slope: float, weight: Factors) -> Factors:
    """What each channel is divided by; their geometric mean is 1.

    When channels may reach up to 1 and down to r, both steps follow from r, and so do the least factors that a channel needs. The
    error behind is then known, but for its scale, for each r.
    """
    if max(reach.up.max(), reach.down.max()) <= 0:
        return np.ones_like(reach.up)
    passed = reach.above + slope**2 * (1 - reach.above)

    def needed(ratio: float) -> Factors:
        loudness: Factors = np.maximum(reach.up, reach.down / ratio)
        return np.maximum(loudness, _QUIETEST * float(loudness.max()))

    def error(ratio: float) -> float:
        steps = (1 + ratio) ** 2 * passed + (1 + slope * ratio) ** 2
        return float((weight * needed(ratio) ** 2 * steps).sum())

    factors = needed(min(_RATIOS, key=error))
    balanced: Factors = factors / np.exp(np.log(factors).mean())
    return balanced


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


def _by_first_axis(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether the first axis of the kernel is that of the input channels."""
    return node.op_type == "ConvTranspose" or _is_depthwise(graph, node)


def _divide_outputs(graph: Graph, node: onnx.NodeProto, factors: Factors) -> None:
    kernel = graph.constant(node.input[1])
    graph.replace(node.input[1], (kernel / factors[:, None, None, None]).astype(np.float32))
    if len(node.input) > 2:
        graph.replace(node.input[2], (graph.constant(node.input[2]) / factors).astype(np.float32))


def _multiply_inputs(graph: Graph, node: onnx.NodeProto, factors: Factors) -> None:
    kernel = graph.constant(node.input[1])
    shaped = factors[:, None, None, None] if _by_first_axis(graph, node) else factors[None, :, None, None]
    graph.replace(node.input[1], (kernel * shaped).astype(np.float32))
