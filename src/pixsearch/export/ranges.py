"""The range that each 8-bit activation spans: wide enough to clip little, narrow enough for small steps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx

from pixsearch.export.graph import Graph, attribute
from pixsearch.export.observe import Seen

LEVELS = 255
_SHARES = np.linspace(0.1, 1.0, 46)  # of what was seen, each end tried with each

Range = tuple[float, float]


def best_ranges(model: onnx.ModelProto, seen: Mapping[str, Seen], levels: int = LEVELS) -> dict[str, Range]:
    """For every activation the range with the least expected squared error, counted behind the activation function.

    In front of a leaky ReLU an error below zero weighs the square of its slope, in front of a ReLU nothing. Every range
    holds zero, which padding needs exact.
    """
    graph = Graph(model)
    return {name: least_error(values, slope_behind(graph, name), levels) for name, values in seen.items()}


def least_error(seen: Seen, slope: float = 1.0, levels: int = LEVELS) -> Range:
    """The range with the least expected squared error of the values `seen`: rounding to `levels` steps, plus clipping.

    Errors of values below zero count `slope`² as much.
    """
    lows, highs = np.minimum(0.0, seen.low) * _SHARES, np.maximum(0.0, seen.high) * _SHARES
    weight = seen.counts * np.where(seen.centers < 0, slope**2, 1.0)
    steps = (highs[np.newaxis, :] - lows[:, np.newaxis]) / levels
    error = weight.sum() * steps**2 / 12
    error += _clipped(seen.centers, weight, highs)[np.newaxis, :]
    error += _clipped(-seen.centers, weight, -lows)[:, np.newaxis]
    low, high = np.unravel_index(int(error.argmin()), error.shape)
    return float(lows[low]), float(highs[high])


def _clipped(values: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each end, the weighted squared error of clipping what lies above it."""
    beyond = np.maximum(values[np.newaxis, :] - ends[:, np.newaxis], 0.0)
    result: npt.NDArray[np.float64] = (beyond**2) @ weight
    return result


def slope_behind(graph: Graph, name: str) -> float:
    """The slope below zero of the activation that alone reads `name`; 1 where there is none."""
    readers = graph.readers(name)
    if len(readers) != 1:
        return 1.0
    reader = readers[0]
    if reader.op_type == "Relu":
        return 0.0
    if reader.op_type == "LeakyRelu":
        return float(attribute(reader, "alpha", 0.01))
    if reader.op_type == "PRelu":
        slopes = graph.constant(reader.input[1])
        return float(np.sqrt(np.mean(slopes**2)))
    return 1.0
