"""How weights follow their gradients: Adam, or Muon for kernels with Adam for the rest; their state is named tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from pixsearch.train.config import Optimizer

BETAS = (0.9, 0.999)
MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
LIKE_ADAM = 0.2  # the root mean square of an orthogonalized update, so that one `rate` suits kernels of all shapes


class Rule(ABC):
    """What torch calls an optimizer, without its hooks: they cost a small network a twentieth of its step.

    `param_groups` holds the weights, for a gradient scaler, and the rate as `lr`.
    """

    def __init__(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        self.named = list(weights)
        self.param_groups: list[dict[str, Any]] = [{"params": [weight for _, weight in self.named], "lr": 0.0}]

    @abstractmethod
    def step(self) -> None:
        """Move the weights by their gradients, at the present rate."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The state itself, by name."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for _, weight in self.named:
            weight.grad = None


class Adam(Rule):
    """Adam (Kingma & Ba 2015), fused into one call where torch can; its state lies in memory as the weights do, as that call expects."""

    def __init__(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        super().__init__(weights)
        self._weights = [weight for _, weight in self.named]
        self._fused = bool(self._weights) and self._weights[0].device.type in ("cpu", "cuda")
        self._first = [torch.zeros_like(weight) for weight in self._weights]
        self._second = [torch.zeros_like(weight) for weight in self._weights]
        self._steps = [torch.zeros((), device=weight.device) for weight in self._weights]

    @torch.no_grad()
    def step(self) -> None:
        """All weights at once."""
        with_gradient = [i for i, weight in enumerate(self._weights) if weight.grad is not None]
        if not with_gradient:
            return
        adam(
            [self._weights[i] for i in with_gradient],
            [gradient for weight in self._weights if (gradient := weight.grad) is not None],
            [self._first[i] for i in with_gradient],
            [self._second[i] for i in with_gradient],
            [],
            [self._steps[i] for i in with_gradient],
            fused=self._fused,
            foreach=False if self._fused else None,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.param_groups[0]["lr"],
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """First and second moments and the count of steps of each weight."""
        kinds = {"first": self._first, "second": self._second, "steps": self._steps}
        return {f"{kind}/{name}": value for kind, values in kinds.items() for (name, _), value in zip(self.named, values, strict=True)}


class Muon(Rule):
    """Momentum made orthogonal for kernels (Jordan et al. 2024; scaled as Liu et al. 2025), Adam for biases and slopes.

    A kernel (out, in, k, k) counts as a matrix of out rows; it lies down if it has more rows than columns. Matrices of about one size are
    padded with zeros, which change nothing, and go through as one: a small network's step is as long as its number of calls.
    """

    def __init__(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        super().__init__(weights)
        self._adam = Adam((name, weight) for name, weight in self.named if not is_matrix(weight))
        kernels = [weight for _, weight in self.named if is_matrix(weight)]
        sizes = sorted({_size(weight) for weight in kernels})
        self._stacks = [Stack([weight for weight in kernels if _size(weight) == size]) for size in sizes]

    @torch.no_grad()
    def step(self) -> None:
        """Biases and slopes first, then kernels."""
        rate = self.param_groups[0]["lr"]
        self._adam.param_groups[0]["lr"] = rate
        self._adam.step()
        for stack in self._stacks:
            stack.step(rate)

    def tensors(self) -> dict[str, Tensor]:
        """The kernels' momentum and Adam's state."""
        return {f"momentum/{number}": stack.momentum for number, stack in enumerate(self._stacks)} | self._adam.tensors()


class Stack:
    """Kernels as matrices (N, rows, columns) of one size, padded with zeros, and their momentum."""

    def __init__(self, kernels: list[Tensor]) -> None:
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


def make(name: Optimizer, weights: Iterable[tuple[str, Tensor]]) -> Rule:
    """The optimizer called `name` for these weights."""
    return Adam(weights) if name == "adam" else Muon(weights)
