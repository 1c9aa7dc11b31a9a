"""Losses against their formulas."""

from __future__ import annotations

import pytest
import torch

from pixsearch.train.losses import CORNER, LOSSES


@pytest.mark.parametrize(
    ("name", "expected"),
    [("l1", (0.5 + 0.1) / 2), ("l2", (0.25 + 0.01) / 2), ("charbonnier", ((0.25 + CORNER**2) ** 0.5 + (0.01 + CORNER**2) ** 0.5) / 2)],
)
def test_loss_is_the_mean_over_all_values(name: str, expected: float) -> None:
    output, truth = torch.tensor([[[[0.5, 0.9]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert float(LOSSES[name](output, truth)) == pytest.approx(expected, rel=1e-5)  # type: ignore[index]


def test_charbonnier_has_a_slope_at_no_difference() -> None:
    output = torch.zeros(3, requires_grad=True)
    LOSSES["charbonnier"](output, torch.zeros(3)).backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()
