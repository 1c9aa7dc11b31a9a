"""Genotypes of the `mobile` space: a chain of layers between an optional space-to-depth head and a pixel-shuffle tail."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from itertools import groupby
from typing import Any, ClassVar, Protocol

from pixsearch.errors import DataError
from pixsearch.signature import Signature
from pixsearch.space.base import Genotype
from pixsearch.space.genes import check_keys, integer, one_of

CONVS = {"conv1": 1, "conv3": 3, "conv5": 5}
SEPARABLES = {"dw3": 3, "dw5": 5}
OPS = (*CONVS, *SEPARABLES, "ib3")
DYNAMIC = {"dynconv3": "conv3", "dyndw3": "dw3"}
"""Operators whose kernel is computed for every picture, and the static operator that each is with a kernel fixed."""

EXPERTS = (2, 4, 6)
ATTENTIONS = ("sigmoid", "softmax")
SKIP = "skip"
ACTS = ("relu", "leaky", "prelu", "hardswish")
HEADS = {"plain": 1, "s2d": 2, "s2d4": 4}
"""Heads, and the side of the square of pixels that each folds into channels (FFDNet, Zhang et al. 2018, has 2)."""

SKIPS = ("nearest", "bicubic")
TAILS = (1, 3, 5)


@dataclass(frozen=True)
class Layer:
    """One layer: an operator to `width` channels, then its activation.

    `conv1 conv3 conv5` are convolutions; `dw3 dw5` a depthwise convolution of the input channels (no bias, no
    activation) and a 1×1 to `width`; `ib3` an inverted bottleneck (Sandler et al. 2018): 1×1 to `hidden`, activation,
    depthwise 3×3, activation, linear 1×1 to `width`, plus its input when `residual`. `skip` computes nothing.

    `dynconv3` is a conv3, `dyndw3` a dw3, whose 3×3 kernel is computed for every picture: of each output channel a fixed kernel and
    the sum of `experts` kernels, weighted by coefficients that are a `sigmoid`, or a `softmax` over the experts, of what the chain's
    predictor gives (DyNet, Zhang et al. 2020, arXiv 2004.10694; softmax: Chen et al. 2020). The bias and a dw3's 1×1 are fixed.
    """

    op: str
    width: int
    act: str
    hidden: int = 0
    residual: bool = False
    experts: int = 0
    attention: str = ""


def genes_of(op: str) -> tuple[str, ...]:
    """The genes that a layer of this operator has."""
    more = {"ib3": ("hidden", "residual"), **dict.fromkeys(DYNAMIC, ("experts", "attention"))}
    return ("op", "width", "act", *more.get(op, ()))


@dataclass(frozen=True)
class MobileGenotype(Genotype):
    """A chain: [space-to-depth 2 or 4] → layers → `tail`×`tail` convolution → + global skip of the input → pixel-shuffle.

    DyNet has one coefficient predictor for each block of a network. A chain has no blocks but one: what lies from its first dynamic
    layer on. So one predictor, which sees the mean of what enters that layer over the whole picture, serves all dynamic
    layers, and a picture has to be looked at only once before it is computed in tiles.
    """

    space: ClassVar[str] = "mobile"
    layers: tuple[Layer, ...]
    head: str = "plain"
    skip: str = "nearest"
    tail: int = 3

    def genes(self) -> dict[str, Any]:
        """Plain values; a layer has the genes of its operator alone."""
        layers = [{k: v for k, v in asdict(layer).items() if k in genes_of(layer.op)} for layer in self.layers]
        return {"layers": layers, "head": self.head, "skip": self.skip, "tail": self.tail}


class Ends(Protocol):
    """What networks of several spaces have in common: `head` and `skip` of `MobileGenotype`."""

    @property
    def head(self) -> str:
        """At which share of the size the inside runs: one of `HEADS`."""
        ...

    @property
    def skip(self) -> str:
        """How the input is added to the output: one of `SKIPS`."""
        ...


def block(genotype: Ends) -> int:
    """Side of the square of input pixels that the layers see as one."""
    return HEADS[genotype.head]


def first_dynamic(genotype: MobileGenotype) -> int | None:
    """The place of the first dynamic layer, whose input the predictor sees; None in a static chain."""
    return next((place for place, layer in enumerate(genotype.layers) if layer.op in DYNAMIC), None)


def frozen(genotype: MobileGenotype) -> MobileGenotype:
    """The static chain that `genotype` is with its coefficients fixed."""
    layers = (replace(layer, op=DYNAMIC.get(layer.op, layer.op), experts=0, attention="") for layer in genotype.layers)
    return replace(genotype, layers=tuple(layers))


def folded_width(genotype: Ends, signature: Signature) -> int:
    """Channels of the input: those of one block, pixel by pixel."""
    return signature.in_channels * block(genotype) ** 2


def first_width(genotype: Ends, signature: Signature) -> int:
    """Channels that enter the first layer: those of the input, then the state's where the signature has one."""
    return folded_width(genotype, signature) + signature.state_channels


