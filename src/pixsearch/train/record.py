"""The record of a training: its events and its checkpoints, and how it is taken up again."""

from __future__ import annotations

import math
import time
from typing import Any

from pixsearch.data.progress import Note
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.config import TrainConfig
from pixsearch.train.schedule import Clock, rate_share
from pixsearch.train.trainee import Packed, Trainee
from pixsearch.units import format_duration

STEP_EVERY_S = 2.0


class Record:
    """Tells `note` how the training of `trainee` goes, and keeps it in `checkpoints` if there are any.

    Opening it takes the training up where the newest checkpoint left it.
    """

    def __init__(self, trainee: Trainee, config: TrainConfig, checkpoints: Checkpoints | None, note: Note) -> None:
        self._trainee, self._config, self._checkpoints, self._note = trainee, config, checkpoints, note
        packed = checkpoints.latest(note) if checkpoints is not None else None
        if packed is not None:
            trainee.unpack(packed)
        self.clock = Clock(config, trainee.progress.elapsed_s)
        self.rate = 0.0
        if packed is not None:
            self._tell_resumed(packed)
        self._saved_at = self._told_at = time.monotonic()
        self._saved_step = self._told_step = trainee.progress.step

    def step(self, rate: float) -> None:
        """After each step; an event `step` {step, steps, progress, loss, rate, samples_per_s, elapsed_s, eta_s} every two seconds."""
        self.rate = rate
        seconds = time.monotonic() - self._told_at
        if seconds < STEP_EVERY_S:
            return
        step, loss = self._trainee.progress.step, self._trainee.mean_loss
        speed = (step - self._told_step) / seconds
        if math.isfinite(loss) and speed > 0:
            self._note(
                "step",
                **self._place(),
                steps=self._config.steps,
                loss=loss,
                rate=rate,
                samples_per_s=round(speed * self._config.batch, 1),
                eta_s=self.clock.left_s(step, speed),
            )
        self._go_on()

    def validation(self, figures: dict[str, Any], seconds: float) -> None:
        """An event `validation` {step, progress, seconds, elapsed_s} with the `figures` of whoever validates."""
        self._note("validation", **self._place(), **figures, seconds=round(seconds, 3))
        self._go_on()

    def ended_early(self) -> None:
        """An event `early_stop` {step, progress, elapsed_s, text}."""
        text = f"{self._trainee.progress.since_best} validations in a row brought nothing: the training ends here."
        self._note("early_stop", **self._place(), text=text)

    def is_save_due(self) -> bool:
        """Whether there is something to save and the last checkpoint is old enough."""
        old = time.monotonic() - self._saved_at >= self._config.checkpoint_every_s
        return self._checkpoints is not None and old and self._trainee.progress.step > self._saved_step

    def save(self) -> None:
        """Write a checkpoint, if any are kept, and an event `checkpoint` {step}; `MachineError` when it cannot be written."""
        if self._checkpoints is None:
            return
        packed = self._trainee.pack(self.clock.elapsed_s)
        goal = {"steps": self._config.steps, "budget_s": self._config.budget_s, "rate": self.rate}
        self._checkpoints.save(Packed(packed.tensors, {**packed.values, "goal": goal}))
        self._note("checkpoint", step=self._trainee.progress.step)
        self._saved_at, self._saved_step = time.monotonic(), self._trainee.progress.step
        self._go_on()

    def how_to_resume(self) -> str:
        """What a user who stopped the training is told."""
        step = self._trainee.progress.step
        if self._checkpoints is None:
            return f"Stopped as asked after step {step}; nothing of this training is kept."
        return f"Stopped as asked after step {step}, which is saved. {self._checkpoints.how_to_resume}"

    def _tell_resumed(self, packed: Packed) -> None:
        """An event `resume` {step, progress, elapsed_s, rate, text}: where it goes on and, when its length changed, by what schedule."""
        place, goal = self._place(), packed.values["goal"]
        rate = self._config.rate * self._trainee.progress.slowed * rate_share(place["progress"], self._config.warmup)
        text = f"Goes on after step {place['step']}"
        if (goal["steps"], goal["budget_s"]) != (self._config.steps, self._config.budget_s):
            text += (
                f", now for {length(self._config.steps, self._config.budget_s)} instead of {length(goal['steps'], goal['budget_s'])}: "
                f"{place['progress']:.0%} of the new schedule is done, and the rate goes from {goal['rate']:.2g} to {rate:.2g}"
            )
        self._note("resume", **place, rate=rate, text=f"{text}.")

    def _place(self) -> dict[str, Any]:
        step = self._trainee.progress.step
        return {"step": step, "progress": min(self.clock.progress(step), 1.0), "elapsed_s": round(self.clock.elapsed_s, 2)}

    def _go_on(self) -> None:
        """Begin a new stretch to take the speed of, so that it holds training alone."""
        self._told_at, self._told_step = time.monotonic(), self._trainee.progress.step


def length(steps: int | None, budget_s: float | None) -> str:
    """`3000 steps` or `10 min 00 s`."""
    return f"{steps} steps" if steps is not None else format_duration(budget_s or 0.0)
