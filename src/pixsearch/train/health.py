"""What happens when a loss explodes: back to the last good state with half the rate, a few times."""

from __future__ import annotations

import math

from pixsearch.data.progress import Note
from pixsearch.errors import GateError
from pixsearch.train.config import TrainConfig
from pixsearch.train.trainee import Packed, Trainee

BLOCK = 100  # steps from one look to the next: reading a loss makes a GPU wait, and a good state is copied
EXPLODED = 10.0  # times the usual loss
SETBACKS = 3


def is_well(trainee: Trainee) -> bool:
    """Whether the losses since the last look and the weights are numbers, and the losses not far above the usual."""
    mean, usual = trainee.mean_loss, trainee.progress.usual_loss
    return math.isfinite(mean) and (usual is None or mean <= EXPLODED * usual) and trainee.is_finite()


def settle(trainee: Trainee) -> Packed:
    """Take the present state as the last good one."""
    now = trainee.progress
    if now.summed:
        mean = trainee.mean_loss
        now.usual_loss = mean if now.usual_loss is None else (now.usual_loss + mean) / 2
        trainee.forget_losses()
    return trainee.pack()


def fall_back(trainee: Trainee, good: Packed, config: TrainConfig, note: Note) -> Packed:
    """Return to `good` with half of its rate and say so; `GateError` when that has been tried often enough."""
    failed, loss = trainee.progress.step, trainee.mean_loss
    trainee.unpack(good)
    now = trainee.progress
    what = f"became {loss:.3g}, usually {now.usual_loss:.3g}" if now.usual_loss is not None else f"became {loss:.3g}"
    rate = config.rate * now.slowed
    now.setbacks.append(failed)
    if len(now.setbacks) > SETBACKS:
        steps = ", ".join(map(str, now.setbacks))
        raise GateError(
            f"The loss exploded {len(now.setbacks)} times (by steps {steps}), the last time at a `rate` of {rate:.2g}: it {what}. "
            f"Train anew with a `rate` below {rate:.1g}, or look for broken pictures with `pixsearch doctor`."
        )
    now.slowed /= 2
    note("warning", text=f"The loss {what} by step {failed}: back to step {now.step} with half the rate, {config.rate * now.slowed:.2g}.")
    return trainee.pack()