def input_widths(genotype: MobileGenotype, signature: Signature) -> list[int]:
    """Channels that enter each layer, and those that enter the tail as the last."""
    return [first_width(genotype, signature), *(layer.width for layer in genotype.layers)]


def nearest_sources(signature: Signature, side: int) -> list[int]:
    """For each channel of the tail's output, the channel of the folded input (blocks of `side`²) that the nearest skip adds to it.

    The output's channels are ordered as pixel-shuffle takes them: output channel, then sub-pixel row and column within the
    block; the folded input's are row and column within the block, then input channel. Inputs beyond the output's channels are left out.
    """
    scale = signature.scale
    return [
        (row // scale * side + column // scale) * signature.in_channels + channel
        for channel in range(signature.out_channels)
        for row in range(side * scale)
        for column in range(side * scale)
    ]


def canonical(genotype: MobileGenotype, signature: Signature) -> MobileGenotype:
    """The one way to write this network.

    Layers that compute nothing are dropped, genes are cleared where they mean nothing (a residual needs equal widths), and at
    scale 1 both global skips are the identity, written `nearest`.
    """
    width, layers = first_width(genotype, signature), []
    for layer in genotype.layers:
        if layer.op == SKIP:
            continue
        inverted, dynamic = layer.op == "ib3", layer.op in DYNAMIC
        residual = inverted and layer.residual and layer.width == width
        experts, attention = (layer.experts, layer.attention) if dynamic else (0, "")
        layers.append(Layer(layer.op, layer.width, layer.act, layer.hidden if inverted else 0, residual, experts, attention))
        width = layer.width
    skip = "nearest" if signature.scale == 1 else genotype.skip
    return replace(genotype, layers=tuple(layers), skip=skip)


def parse_chain(genes: dict[str, Any], max_depth: int, max_width: int, max_hidden: int) -> MobileGenotype:
    """The genotype with these genes, not yet canonical; `DataError` naming the gene that is wrong."""
    known = [field.name for field in fields(MobileGenotype)]
    check_keys(genes, known, {"layers"}, "an architecture")
    layers = genes["layers"]
    if not isinstance(layers, list | tuple):
        raise DataError(f"`layers` is `{layers}`; it must be a list of layers.")
    parsed = tuple(_parse_layer(f"layers[{i}]", layer, max_width, max_hidden) for i, layer in enumerate(layers))
    depth = sum(layer.op != SKIP for layer in parsed)
    if not 1 <= depth <= max_depth:
        raise DataError(f"`layers` holds {depth} layers that compute; it must hold 1 to {max_depth}.")
    return MobileGenotype(
        layers=parsed,
        head=one_of("head", genes.get("head", "plain"), tuple(HEADS)),
        skip=one_of("skip", genes.get("skip", "nearest"), SKIPS),
        tail=one_of("tail", genes.get("tail", 3), TAILS),
    )


def _parse_layer(where: str, layer: Any, max_width: int, max_hidden: int) -> Layer:
    known = [field.name for field in fields(Layer)]
    if isinstance(layer, dict) and layer.get("op") == SKIP:
        return Layer(SKIP, 0, "relu")
    check_keys(layer, known, {"op", "width", "act"}, f"`{where}`")
    op = one_of(f"{where}.op", layer["op"], (*OPS, *DYNAMIC, SKIP))
    residual = layer.get("residual", False)
    if not isinstance(residual, bool):
        raise DataError(f"`{where}.residual` is `{residual}`; it must be true or false.")
    return Layer(
        op=op,
        width=integer(f"{where}.width", layer["width"], 1, max_width),
        act=one_of(f"{where}.act", layer["act"], ACTS),
        hidden=integer(f"{where}.hidden", layer.get("hidden"), 1, max_hidden) if op == "ib3" else 0,
        residual=residual,
        experts=one_of(f"{where}.experts", layer.get("experts"), EXPERTS) if op in DYNAMIC else 0,
        attention=one_of(f"{where}.attention", layer.get("attention", ATTENTIONS[0]), ATTENTIONS) if op in DYNAMIC else "",
    )


def describe_chain(genotype: MobileGenotype) -> str:
    """One line for people: `conv3 16 relu ×5, skip bicubic`."""
    parts = [] if genotype.head == "plain" else [genotype.head]
    for words, group in groupby(_words(layer) for layer in genotype.layers):
        count = len(list(group))
        parts.append(words + (f" ×{count}" if count > 1 else ""))
    if genotype.tail != 3:
        parts.append(f"tail {genotype.tail}×{genotype.tail}")
    return ", ".join([*parts, f"skip {genotype.skip}"])


def _words(layer: Layer) -> str:
    if layer.op in DYNAMIC:
        attention = "" if layer.attention == ATTENTIONS[0] else f" {layer.attention}"
        return f"{layer.op} {layer.experts}·{layer.width} {layer.act}{attention}"
    if layer.op != "ib3":
        return f"{layer.op} {layer.width} {layer.act}"
    return f"ib3 {layer.hidden}→{layer.width} {layer.act}" + (" residual" if layer.residual else "")
