"""Costs of chains in closed form: multiply-adds, parameters and receptive radius."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pixsearch.signature import Signature
from pixsearch.space.chain import CONVS, DYNAMIC, SEPARABLES, Ends, Layer, MobileGenotype, block, first_dynamic, input_widths

BICUBIC = 2  # input pixels to each side that bicubic up-scaling takes from


@dataclass(frozen=True)
class Conv:
    """A convolution with zero padding to the same size; `act` counts the trained values of its activation.

    `uses` is how often it is applied for each input pixel: a quarter or a sixteenth behind a space-to-depth head, several times
    where weights are shared.
    With `experts` its kernel is a fixed one plus the weighted sum of so many, fused once a picture.
    """

    inputs: int
    outputs: int
    kernel: int
    depthwise: bool = False
    bias: bool = True
    act: int = 0
    groups: int = 1
    uses: float = 1.0
    experts: int = 0

    @property
    def weights(self) -> int:
        """Values of the one kernel that is used, which are also the multiply-adds of one use."""
        return self.outputs * self.kernel**2 * (1 if self.depthwise else self.inputs // self.groups)

    @property
    def macs(self) -> float:
        """Multiply-adds an input pixel."""
        return self.weights * self.uses

    @property
    def params(self) -> int:
        """Trained values."""
        return self.weights * (self.experts + 1) + self.act + (self.outputs if self.bias else 0)

    @property
    def fusion(self) -> int:
        """Multiply-adds that make the kernel out of its experts, once a picture."""
        return self.weights * self.experts


@dataclass(frozen=True)
class Predictor:
    """The matrix and the bias that take the means of `inputs` channels to all coefficients of a chain, once a picture."""

    inputs: int
    outputs: int

    @property
    def macs(self) -> int:
        """Multiply-adds a picture; taking the means is additions alone."""
        return self.inputs * self.outputs

    @property
    def params(self) -> int:
        """Trained values."""
        return self.macs + self.outputs


def convolutions(layer: Layer, inputs: int) -> list[Conv]:
    """The convolutions of one layer that takes `inputs` channels."""

    def slopes(width: int) -> int:
        return width if layer.act == "prelu" else 0

    if layer.op in DYNAMIC:
        dynamic, *fixed = convolutions(replace(layer, op=DYNAMIC[layer.op]), inputs)
        return [replace(dynamic, experts=layer.experts), *fixed]
    if layer.op in CONVS:
        return [Conv(inputs, layer.width, CONVS[layer.op], act=slopes(layer.width))]
    if layer.op in SEPARABLES:
        depthwise = Conv(inputs, inputs, SEPARABLES[layer.op], depthwise=True, bias=False)
        return [depthwise, Conv(inputs, layer.width, 1, act=slopes(layer.width))]
    expand = Conv(inputs, layer.hidden, 1, act=slopes(layer.hidden))
    depthwise = Conv(layer.hidden, layer.hidden, 3, depthwise=True, act=slopes(layer.hidden))
    return [expand, depthwise, Conv(layer.hidden, layer.width, 1)]


def tail(genotype: MobileGenotype, signature: Signature) -> Conv:
    """The last convolution, to all sub-pixels of an input pixel (of a block of pixels behind a space-to-depth head)."""
    outputs = signature.out_channels * (signature.scale * block(genotype)) ** 2
    return Conv(genotype.layers[-1].width, outputs, genotype.tail)


def chain(genotype: MobileGenotype, signature: Signature) -> Iterator[Conv]:
    """All trained convolutions from the input to the output."""
    for layer, inputs in zip(genotype.layers, input_widths(genotype, signature), strict=False):
        yield from convolutions(layer, inputs)
    yield tail(genotype, signature)


def predictor(genotype: MobileGenotype, signature: Signature) -> Predictor | None:
    """What predicts the coefficients, one for each expert of each output channel; None in a static chain."""
    place = first_dynamic(genotype)
    return None if place is None else predictor_of(chain(genotype, signature), input_widths(genotype, signature)[place])


def predictor_of(convs: Iterable[Conv], inputs: int) -> Predictor | None:
    """What predicts the coefficients of a network of these convolutions from `inputs` channels; None where all are static."""
    coefficients = sum(conv.outputs * conv.experts for conv in convs)
    return Predictor(inputs, coefficients) if coefficients else None


def macs_per_picture(convs: Sequence[Conv], predicted: Predictor | None) -> int:
    """Multiply-adds that do not depend on the picture's size: coefficients and the fusion of kernels."""
    return sum(conv.fusion for conv in convs) + (predicted.macs if predicted else 0)


def blending(convs: Iterable[Conv], pixels: float) -> float:
    """Multiply-adds that `pixels` input pixels take more when all experts run and what they give is blended, and no kernel is fused."""
    return sum(conv.macs * conv.experts * pixels - conv.fusion for conv in convs)


def macs_per_input_pixel(genotype: MobileGenotype, signature: Signature) -> float:
    """Multiply-adds an input pixel, exact (a multiple of a sixteenth); a fixed bicubic skip is counted too."""
    macs = sum(conv.weights for conv in chain(genotype, signature))
    if has_bicubic(genotype, signature):
        macs += tail(genotype, signature).outputs * bicubic_side(genotype) ** 2
    return macs / block(genotype) ** 2


def has_bicubic(genotype: Ends, signature: Signature) -> bool:
    """Whether the global skip computes anything: at scale 1 it is the input."""
    return genotype.skip == "bicubic" and signature.scale > 1


def bicubic_side(genotype: Ends) -> int:
    """Side of the fixed kernel that makes all sub-pixels of a block."""
    return block(genotype) + 2 * BICUBIC


def radius(genotype: MobileGenotype, signature: Signature) -> int:
    """Input pixels to each side that an output pixel depends on, at most, coefficients aside; rounded up to whole blocks.

    Behind a space-to-depth head a pixel also sees the far side of the farthest block: side·reach + side − 1, rounded up.
    """
    reach = sum(conv.kernel // 2 for conv in chain(genotype, signature))
    side = block(genotype)
    if side > 1:
        reach = side * reach + side
    return max(reach, BICUBIC if has_bicubic(genotype, signature) else 0)
