"""Convolutions that train in several branches and deploy as one (ECB of Zhang et al. 2021, linear blocks of SESR, Bhardwaj et al. 2022).

Each form is linear in its input, so its branches are folded into one kernel and bias before the convolution, in training
as in deployment: a step costs about one plain convolution, and merging changes nothing, at borders either. A 1×1 that
comes first gives its bias on the zero padding too, which is the padding with the intermediate bias that ECBSR uses.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Branches = Literal["none", "linear", "ecb"]

EXPAND = 64  # intermediate channels of a linear block (SESR has 256, which learns no better here)
PACE = 8.0  # measured: 4 learns more slowly, 16 diverges at a rate of 0.008
WIDEN = 2  # intermediate channels of ECB's 1×1-3×3 branch, as a multiple of the output's

SOBEL_X = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
SOBEL_Y = ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0))
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


class Folded(nn.Module):
    """A convolution of (N, inputs, H, W) with zero padding to the same size whose kernel is computed by `fold`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, identity: bool) -> None:
        super().__init__()
        self.inputs, self.outputs, self.kernel = inputs, outputs, kernel
        self.identity = identity and inputs == outputs

    def fold(self) -> tuple[Tensor, Tensor]:
        """The one kernel (outputs, inputs, k, k) and bias (outputs) that all branches add up to."""
        raise NotImplementedError

    def start(self, std: float, blind: bool) -> None:
        """Draw weights so that the folded kernel, identity aside, has the standard deviation `std`; `blind`: and sums to zero."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, H, W)."""
        weight, bias = self.fold()
        return F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), bias, padding=self.kernel // 2)

    def _plus_identity(self, weight: Tensor) -> Tensor:
        if not self.identity:
            return weight
        eye = torch.eye(self.inputs, dtype=weight.dtype, device=weight.device)[:, :, None, None]
        return weight + _centred(eye, self.kernel)


class LinearBlock(Folded):
    """k×k to `EXPAND` channels, then 1×1, times a constant, plus the identity where widths match.

    The constant sets how far one step of an optimizer like Adam moves the product: `PACE` times as far as a plain
    kernel. Without it that grows with the expansion, and training blows up at rates that suit plain convolutions.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, identity: bool) -> None:
        super().__init__(inputs, outputs, kernel, identity)
        self.expand = nn.Parameter(torch.empty(EXPAND, inputs, kernel, kernel))
        self.project = nn.Parameter(torch.empty(outputs, EXPAND))
        self.bias = nn.Parameter(torch.zeros(outputs))
        # A step moves the product by about 2·E|w|·factor·EXPAND steps, E|w| = 0.8 standard deviations of the factors' weights.
        ordinary = math.sqrt(2 / (inputs * kernel**2))
        self.spread = 1.6 * math.sqrt(EXPAND) * ordinary / PACE
        self.factor = ordinary / (self.spread**2 * math.sqrt(EXPAND))

    def start(self, std: float, blind: bool) -> None:
        """Both factors at random."""
        nn.init.normal_(self.expand, std=self.spread)
        nn.init.normal_(self.project, std=std / (self.spread * self.factor * math.sqrt(EXPAND)))
        if blind:
            balance(self.expand)

    def fold(self) -> tuple[Tensor, Tensor]:
        """One matrix product."""
        weight = (self.factor * self.project @ self.expand.flatten(1)).view(self.outputs, *self.expand.shape[1:])
        return self._plus_identity(weight), self.bias


class EdgeBlock(Folded):
    """ECB: k×k, 1×1-k×k, 1×1-Sobel-x, 1×1-Sobel-y, 1×1-Laplacian, plus the identity where widths match.

    The 1×1 before an edge kernel has no bias: edge kernels sum to zero, so it would change nothing.
    """

    edges: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, identity: bool) -> None:
        super().__init__(inputs, outputs, kernel, identity)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.squeeze_weight = nn.Parameter(torch.empty(WIDEN * outputs, inputs))
        self.squeeze_bias = nn.Parameter(torch.zeros(WIDEN * outputs))
        self.after_weight = nn.Parameter(torch.empty(outputs, WIDEN * outputs, kernel, kernel))
        self.edge_weight = nn.Parameter(torch.empty(3, outputs, inputs))
        self.edge_scale = nn.Parameter(torch.empty(3, outputs))
        edges = torch.tensor([SOBEL_X, SOBEL_Y, LAPLACIAN])
        self.register_buffer("edges", _centred(edges, kernel), persistent=False)

    def start(self, std: float, blind: bool) -> None:
        """Half of the size from each of the first two branches; edges start near nothing, as in ECBSR."""
        half = std / math.sqrt(2)
        nn.init.normal_(self.weight, std=half)
        nn.init.normal_(self.squeeze_weight, std=1 / math.sqrt(self.inputs))
        nn.init.normal_(self.after_weight, std=half * math.sqrt(self.inputs / (WIDEN * self.outputs)))
        nn.init.normal_(self.edge_weight, std=1 / math.sqrt(self.inputs))
        nn.init.normal_(self.edge_scale, std=std / 100)
        if blind:
            balance(self.weight)
            balance(self.after_weight, (2, 3))  # whatever the 1×1 before it hands on

    def fold(self) -> tuple[Tensor, Tensor]:
        """The branches' kernels added up; what a first 1×1's bias adds is the bias times the second kernel's sum."""
        after = self.after_weight.flatten(2)
        weight = self.weight + torch.einsum("odk,di->oik", after, self.squeeze_weight).view_as(self.weight)
        edges = torch.einsum("eo,eoi,ekl->oikl", self.edge_scale, self.edge_weight, self.edges)
        return self._plus_identity(weight + edges), self.bias + after.sum(2) @ self.squeeze_bias


@torch.no_grad()
def balance(weight: Tensor, over: tuple[int, ...] = (1, 2, 3)) -> None:
    """Make each output's kernel sum to zero over its input channels and pixels (or over the dimensions given)."""
    weight.sub_(weight.mean(over, keepdim=True))


def _centred(kernel: Tensor, size: int) -> Tensor:
    """A smaller kernel in the middle of a `size`×`size` one of zeros."""
    margin = (size - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin,) * 4)


def convolution(inputs: int, outputs: int, kernel: int, branches: Branches, *, identity: bool = True) -> nn.Conv2d | Folded:
    """A dense convolution in the form `branches` has for its kernel; plain where it has none (ECB of a 1×1)."""
    if branches == "linear":
        return LinearBlock(inputs, outputs, kernel, identity)
    if branches == "ecb" and kernel >= 3:
        return EdgeBlock(inputs, outputs, kernel, identity)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
