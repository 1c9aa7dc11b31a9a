"""How weights follow their gradients: Adam, or Muon for kernels with Adam for the rest; their state is named tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from pixsearch.train.config import Rule

MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
LIKE_ADAM = 0.2  # the root mean square of an orthogonalized update, so that one `rate` suits kernels of all shapes

Named = list[tuple[str, nn.Parameter]]


class Adam(torch.optim.Adam):
    """Adam (Kingma & Ba 2015), fused where torch can, with its state laid out from the start."""

    def __init__(self, weights: Iterable[tuple[str, nn.Parameter]]) -> None:
        self.named: Named = list(weights)
        parameters = [weight for _, weight in self.named]
        super().__init__(parameters, fused=parameters[0].device.type in ("cpu", "cuda"))
        for weight in parameters:
            # As the weight lies in memory (channels-last): the fused step goes through both in the order of their bytes.
            moments = {moment: torch.zeros_like(weight, memory_format=torch.preserve_format) for moment in ("exp_avg", "exp_avg_sq")}
            self.state[weight] = {"step": torch.zeros((), device=weight.device), **moments}

    def tensors(self) -> dict[str, Tensor]:
        """The state itself, by name."""
        return {f"adam/{key}/{name}": value for name, weight in self.named for key, value in self.state[weight].items()}


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal for kernels (Jordan et al. 2024; scaled as Liu et al. 2025), Adam for biases and slopes.

    A kernel (out, in, k, k) counts as a matrix of out rows; it lies down if it has more rows than columns. Matrices of about one size are
    padded with zeros, which change nothing, and go through as one: a small network's step is as long as its number of calls.
    """

    def __init__(self, weights: Iterable[tuple[str, nn.Parameter]]) -> None:
        named = list(weights)
        super().__init__([weight for _, weight in named], {"lr": 0.0})
        rest = [(name, weight) for name, weight in named if not is_matrix(weight)]
        self._adam = Adam(rest) if rest else None
        kernels = [weight for _, weight in named if is_matrix(weight)]
        sizes = sorted({_size(weight) for weight in kernels})
        self._stacks = [Stack([weight for weight in kernels if _size(weight) == size]) for size in sizes]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step at the rate in `param_groups[0]["lr"]`; `closure` is not used."""
        del closure
        rate = self.param_groups[0]["lr"]
        if self._adam is not None:
            self._adam.param_groups[0]["lr"] = rate
            self._adam.step()
        for stack in self._stacks:
            stack.step(rate)

    def tensors(self) -> dict[str, Tensor]:
        """The state itself, by name."""
        momenta = {f"muon/{number}": stack.momentum for number, stack in enumerate(self._stacks)}
        return {**momenta, **(self._adam.tensors() if self._adam is not None else {})}


class Stack:
    """Kernels as matrices (N, rows, columns) of one size, padded with zeros, and their momentum."""

    def __init__(self, kernels: list[nn.Parameter]) -> None:
        self._kernels = kernels
        shapes = [(weight.shape[0], weight[0].numel()) for weight in kernels]
        rows, columns = max(min(shape) for shape in shapes), max(max(shape) for shape in shapes)
        self.momentum = torch.zeros(len(kernels), rows, columns, device=kernels[0].device)
        self._gradient = torch.zeros_like(self.momentum)
        self._update = torch.zeros_like(self.momentum)
        self._places = [_place(self._gradient[i], shape) for i, shape in enumerate(shapes)]
        self._changes = [_place(self._update[i], shape) for i, shape in enumerate(shapes)]
        self._pace = [LIKE_ADAM * max(shape) ** 0.5 for shape in shapes]

    def step(self, rate: float) -> None:
        """Gradients into momentum (Nesterov's), made orthogonal, onto the kernels."""
        for place, weight in zip(self._places, self._kernels, strict=True):
            if weight.grad is None:
                place.zero_()
            else:
                place.copy_(weight.grad.flatten(1))
        self.momentum.lerp_(self._gradient, 1 - MOMENTUM)
        orthogonal(self._gradient.lerp_(self.momentum, MOMENTUM), self._update)
        for change, weight, pace in zip(self._changes, self._kernels, self._pace, strict=True):
            weight.add_(change.reshape(weight.shape), alpha=-rate * pace)


def _size(weight: Tensor) -> int:
    """Which kernels are padded to one size: those whose shorter side has the same next power of two, of 16 at least."""
    return max(4, (min(weight.shape[0], weight[0].numel()) - 1).bit_length())


def _place(matrix: Tensor, shape: tuple[int, int]) -> Tensor:
    """The part of a padded matrix that belongs to a kernel of `shape`, seen as the kernel's own rows."""
    part = matrix[: min(shape), : max(shape)]
    return part.mT if shape[0] > shape[1] else part


def is_matrix(weight: Tensor) -> bool:
    """Whether a weight maps vectors to vectors: kernels do; biases, slopes and scales do not."""
    return weight.dim() in (2, 4)


def orthogonal(matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The nearest orthogonal matrices to (N, rows, columns), roughly: singular values end between about 0.7 and 1.2.

    Newton-Schulz: X ← (a + b·G + c·G²)·X with G = X·Xᵀ, taken on G alone (rows × rows, the shorter side) until the end.
    """
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-12)
    gram = x @ x.mT
    total = factor = _factor(gram)
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        total = factor @ total
    return torch.bmm(total, x, out=out)


def _factor(gram: Tensor) -> Tensor:
    a, b, c = COEFFICIENTS
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=1, dim2=2).add_(a)
    return factor


def make(rule: Rule, weights: Iterable[tuple[str, nn.Parameter]]) -> Adam | Muon:
    """The optimizer called `rule` for these weights."""
    return Adam(weights) if rule == "adam" else Muon(weights)
