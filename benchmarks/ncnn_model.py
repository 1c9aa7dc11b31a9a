"""Write an exported chain of 3×3 convolutions as a network of ncnn, in floats or 8 bits: its .param text and .bin weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pixsearch.export.graph import Graph, attribute

Array = npt.NDArray[Any]
INT8_TAG = 0x000D4B38
"""What stands before weights that are stored in 8 bits."""
LEVELS, LEVELS_OF_3X3 = 127.0, 31.0
"""Largest activation, and largest weight of a 3×3 kernel: ncnn's Winograd kernels in 8 bits would overflow with 7-bit weights, so its
own tool gives them 6."""


@dataclass(frozen=True)
class Layer:
    """A convolution: kernel (O, I, 3, 3), bias (O), the slope of the leaky ReLU behind it (None: no activation), and its input's name."""

    weight: Array
    bias: Array
    slope: float | None
    reads: str


def chain_of(model: onnx.ModelProto) -> list[Layer]:
    """The convolutions of a float graph that is such a chain, added to its one-channel input and shuffled by two at its end."""
    graph, layers = Graph(model), []
    for node in graph.nodes:
        if node.op_type == "Conv":
            weight, bias = (graph.constant(name) for name in node.input[1:])
            behind = next((reader for reader in graph.readers(node.output[0]) if reader.op_type == "LeakyRelu"), None)
            layers.append(Layer(weight, bias, None if behind is None else float(attribute(behind, "alpha", 0.01)), node.input[0]))
    kinds = [node.op_type for node in graph.nodes]
    assert kinds == ["Conv", "LeakyRelu"] * (len(layers) - 1) + ["Conv", "Add", "DepthToSpace"], kinds
    assert len(layers[-1].bias) == 4, "an output of one channel is meant, for which both orders of the shuffle are one"
    return layers


def write_network(layers: list[Layer], path: Path, largest: dict[str, float] | None = None) -> None:
    """Write `path` with .param and .bin; in 8 bits where `largest` gives the largest magnitude that each convolution reads."""
    lines = ["Input input 0 1 input", "Split split 1 2 input chain skip"]
    data, name = b"", "chain"
    for place, layer in enumerate(layers):
        following = layers[place + 1] if place + 1 < len(layers) else None
        term = 0 if largest is None else 2 if following is None else 102
        lines.append(f"Convolution conv{place} 1 1 {name} conv{place}{_parameters(layer, term)}")
        data += _floats(layer) if largest is None else _bytes(layer, largest, following)
        name = f"conv{place}"
    lines += [f"BinaryOp add 2 1 {name} skip sum 0=0", "PixelShuffle shuffle 1 1 sum output 0=2"]
    text = "\n".join(["7767517", f"{len(lines)} {len(lines) + 1}", *lines])
    path.with_suffix(".param").write_text(text + "\n")
    path.with_suffix(".bin").write_bytes(data)


def _parameters(layer: Layer, term: int) -> str:
    """ncnn's numbered parameters: outputs, kernel, stride, padding, bias, weights, 8-bit scales, leaky ReLU and its slope."""
    acts = "" if layer.slope is None else f" 9=2 -23310=1,{layer.slope:e}"
    return f" 0={len(layer.bias)} 1=3 3=1 4=1 5=1 6={layer.weight.size} 8={term}{acts}"


def _floats(layer: Layer) -> bytes:
    return np.uint32(0).tobytes() + layer.weight.astype(np.float32).tobytes() + layer.bias.astype(np.float32).tobytes()


def _bytes(layer: Layer, largest: dict[str, float], following: Layer | None) -> bytes:
    """Weights by output channel, then their scales, that of the input and, for what goes on in 8 bits, that of the output."""
    scales = LEVELS_OF_3X3 / np.abs(layer.weight).reshape(len(layer.bias), -1).max(axis=1)
    stored: bytes = np.rint(layer.weight * scales[:, None, None, None]).astype(np.int8).tobytes()
    stored += bytes(-len(stored) % 4)
    activations = [LEVELS / largest[one.reads] for one in (layer, following) if one is not None]
    parts = [np.float32(part).tobytes() for part in (layer.bias, scales, *activations)]
    return b"".join([np.uint32(INT8_TAG).tobytes(), stored, *parts])
