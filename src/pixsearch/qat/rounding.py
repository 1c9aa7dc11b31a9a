"""Rounding to 8 bits that gradients pass through: activations in learned ranges, kernels and biases by their own values.

Values are those of ONNX's QuantizeLinear and DequantizeLinear and steps those that ONNX Runtime's quantizer writes: to the
nearest level, halves to even, saturated. Gradients are those of learned step sizes (LSQ, Esser et al. 2020; with a
zero point as LSQ+, Bhalgat et al. 2020), told as gradients of a range's two ends.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from pixsearch.export.ranges import LEVELS
from pixsearch.export.scheme import Scheme

_TINY = torch.finfo(torch.float32).tiny


class RangeRounding(nn.Module):
    """An activation's 8 bits: float32 of any shape → the same shape, each value one of 256.

    `low` ≤ 0 ≤ `high` is where the range begins. A learned one moves each end by the exponential of a trained number, so
    that one learning rate suits wide ranges and narrow ones; an end at zero stays there.
    """

    low: Tensor
    high: Tensor

    def __init__(self, low: float, high: float, scheme: Scheme, *, learned: bool) -> None:
        super().__init__()
        self.levels = scheme.levels
        for name, end in (("low", low), ("high", high)):
            self.register_buffer(name, torch.tensor(end, dtype=torch.float32), persistent=False)
        self.wider = nn.Parameter(torch.zeros(2)) if learned else None

    def ends(self) -> tuple[Tensor, Tensor]:
        """The range as it is now."""
        if self.wider is None:
            return self.low, self.high
        factors = self.wider.exp()
        return self.low * factors[0], self.high * factors[1]

    def step(self) -> tuple[Tensor, Tensor]:
        """The step between levels, and the level of zero counted from the lowest."""
        low, high = self.ends()
        return affine_step(low.detach(), high.detach(), -self.levels[0])

    def forward(self, x: Tensor) -> Tensor:
        """The nearest levels' values."""
        rounded: Tensor = _Rounded.apply(x, *self.ends(), *self.step())  # type: ignore[no-untyped-call]
        return rounded


class _Rounded(torch.autograd.Function):
    """The nearest of 256 levels. Where it saturates, the gradient is that of the range's end instead of the value's.

    Few passes over memory, as rounding takes as long as the convolutions between: `error` is all that is kept for the way back.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, _low: Tensor, _high: Tensor, step: Tensor, zero: Tensor) -> Tensor:
        error, lowest = x / step, -float(zero)
        level = error.round().clamp_(lowest, lowest + LEVELS)
        ctx.save_for_backward(error.sub_(level))
        return level.mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (error,) = gradients, ctx.saved_tensors
        through = _where_between(gradient, error, -_SATURATED, _SATURATED)
        if not ctx.needs_input_grad[1]:
            return through, None, None, None, None
        above = _where_between(gradient, error, _SATURATED, math.inf).sum()
        below = gradient.sum() - through.sum() - above
        inside = (through * error).sum() / LEVELS
        return through, below + inside, above - inside, None, None


_SATURATED = 0.5 + 2**-20  # an error beyond half a step, but for float32's own rounding
_where_between = torch.ops.aten.hardtanh_backward.default  # gradient · (low < value < high), in one pass


def affine_step(low: Tensor, high: Tensor, zero_of_nothing: int = 0) -> tuple[Tensor, Tensor]:
    """The step, float32, and the level of zero in 0…255, of ranges from `low` to `high`; a range of nothing has step 1."""
    low, high = low.double().clamp(max=0), high.double().clamp(min=0)
    step = (high - low) / LEVELS
    nothing = step < _TINY
    zero = torch.where(nothing, float(zero_of_nothing), (-low / step).round())
    return torch.where(nothing, 1.0, step).float(), zero.float()


def kernel_step(kernel: Tensor, scheme: Scheme, axis: int) -> tuple[Tensor, Tensor]:
    """The step and the level of zero of a kernel's own range, shaped to go with it: one, or one for each index of `axis`."""
    values = kernel.detach()
    over = [other for other in range(values.dim()) if not scheme.per_channel or other != axis]
    low, high = values.amin(over, keepdim=True), values.amax(over, keepdim=True)
    if not scheme.signed_weights:
        return affine_step(low, high)
    step = torch.maximum(-low, high).double() / 127
    nothing = step < _TINY
    return torch.where(nothing, 1.0, step).float(), torch.zeros_like(low)


def rounded_kernel(kernel: Tensor, step: Tensor, zero: Tensor, scheme: Scheme) -> Tensor:
    """A kernel's 8-bit values; its gradient is the kernel's."""
    lowest, highest = (-zero - 127, -zero + 127) if scheme.signed_weights else (-zero, LEVELS - zero)
    values = kernel.detach()
    level = (values / step).round()
    return kernel + (torch.minimum(torch.maximum(level, lowest), highest) * step - values)


def rounded_bias(bias: Tensor, step: Tensor) -> Tensor:
    """A bias in 32 bits; its gradient is the bias's."""
    values = bias.detach()
    level = (values.double() / step.double()).round()
    return bias + ((level * step.double()).float() - values)
