"""Convolutions whose kernel is computed for every picture (DyNet, Zhang et al. 2020, arXiv 2004.10694; softmax: Chen et al. 2020).

The kernel of output channel t is Σᵢ ηₜⁱ·wₜⁱ over its experts wₜⁱ. By linearity Σᵢ ηₜⁱ·(wₜⁱ ⊗ x) is the same: kernels can be fused,
or feature maps. Fusing kernels costs one convolution, whatever the number of experts, and for a batch one convolution in groups, a
group for each picture. A training step of a layer of 16 channels and 4 experts took 3.9 ms that way, 12 fusing features as published, 2.3
without experts (16 patches of 32×32, bfloat16, one thread), so it is also what trains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.reparam import balance
from pixsearch.registry import SPACES
from pixsearch.space.cost import Conv

Fusion = Literal["kernels", "features"]

HOTTEST = 30.0  # temperature of a softmax at the start of a training
LOUDER = 10.0  # than the means are what the predictor sees: photos' means differ by hundredths
COOLED = 0.1  # share of a training at which it has fallen to 1, in a straight line


class DynamicConv(nn.Module):
    """A convolution with zero padding to the same size whose kernel is fused of `experts`; `fuses` says what is fused.

    `weight` is (outputs·experts, inputs, k, k), an output channel's experts side by side; a depthwise one has one input. `fuses` changes
    nothing but rounding.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, experts: int, *, depthwise: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.inputs, self.outputs, self.kernel, self.experts = inputs, outputs, kernel, experts
        self.groups = inputs if depthwise else 1
        self.fuses: Fusion = "kernels"
        self.weight = nn.Parameter(torch.empty(outputs * experts, inputs // self.groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """(N, inputs, H, W) and coefficients (N, outputs, experts) → (N, outputs, H, W)."""
        return self._by_features(x, shares) if self.fuses == "features" else self._by_kernels(x, shares)

    def fused(self, shares: Tensor) -> Tensor:
        """The kernels (N, outputs, inputs or 1, k, k) with the coefficients `shares`."""
        experts = self.weight.reshape(self.outputs, self.experts, -1)
        kernels = torch.bmm(shares.transpose(0, 1), experts).transpose(0, 1)
        return kernels.reshape(len(shares), self.outputs, *self.weight.shape[1:])

    def _by_kernels(self, x: Tensor, shares: Tensor) -> Tensor:
        if len(shares) == 1:  # without transpositions, which an export would keep
            experts = self.weight.reshape(self.outputs, self.experts, -1)
            kernel = torch.bmm(shares.view(self.outputs, 1, self.experts), experts).view(self.outputs, *self.weight.shape[1:])
            return F.conv2d(x, kernel, self.bias, padding=self.kernel // 2, groups=self.groups)
        side_by_side, kernels = x.reshape(1, -1, *x.shape[2:]), self.fused(shares).flatten(0, 1)
        out = F.conv2d(side_by_side, kernels, padding=self.kernel // 2, groups=len(x) * self.groups)
        out = out.view(len(x), self.outputs, *out.shape[2:])
        return out if self.bias is None else out + self.bias[:, None, None]

    def _by_features(self, x: Tensor, shares: Tensor) -> Tensor:
        maps = F.conv2d(x, self.weight, padding=self.kernel // 2, groups=self.groups)
        maps = maps.view(len(x), self.outputs, self.experts, *maps.shape[2:])
        out = (maps * shares[..., None, None]).sum(2)
        return out if self.bias is None else out + self.bias[:, None, None]

    @torch.no_grad()
    def start(self, scale: float, attention: str, *, blind: bool = False) -> None:
        """Draw experts so that the fused kernel makes the output `scale` times as large as the input; `blind`: and sums to zero.

        It is a sum of independent experts with equal coefficients, half each by sigmoid and all of one by softmax.
        """
        share = 0.5 if attention == "sigmoid" else 1 / self.experts
        nn.init.normal_(self.weight, std=scale / math.sqrt(self.weight[0].numel()) / (share * math.sqrt(self.experts)))
        if blind:
            balance(self.weight)


class Blended(nn.Module):
    """What equals a `DynamicConv` with no kernel computed: a plain convolution for each expert, blended by the coefficients."""

    def __init__(self, conv: DynamicConv) -> None:
        super().__init__()
        weights = conv.weight.detach().view(conv.outputs, conv.experts, *conv.weight.shape[1:]).unbind(1)
        self.experts = nn.ModuleList(
            nn.Conv2d(conv.inputs, conv.outputs, conv.kernel, padding=conv.kernel // 2, groups=conv.groups, bias=False) for _ in weights
        )
        for expert, weight in zip(self.experts, weights, strict=True):
            expert.weight = nn.Parameter(weight.clone())
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """Like `DynamicConv`."""
        first, *others = (expert(x) * shares[:, :, number, None, None] for number, expert in enumerate(self.experts))
        out: Tensor = sum(others, first)
        return out if self.bias is None else out + self.bias[:, None, None]


class DynamicSeparable(nn.Module):
    """A dynamic depthwise k×k of the input's channels, then a fixed 1×1 to `width`."""

    def __init__(self, depthwise: DynamicConv, pointwise: nn.Module) -> None:
        super().__init__()
        self.depthwise, self.pointwise = depthwise, pointwise

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """(N, inputs, H, W) and coefficients (N, inputs, experts) → (N, width, H, W)."""
        out: Tensor = self.pointwise(self.depthwise(x, shares))
        return out


class DynamicLayer(nn.Sequential):
    """A dynamic operator and its activation."""

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:  # type: ignore[override]
        """Like the operator's own."""
        operator, act = self
        out: Tensor = act(operator(x, shares))
        return out


def run_layer(layer: nn.Module, x: Tensor, shares: Iterator[Tensor]) -> Tensor:
    """What a layer makes of `x`; a dynamic one takes the next of `shares`."""
    out: Tensor = layer(x, next(shares)) if isinstance(layer, DynamicLayer) else layer(x)
    return out


@dataclass(frozen=True)
class Asks:
    """What a layer needs of the predictor: coefficients of so many `experts` for each of `channels`."""

    channels: int
    experts: int
    attention: str


class Predictor(nn.Module):
    """The coefficients of all dynamic layers of a network, from what enters the first: attention(linear(`LOUDER`·mean over pixels)).

    The mean is taken over the whole picture. Where only a part of it is at hand, `statistics` holds what was taken of the whole
    before. `temperature` divides what a softmax sees; it is 1 but while `cool` lets it fall.
    """

    temperature: Tensor

    def __init__(self, inputs: int, asked: Sequence[Asks]) -> None:
        super().__init__()
        self.asked = tuple(asked)
        self.linear = nn.Linear(inputs, sum(self._sizes()))
        self.register_buffer("temperature", torch.ones(()), persistent=False)
        self.statistics: Tensor | None = None

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, inputs, H, W) → for each dynamic layer coefficients (N, channels, experts), 0…1."""
        return self.coefficients(mean(x) if self.statistics is None else self.statistics)

    def coefficients(self, statistics: Tensor) -> list[Tensor]:
        """The coefficients for the means (N, inputs) of a picture's channels."""
        parts = torch.split(self.linear(LOUDER * statistics), self._sizes(), dim=1)
        return [self._attention(part.view(-1, a.channels, a.experts), a.attention) for part, a in zip(parts, self.asked, strict=True)]

    def _sizes(self) -> list[int]:
        return [asks.channels * asks.experts for asks in self.asked]

    def _attention(self, logits: Tensor, attention: str) -> Tensor:
        if attention == "sigmoid":
            return torch.sigmoid(logits)
        return torch.softmax(logits / self.temperature if self.training else logits, dim=2)

    @torch.no_grad()
    def start(self) -> None:
        """Nothing differs from picture to picture much at first."""
        nn.init.normal_(self.linear.weight, std=1 / math.sqrt(self.linear.in_features))
        nn.init.zeros_(self.linear.bias)


class Adaptive(Protocol):
    """The body of a network with dynamic layers."""

    def entering(self, x: Tensor) -> Tensor:
        """What the predictor sees, (N, C, h, w), for the network's input (N, …, H, W)."""
        ...


def build_predictor(inputs: int, convs: Sequence[Conv], attentions: Sequence[str]) -> Predictor | None:
    """The predictor that sees `inputs` channels for these dynamic convolutions, freshly drawn; None when there are none."""
    if not convs:
        return None
    predictor = Predictor(inputs, [Asks(conv.outputs, conv.experts, attention) for conv, attention in zip(convs, attentions, strict=True)])
    predictor.start()
    return predictor


def mean(x: Tensor) -> Tensor:
    """(N, C, H, W) → the means (N, C) over all pixels."""
    return x.mean((2, 3))


@torch.no_grad()
def freeze(network: Network, coefficients: Sequence[Tensor]) -> Network:
    """The static network, in its deploy form, that a dynamic one is with `coefficients` (channels, experts) for each dynamic layer.

    One that is static already is only put into its deploy form.
    """
    old, given = deploy(network), iter(coefficients)
    if not predictors(network):
        return old
    new = build(SPACES.load(network.genotype.space)(network.signature).frozen(network.genotype), network.signature)
    tensors = {name: value for name, value in old.body.state_dict().items() if not name.startswith("predictor.")}
    for name, module in old.body.named_modules():
        if isinstance(module, DynamicConv):
            tensors[f"{name}.weight"] = module.fused(next(given)[None])[0]
    new.body.load_state_dict(tensors)
    return new.to(next(old.parameters()).device).train(network.training)


def blended(network: Network) -> Network:
    """A copy of a dynamic network in its deploy form whose layers run all experts and blend what they give."""
    new = deploy(network)
    for name, module in list(new.body.named_modules()):
        if isinstance(module, DynamicConv):
            parent, _, own = name.rpartition(".")
            setattr(new.body.get_submodule(parent), own, Blended(module))
    return new


def predictors(network: nn.Module) -> list[Predictor]:
    """The predictors within a network: one in a dynamic network, none in others."""
    return [module for module in network.modules() if isinstance(module, Predictor)]


def cool(found: Sequence[Predictor], progress: float) -> None:
    """Set softmaxes to their temperature at `progress` (0…1) of a training (Chen et al. 2020: at first all experts learn)."""
    for predictor in found:
        fallen = min(progress / COOLED, 1.0)
        predictor.temperature.fill_(HOTTEST + fallen * (1 - HOTTEST))
