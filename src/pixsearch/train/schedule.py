"""How far a training has come, and the learning rate there: warm-up, then half a cosine."""

from __future__ import annotations

import math
import time

from pixsearch.train.config import TrainConfig
from pixsearch.train.ranks import ALONE, Ranks

REWARM = 0.05  # of a training: over so much the rate is led from an old schedule to a new one

Entered = tuple[float, float]
"""Where a training came upon a schedule (progress in it), and the share of the peak rate it came with."""


def rate_share(progress: float, warmup: float, entered: Entered | None = None) -> float:
    """The share of the peak rate at `progress` (0…1): a straight rise over `warmup`, then a cosine to zero (Loshchilov & Hutter 2017).

    A training that is given another length when it is resumed goes on by the schedule of a training that had that length from
    the start, at the place where it stands there: the cosine is stretched. The rate would jump, and after a training that had
    ended, from zero nearly to its peak; so it is led over in a straight line, within a twentieth of the new length or half of what is left.
    """
    share = progress / warmup if progress < warmup else 0.5 * (1 + math.cos(math.pi * min((progress - warmup) / (1 - warmup), 1.0)))
    if entered is None or progress >= 1:
        return share
    begin, before = entered
    done = (progress - begin) / min(REWARM, (1 - begin) / 2)
    return share if done >= 1 else before + done * (share - before)


class Clock:
    """The progress of a training by its steps or by its wall-clock budget, of which `used_s` seconds went by before.

    It is read once a step, by `tick`, and then stands still: so all that belongs to a step sees one moment, on all ranks the first one's.
    """

    def __init__(self, config: TrainConfig, used_s: float = 0.0, ranks: Ranks = ALONE) -> None:
        self._steps, self._budget_s, self._ranks = config.steps, config.budget_s, ranks
        self._begin = time.monotonic() - used_s
        self._now_s = used_s

    def tick(self, stop: bool = False) -> bool:
        """Look at the time; gives back whether `stop` holds on any rank."""
        stop, self._now_s = self._ranks.agree(stop, self.elapsed_s)
        return stop

    @property
    def elapsed_s(self) -> float:
        """Seconds of training up to this very moment, over all its parts when it was resumed."""
        return time.monotonic() - self._begin

    def progress(self, step: float) -> float:
        """The share done after `step` steps, at the last tick; 1 or more when the training is over."""
        if self._steps is not None:
            return step / self._steps
        assert self._budget_s is not None
        return self._now_s / self._budget_s

    def left_s(self, step: int, steps_per_s: float) -> float | None:
        """Seconds to go, None while the speed is unknown."""
        if self._budget_s is not None:
            return max(self._budget_s - self.elapsed_s, 0.0)
        assert self._steps is not None
        return (self._steps - step) / steps_per_s if steps_per_s > 0 else None
