"""Convolutions whose kernel is computed for every picture (DyNet, Zhang et al. 2020, arXiv 2004.10694; softmax: Chen et al. 2020).

The kernel of output channel t is Σᵢ ηₜⁱ·wₜⁱ over its experts wₜⁱ, here beside a fixed kernel (`DynamicConv`). By linearity
Σᵢ ηₜⁱ·(wₜⁱ ⊗ x) is the same: kernels can be fused, or feature maps. Fusing kernels costs one convolution, whatever the number of
experts, and for a batch one convolution in groups, a group for each picture; it is the quicker way to train as well.
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
FAINT = 0.3  # how loud experts start beside the fixed kernel
LOUDER = 10.0  # than the means are what the predictor sees: photos' means differ by hundredths
COOLED = 0.1  # share of a training at which it has fallen to 1, in a straight line


class DynamicConv(nn.Module):
    """A convolution with zero padding to the same size whose kernel is w⁰ + Σᵢ (ηᵢ − c)·wᵢ over its `experts`; `fuses` says what is fused.

    c is where coefficients begin: ½ for a sigmoid, one in `experts` for a softmax. So an untrained layer is the plain convolution with
    the kernel w⁰, and learns about as fast as that does (benchmarks/README.md). With c·Σ wᵢ taken out of w⁰ it is DyNet's sum beside one
    fixed kernel.

    `fixed` is w⁰, `weights` are the experts, all (outputs, inputs, k, k), of a depthwise one with 1 for inputs. They are tensors of their
    own, as an optimizer that looks at a kernel as one matrix is to see. `fuses` changes nothing but rounding.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, experts: int, attention: str, *, depthwise: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.inputs, self.outputs, self.kernel, self.experts = inputs, outputs, kernel, experts
        self.groups = inputs if depthwise else 1
        self.centre = 0.5 if attention == "sigmoid" else 1 / experts
        self.fuses: Fusion = "kernels"
        shape = outputs, inputs // self.groups, kernel, kernel
        self.fixed = nn.Parameter(torch.empty(shape))
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(shape)) for _ in range(experts))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """(N, inputs, H, W) and coefficients (N, outputs, experts) → (N, outputs, H, W)."""
        return self._by_features(x, shares) if self.fuses == "features" else self._by_kernels(x, shares)

    def fused(self, shares: Tensor) -> Tensor:
        """The kernels (N, outputs, inputs or 1, k, k) with the coefficients `shares`."""
        kernels = torch.bmm((shares - self.centre).transpose(0, 1), self._side_by_side()).transpose(0, 1)
        return kernels.reshape(len(shares), *self.fixed.shape) + self.fixed

    def _by_kernels(self, x: Tensor, shares: Tensor) -> Tensor:
        if len(shares) == 1:  # without transpositions, which an export would keep
            moved = torch.bmm((shares - self.centre).view(self.outputs, 1, self.experts), self._side_by_side()).view(self.fixed.shape)
            return F.conv2d(x, moved + self.fixed, self.bias, padding=self.kernel // 2, groups=self.groups)
        side_by_side, kernels = x.reshape(1, -1, *x.shape[2:]), self.fused(shares).flatten(0, 1)
        out = F.conv2d(side_by_side, kernels, padding=self.kernel // 2, groups=len(x) * self.groups)
        out = out.view(len(x), self.outputs, *out.shape[2:])
        return out if self.bias is None else out + self.bias[:, None, None]

    def _by_features(self, x: Tensor, shares: Tensor) -> Tensor:
        plain = F.conv2d(x, self.fixed, self.bias, padding=self.kernel // 2, groups=self.groups)
        experts = self._side_by_side().view(self.outputs * self.experts, *self.fixed.shape[1:])
        maps = F.conv2d(x, experts, padding=self.kernel // 2, groups=self.groups)
        maps = maps.view(len(x), self.outputs, self.experts, *maps.shape[2:])
        return plain + (maps * (shares - self.centre)[..., None, None]).sum(2)

    def _side_by_side(self) -> Tensor:
        """The experts as (outputs, experts, inputs·k²)."""
        return torch.stack([weight.flatten(1) for weight in self.weights], 1)

    @torch.no_grad()
    def start(self, scale: float, *, blind: bool = False) -> None:
        """Draw w⁰ so that the output is `scale` times as large as the input, and fainter experts; `blind`: kernels sum to zero."""
        spread = scale / math.sqrt(self.fixed[0].numel())
        for kernels in (self.fixed, *self.weights):
            nn.init.normal_(kernels, std=spread if kernels is self.fixed else FAINT * spread)
            if blind:
                balance(kernels)


class Blended(nn.Module):
    """What equals a `DynamicConv` with no kernel computed: a plain convolution for w⁰ and each expert, blended by the coefficients."""

    def __init__(self, conv: DynamicConv) -> None:
        super().__init__()
        self.centre = conv.centre
        self.fixed = self._plain(conv, conv.fixed, conv.bias)
        self.experts = nn.ModuleList(self._plain(conv, weight, None) for weight in conv.weights)

    @staticmethod
    def _plain(conv: DynamicConv, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
        plain = nn.Conv2d(conv.inputs, conv.outputs, conv.kernel, padding=conv.kernel // 2, groups=conv.groups, bias=bias is not None)
        plain.weight = nn.Parameter(weight.detach().clone())
        plain.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        return plain

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """Like `DynamicConv`."""
        out: Tensor = self.fixed(x)
        for number, expert in enumerate(self.experts):
            out = out + expert(x) * (shares[:, :, number, None, None] - self.centre)
        return out


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
        """Nothing differs from picture to picture at first: the network begins as a static one."""
        nn.init.zeros_(self.linear.weight)
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
    new_names, tensors = new.body.state_dict().keys(), old.body.state_dict()
    for name, module in old.body.named_modules():
        if isinstance(module, DynamicConv):
            tensors[f"{name}.weight"] = module.fused(next(given)[None])[0]
    new.body.load_state_dict({name: tensors[name] for name in new_names})
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
