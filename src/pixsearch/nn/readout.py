"""The last convolution of a network in closed form: the best reader of whatever features come before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixsearch.nn.body import Body
from pixsearch.nn.reparam import EdgeBlock, Folded, LinearBlock

RIDGE = 1e-3  # of a tap's variance; so much the shrinkage costs next to nothing, and a batch is not learned by heart
ROUNDING = 1e-5  # of a tap's mean square: what bfloat16 leaves uncertain in it, which a reader must not build on
ENOUGH = 4  # pixels for each tap, at least
WORK = 2**23  # taps times pixels that are looked at, unless that is fewer than enough

Reader = tuple[Tensor, Tensor]
"""Kernel (O, C, k, k) and bias (O) of a plain convolution."""


def missing(body: Body, x: Tensor, folded: Tensor, truth: Tensor) -> Tensor:
    """What the tail of `body` ought to give: the truth without the global skip, as pixel-shuffle takes it, (N, O, H, W)."""
    wanted = F.pixel_unshuffle(truth, body.up) if body.up > 1 else truth
    return wanted - body.skip(x, folded)


@torch.no_grad()
def best_reader(features: Tensor, target: Tensor, kernel: int, *, ridge: float = RIDGE, dilation: int = 1) -> Reader:
    """The convolution of `features` (N, C, H, W) that comes closest to `target` (N, O, H, W): ridge regression on the `kernel`² taps.

    `ridge` is the penalty as a share of a tap's variance. Taps are taken relative to their mean and spread, so what a feature's size is
    does not matter. Planes are padded with zeros, as the convolution's are. Of large batches the first planes are enough.
    """
    count = _planes(features, kernel)
    taps = F.unfold(features[:count].float().contiguous(), kernel, dilation, dilation * (kernel // 2)).transpose(0, 1).flatten(1)
    wanted = target[:count].transpose(0, 1).flatten(1)
    middle, level = taps.mean(1, keepdim=True), wanted.mean(1, keepdim=True)
    square = taps.square().mean(1, keepdim=True)
    taps = taps - middle
    spread = (taps.square().mean(1, keepdim=True) + ROUNDING * square + 1e-12).sqrt()
    taps = taps / spread
    gram, moment = (taps @ taps.mT).double(), (taps @ (wanted - level).mT).double()
    gram.diagonal().add_(taps.shape[1] * (ridge + ROUNDING * (square / spread.square())[:, 0].double()))
    weight = torch.linalg.solve(gram, moment).float() / spread
    bias = level[:, 0] - (middle.mT @ weight)[0]
    return weight.mT.reshape(-1, features.shape[1], kernel, kernel).contiguous(memory_format=torch.channels_last), bias


def _planes(features: Tensor, kernel: int) -> int:
    """How many planes of a batch are looked at."""
    taps, pixels = features.shape[1] * kernel**2, features[0, 0].numel()
    return min(len(features), max(1, -(-max(ENOUGH * taps, WORK // taps) // pixels)))


@torch.no_grad()
def refit(body: Body, x: Tensor, truth: Tensor) -> None:
    """Give `body` (in place) the best tail for its features on these planes; one whose features are no numbers is left alone.

    Members of a supernet have features that all of them were trained to share, and each needs a reader of its own, as members of other
    supernets need batch statistics of their own (Guo et al. 2020).
    """
    folded = body.head(x)
    features = body.features(folded)
    if bool(features.isfinite().all()):
        install(body.tail, *best_reader(features, missing(body, x, folded, truth), kernel_of(body.tail)))


@torch.no_grad()
def install(conv: nn.Conv2d | Folded, weight: Tensor, bias: Tensor) -> None:
    """Make a convolution, whatever its form, compute with this kernel and bias."""
    assert conv.bias is not None, "tails have a bias"
    if isinstance(conv, LinearBlock):  # the product is `weight` when the first factor is so much of the second's inverse
        conv.expand.copy_((torch.linalg.pinv(conv.factor * conv.project) @ weight.flatten(1)).view_as(conv.expand))
        conv.bias.copy_(bias)
    elif isinstance(conv, EdgeBlock):
        present, offset = conv.fold()
        conv.weight.add_(weight - present)
        conv.bias.add_(bias - offset)
    else:
        assert isinstance(conv, nn.Conv2d)
        conv.weight.copy_(weight)
        conv.bias.copy_(bias)


def kernel_of(conv: nn.Conv2d | Folded) -> int:
    """The side of its kernel."""
    return conv.kernel if isinstance(conv, Folded) else conv.kernel_size[0]
