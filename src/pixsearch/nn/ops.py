"""The operators a `mobile` layer can be, and its activations."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pixsearch.nn.dynamic import DynamicConv, DynamicLayer, DynamicSeparable
from pixsearch.nn.reparam import Branches, Folded, balance, convolution
from pixsearch.space.chain import CONVS, DYNAMIC, SEPARABLES, Layer

LOUDER = 3.0  # of a first layer that sees differences alone; measured: +0.3 dB after 300 steps, and seeds agree better
LEAK = 0.1  # slope of a leaky ReLU below zero; a PReLU starts at 0.25, as published


def activation(name: str, width: int) -> nn.Module:
    """The activation called `name` for `width` channels; PReLU has a slope for each."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "leaky": lambda: nn.LeakyReLU(LEAK),
        "prelu": lambda: nn.PReLU(width),
        "hardswish": nn.Hardswish,
    }
    return makers[name]()


def gain(act: str) -> float:
    """What a kernel's standard deviation is raised by to make up for the activation behind it (He et al. 2015)."""
    slope = {"leaky": LEAK, "prelu": 0.25}.get(act, 0.0)
    return math.sqrt(2 / (1 + slope**2))


class Separable(nn.Module):
    """A depthwise k×k of the input's channels, then a 1×1 to `width`."""

    def __init__(self, inputs: int, width: int, kernel: int, branches: Branches) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False)
        self.pointwise = convolution(inputs, width, 1, branches)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, width, H, W)."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


class InvertedBottleneck(nn.Module):
    """1×1 to `hidden`, activation, depthwise 3×3, activation, 1×1 to `width`, plus the input when `residual`."""

    def __init__(self, inputs: int, layer: Layer, branches: Branches) -> None:
        super().__init__()
        hidden = layer.hidden
        self.residual = layer.residual
        # The residual is the identity already, and a bottleneck without one is meant to have none.
        self.expand = convolution(inputs, hidden, 1, branches, identity=False)
        self.act1 = activation(layer.act, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.act2 = activation(layer.act, hidden)
        self.project = convolution(hidden, layer.width, 1, branches, identity=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, width, H, W)."""
        out: Tensor = self.project(self.act2(self.depthwise(self.act1(self.expand(x)))))
        return x + out if self.residual else out


def build_layer(layer: Layer, inputs: int, branches: Branches, *, first: bool = False) -> nn.Sequential:
    """The layer behind `inputs` channels: `op`, then `act`, with weights drawn to keep the signal's size.

    The `first` layer, when it is a convolution of enough values, starts blind to brightness: its kernels sum to zero
    and are louder, as what they see of a photo is small. Else the first hundred steps go into unlearning brightness.
    """
    if layer.op == "ib3":
        inverted = InvertedBottleneck(inputs, layer, branches)
        start(inverted.expand, gain(layer.act))
        start(inverted.depthwise, gain(layer.act))
        start(inverted.project, 1.0)
        return nn.Sequential(inverted)
    if layer.op in DYNAMIC:
        return build_dynamic(layer, inputs, branches, first=first)
    if layer.op in SEPARABLES:
        separable = Separable(inputs, layer.width, SEPARABLES[layer.op], branches)
        start(separable.depthwise, 1.0)
        start(separable.pointwise, gain(layer.act))
        return nn.Sequential(separable, activation(layer.act, layer.width))
    dense = convolution(inputs, layer.width, CONVS[layer.op], branches)
    blind = first and inputs * CONVS[layer.op] ** 2 >= 4
    start(dense, gain(layer.act) * (LOUDER if blind else 1), blind=blind)
    return nn.Sequential(dense, activation(layer.act, layer.width))


def build_dynamic(layer: Layer, inputs: int, branches: Branches, *, first: bool) -> nn.Sequential:
    """The same for an operator whose kernel is computed; experts have no branches, being sums already."""
    static = DYNAMIC[layer.op]
    if static in SEPARABLES:
        depthwise = DynamicConv(inputs, inputs, SEPARABLES[static], layer.experts, layer.attention, depthwise=True, bias=False)
        depthwise.start(1.0)
        pointwise = convolution(inputs, layer.width, 1, branches)
        start(pointwise, gain(layer.act))
        return DynamicLayer(DynamicSeparable(depthwise, pointwise), activation(layer.act, layer.width))
    dense = DynamicConv(inputs, layer.width, CONVS[static], layer.experts, layer.attention)
    dense.start(gain(layer.act) * (LOUDER if first else 1), blind=first)
    return DynamicLayer(dense, activation(layer.act, layer.width))


@torch.no_grad()
def start(conv: nn.Conv2d | Folded, scale: float, *, blind: bool = False) -> None:
    """Draw a convolution's weights so that its output is `scale` times as large as its input, whatever its form; biases are zero.

    Next to an identity branch the random part is smaller, so that both together keep the size. `blind` kernels sum to
    zero.
    """
    if isinstance(conv, Folded):
        share = math.sqrt(max(scale**2 - 1, 0.25)) if conv.identity else scale
        conv.start(share / math.sqrt(conv.inputs * conv.kernel**2), blind)
        return
    nn.init.normal_(conv.weight, std=scale / math.sqrt(conv.weight[0].numel()))
    if blind:
        balance(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
