"""The operators of an exported graph in torch, by their ONNX names: inputs and attributes → the output tensor, or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Attributes = dict[str, Any]
Operator = Callable[[Sequence[Any], Attributes], Tensor | tuple[Tensor, ...]]


def _conv(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, kernel, *bias = inputs
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    strides, dilations = attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1))
    return F.conv2d(x, kernel, bias[0] if bias else None, strides, (top, left), dilations, attributes.get("group", 1))


def _conv_transpose(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, kernel, *bias = inputs
    top, left, *_ = attributes.get("pads", (0, 0, 0, 0))
    strides, dilations = attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1))
    extra, groups = attributes.get("output_padding", (0, 0)), attributes.get("group", 1)
    return F.conv_transpose2d(x, kernel, bias[0] if bias else None, strides, (top, left), extra, groups, dilations)


def _average_pool(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    """Without padding, as networks here use it."""
    kernel = attributes["kernel_shape"]
    return F.avg_pool2d(inputs[0], kernel, attributes.get("strides", (1, 1)), ceil_mode=bool(attributes.get("ceil_mode", 0)))


def _pad(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, pads = inputs[0], [int(side) for side in inputs[1]]
    half = len(pads) // 2
    sides = [side for axis in (half - 1, half - 2) for side in (pads[axis], pads[axis + half])]
    mode: str = attributes.get("mode", "constant")
    return F.pad(x, sides, mode="replicate" if mode == "edge" else mode)


def _split(inputs: Sequence[Any], attributes: Attributes) -> tuple[Tensor, ...]:
    axis = attributes.get("axis", 0)
    sizes = [int(size) for size in inputs[1]] if len(inputs) > 1 else inputs[0].shape[axis] // attributes["num_outputs"]
    return torch.split(inputs[0], sizes, axis)


def _depth_to_space(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    """CRD is torch's order of channels; DCR has the sub-pixel before the channel."""
    x, side = inputs[0], attributes["blocksize"]
    if attributes.get("mode", "DCR") == "DCR":
        count, channels, height, width = x.shape
        x = x.reshape(count, side**2, channels // side**2, height, width).transpose(1, 2).reshape(count, channels, height, width)
    return F.pixel_shuffle(x, side)


def _space_to_depth(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, side = inputs[0], attributes["blocksize"]
    count, channels, height, width = x.shape
    blocks: Tensor = x.reshape(count, channels, height // side, side, width // side, side)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(count, channels * side**2, height // side, width // side)


def _clip(inputs: Sequence[Any], _: Attributes) -> Tensor:
    x, low, high = (*inputs, None, None)[:3]
    clipped: Tensor = torch.clamp(x, low, high)
    return clipped


OPERATORS: dict[str, Operator] = {
    "Add": lambda inputs, _: inputs[0] + inputs[1],
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda inputs, attributes: torch.cat(list(inputs), attributes["axis"]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Gather": lambda inputs, attributes: inputs[0].index_select(attributes.get("axis", 0), inputs[1].flatten()),
    "HardSigmoid": lambda inputs, attributes: (inputs[0] * attributes.get("alpha", 0.2) + attributes.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": lambda inputs, _: F.hardswish(inputs[0]),
    "Identity": lambda inputs, _: inputs[0],
    "LeakyRelu": lambda inputs, attributes: F.leaky_relu(inputs[0], attributes.get("alpha", 0.01)),
    "Mul": lambda inputs, _: inputs[0] * inputs[1],
    "PRelu": lambda inputs, _: F.prelu(inputs[0], inputs[1].flatten()),
    "Pad": _pad,
    "Relu": lambda inputs, _: F.relu(inputs[0]),
    "Sigmoid": lambda inputs, _: torch.sigmoid(inputs[0]),
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Sub": lambda inputs, _: inputs[0] - inputs[1],
    "Tanh": lambda inputs, _: torch.tanh(inputs[0]),
}
