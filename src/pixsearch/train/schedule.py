"""How far a training has come, and the learning rate there: warm-up, then half a cosine."""

from __future__ import annotations

import math
import time

from pixsearch.train.config import TrainConfig


def rate_share(progress: float, warmup: float) -> float:
    """The share of the peak rate at `progress` (0…1): a straight rise over `warmup`, then a cosine to zero (Loshchilov & Hutter 2017)."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * min((progress - warmup) / (1 - warmup), 1.0)))


class Clock:
    """The progress of a training by its steps or by its wall-clock budget, of which `used_s` seconds went by before."""

    def __init__(self, config: TrainConfig, used_s: float = 0.0) -> None:
        self._steps, self._budget_s = config.steps, config.budget_s
        self._begin = time.monotonic() - used_s

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, over all its parts when it was resumed."""
        return time.monotonic() - self._begin

    def progress(self, step: float) -> float:
        """The share done after `step` steps; 1 or more when the training is over."""
        if self._steps is not None:
            return step / self._steps
        assert self._budget_s is not None
        return self.elapsed_s / self._budget_s

    def left_s(self, step: int, steps_per_s: float) -> float | None:
        """Seconds to go, None while the speed is unknown."""
        if self._budget_s is not None:
            return max(self._budget_s - self.elapsed_s, 0.0)
        assert self._steps is not None
        return (self._steps - step) / steps_per_s if steps_per_s > 0 else None
