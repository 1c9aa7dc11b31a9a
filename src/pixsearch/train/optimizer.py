"""How weights follow their gradients: Muon for kernels with Adam for the rest, Adam, or plain SGD; their state is named tensors."""

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
SGD_MOMENTUM = 0.9
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
        """All weights at once; each has a gradient."""
        if not self._weights:
            return
        adam(
            self._weights,
            [_gradient(weight) for weight in self._weights],
            self._first,
            self._second,
            [],
            self._steps,
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


class SGD(Rule):
    """Gradient descent with momentum, looking ahead (Nesterov 1983, as Sutskever et al. 2013 write it)."""

    def __init__(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        super().__init__(weights)
        self._weights = [weight for _, weight in self.named]
        self._momentum = [torch.zeros_like(weight) for weight in self._weights]

    @torch.no_grad()
    def step(self) -> None:
        """All weights in a few calls; each has a gradient."""
        rate, gradients = self.param_groups[0]["lr"], [_gradient(weight) for weight in self._weights]
        torch._foreach_mul_(self._momentum, SGD_MOMENTUM)
        torch._foreach_add_(self._momentum, gradients)
        torch._foreach_add_(self._weights, gradients, alpha=-rate)
        torch._foreach_add_(self._weights, self._momentum, alpha=-rate * SGD_MOMENTUM)

    def tensors(self) -> dict[str, Tensor]:
        """The momentum of each weight."""
        return {f"momentum/{name}": value for (name, _), value in zip(self.named, self._momentum, strict=True)}


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
    """Kernels as matrices (N, rows, columns) of one size, padded with zeros, and their momentum (also one by one: `momenta`)."""

    def __init__(self, kernels: list[Tensor]) -> None:
        self.kernels = kernels
        shapes = [(weight.shape[0], weight[0].numel()) for weight in kernels]
        rows, columns = max(min(shape) for shape in shapes), max(max(shape) for shape in shapes)
        self.momentum = torch.zeros(len(kernels), rows, columns, device=kernels[0].device)
        self._gradient, self._ahead, self._update = (torch.zeros_like(self.momentum) for _ in range(3))
        self._places = [_place(matrix, weight) for matrix, weight in zip(self._gradient, kernels, strict=True)]
        self._changes = [_place(matrix, weight) for matrix, weight in zip(self._update, kernels, strict=True)]
        self.momenta = [_place(matrix, weight) for matrix, weight in zip(self.momentum, kernels, strict=True)]
        pace = torch.tensor([LIKE_ADAM * max(shape) ** 0.5 for shape in shapes], device=kernels[0].device)
        self._pace = pace[:, None, None]

    def step(self, rate: float) -> None:
        """Gradients into momentum (Nesterov's), made orthogonal, onto the kernels; few calls, whatever their number."""
        torch._foreach_copy_(self._places, [_gradient(weight) for weight in self.kernels])
        self.momentum.lerp_(self._gradient, 1 - MOMENTUM)
        torch.lerp(self._gradient, self.momentum, MOMENTUM, out=self._ahead)
        orthogonal(self._ahead, self._update).mul_(self._pace)
        torch._foreach_add_(self.kernels, self._changes, alpha=-rate)


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None, "every weight takes part in the loss"
    return weight.grad


def _size(weight: Tensor) -> int:
    """Which kernels are padded to one size: those whose shorter side has the same next power of two, of 16 at least."""
    return max(4, (min(weight.shape[0], weight[0].numel()) - 1).bit_length())


def _place(matrix: Tensor, weight: Tensor) -> Tensor:
    """The part of a padded matrix that belongs to a kernel, seen in the kernel's own shape."""
    rows, columns = weight.shape[0], weight[0].numel()
    part = matrix[: min(rows, columns), : max(rows, columns)]
    return (part.mT if rows > columns else part).view(weight.shape)


def is_matrix(weight: Tensor) -> bool:
    """Whether a weight maps vectors to vectors: kernels do; biases, slopes and scales do not."""
    return weight.dim() in (2, 4)


def orthogonal(matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The nearest orthogonal matrices to (N, rows, columns), roughly: singular values end between about 0.7 and 1.2.

    Newton-Schulz: X ← (a + b·G + c·G²)·X with G = X·Xᵀ, taken on G alone (rows × rows, the shorter side) until the end.
    """
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-12)
    gram = x @ x.mT
    start = torch.eye(gram.shape[1], device=gram.device).mul_(COEFFICIENTS[0])
    total = factor = _factor(gram, start)
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram, start)
        total = factor @ total
    return torch.bmm(total, x, out=out)


def _factor(gram: Tensor, start: Tensor) -> Tensor:
    """a·I + b·G + c·G²; `start` is a·I."""
    _, b, c = COEFFICIENTS
    return torch.baddbmm(torch.add(start, gram, alpha=b), gram, gram, alpha=c)


def make(name: Optimizer, weights: Iterable[tuple[str, Tensor]]) -> Rule:
    """The optimizer called `name` for these weights."""
    kinds: dict[Optimizer, type[Rule]] = {"adam": Adam, "muon": Muon, "sgd": SGD}
    return kinds[name](weights)
