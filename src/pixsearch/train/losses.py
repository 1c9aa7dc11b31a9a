"""What a training lowers: the mean over all values of a batch, float32, on planes in 0…1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.train.config import Loss

Criterion = Callable[[Tensor, Tensor], Tensor]

CORNER = 1e-3  # below this difference (a quarter of an 8-bit level) the Charbonnier loss is round


def charbonnier(output: Tensor, truth: Tensor) -> Tensor:
    """L1 with a round corner: the mean of √(difference² + ε²) (Charbonnier et al. 1994), as LapSRN uses it."""
    return torch.sqrt((output - truth).square() + CORNER**2).mean()


LOSSES: dict[Loss, Criterion] = {"l1": F.l1_loss, "l2": F.mse_loss, "charbonnier": charbonnier}
