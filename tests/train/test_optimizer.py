"""Muon against its definition, one matrix at a time; Adam and SGD against torch's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from pixsearch.train.optimizer import (
    COEFFICIENTS,
    ITERATIONS,
    LIKE_ADAM,
    MOMENTUM,
    SGD,
    SGD_MOMENTUM,
    Adam,
    Muon,
    Rule,
    is_matrix,
    orthogonal,
)


def by_definition(matrix: Tensor) -> Tensor:
    """Newton-Schulz on the matrix itself, as published."""
    a, b, c = COEFFICIENTS
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm()
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def body() -> nn.Sequential:
    """Kernels of all kinds: few inputs, square, tall, lying, depthwise, with biases and slopes."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3),
        nn.PReLU(16),
        nn.Conv2d(16, 16, 3),
        nn.Conv2d(16, 40, 1),
        nn.Conv2d(40, 40, 3, groups=40),
        nn.Conv2d(40, 12, 1),
        nn.Conv2d(12, 4, 3),
    )


def test_orthogonal_equals_the_definition() -> None:
    torch.manual_seed(1)
    matrices = torch.randn(3, 6, 20) * torch.tensor([1e-6, 1.0, 1e3])[:, None, None]
    for matrix, result in zip(matrices, orthogonal(matrices), strict=True):
        torch.testing.assert_close(result, by_definition(matrix), atol=2e-4, rtol=1e-3)


def test_orthogonal_evens_singular_values_out() -> None:
    torch.manual_seed(2)
    values = torch.linalg.svdvals(orthogonal(torch.randn(1, 16, 144)))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_nothing_stays_nothing() -> None:
    assert not orthogonal(torch.zeros(2, 4, 9)).any()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_steps_as_defined_whatever_the_layout(layout: torch.memory_format) -> None:
    network = body().to(memory_format=layout)  # type: ignore[call-overload]
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    optimizer = Muon(network.named_parameters())
    optimizer.param_groups[0]["lr"] = 0.01
    momentum = {name: torch.zeros_like(weight) for name, weight in before.items()}
    for step in range(3):
        torch.manual_seed(step)
        for name, weight in network.named_parameters():
            weight.grad = torch.randn(weight.shape).to(memory_format=layout) if weight.dim() == 4 else torch.randn(weight.shape)
            momentum[name] = MOMENTUM * momentum[name] + (1 - MOMENTUM) * weight.grad
            if is_matrix(weight):
                ahead = (1 - MOMENTUM) * weight.grad + MOMENTUM * momentum[name]
                update = by_definition(ahead.flatten(1)).reshape(weight.shape)
                longer = max(weight.shape[0], weight[0].numel())
                before[name] -= 0.01 * LIKE_ADAM * longer**0.5 * update
        optimizer.step()
    for name, weight in network.named_parameters():
        if is_matrix(weight):
            torch.testing.assert_close(weight.detach(), before[name], atol=2e-5, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


def test_muon_leaves_biases_and_slopes_to_adam() -> None:
    ours, theirs = body(), body()
    muon = Muon(ours.named_parameters())
    adam = torch.optim.Adam([weight for weight in theirs.parameters() if not is_matrix(weight)], lr=0.02)
    muon.param_groups[0]["lr"] = 0.02
    for step in range(3):
        torch.manual_seed(step)
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.grad = torch.randn(mine.shape)
            other.grad = mine.grad.clone()
        muon.step()
        adam.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        if not is_matrix(mine):
            torch.testing.assert_close(mine, other)


def pairs() -> list[tuple[str, type[Rule], Callable[..., torch.optim.Optimizer]]]:
    nesterov = partial(torch.optim.SGD, momentum=SGD_MOMENTUM, nesterov=True)
    return [("adam", Adam, torch.optim.Adam), ("sgd", SGD, nesterov)]


@pytest.mark.parametrize(("kind", "theirs_of"), [pair[1:] for pair in pairs()], ids=[pair[0] for pair in pairs()])
def test_adam_and_sgd_are_torch_s(kind: type[Rule], theirs_of: Callable[..., torch.optim.Optimizer]) -> None:
    ours, theirs = body().to(memory_format=torch.channels_last), body()  # type: ignore[call-overload]
    mine, other = kind(ours.named_parameters()), theirs_of(theirs.parameters(), lr=0.02)
    mine.param_groups[0]["lr"] = 0.02
    for step in range(3):
        torch.manual_seed(step)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            b.grad = torch.randn(b.shape)
            a.grad = b.grad.clone(memory_format=torch.preserve_format)
            a.grad = a.grad.to(memory_format=torch.channels_last) if a.dim() == 4 else a.grad
        mine.step()
        other.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
