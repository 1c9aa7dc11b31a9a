"""The record of a training: its events and its checkpoints, and how it is taken up again."""

from __future__ import annotations

import math
import time
from typing import Any

from pixsearch.data.progress import Note
from pixsearch.errors import UsageError
from pixsearch.train.adversary import Adversary
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.config import TrainConfig
from pixsearch.train.ranks import ALONE, Ranks
from pixsearch.train.schedule import Clock, rate_share
from pixsearch.train.trainee import Packed, Trainee
from pixsearch.units import format_duration

STEP_EVERY_S = 2.0


class Record:
    """Tells `note` how the training of `trainee` goes, and keeps it in `checkpoints` if there are any.

    Opening it takes the training up where the newest checkpoint left it, on all `ranks`; only the first has checkpoints and is heard.
    `UsageError` when it was begun by another number of ranks.
    """

    def __init__(self, trainee: Trainee, config: TrainConfig, checkpoints: Checkpoints | None, note: Note, ranks: Ranks = ALONE) -> None:
        self._trainee, self._config, self._checkpoints, self._note, self._ranks = trainee, config, checkpoints, note, ranks
        packed = ranks.first(self._newest)
        if packed is not None:
            trainee.unpack(packed)
        self.clock = Clock(config, trainee.progress.elapsed_s, ranks)
        self.rate = 0.0
        if packed is not None:
            self._go_on_from(packed.values["goal"])
        self._saved_at = self._told_at = time.monotonic()
        self._saved_step = self._told_step = trainee.progress.step

    def step(self, rate: float) -> None:
        """After each step; an event `step` {step, steps, progress, loss, rate, samples_per_s, elapsed_s, eta_s} every two seconds.

        The loss is this rank's, samples are those of all.
        """
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
                samples_per_s=round(speed * self._config.batch * self._ranks.size, 1),
                eta_s=self.clock.left_s(step, speed),
            )
        self._go_on()

    def validation(self, figures: dict[str, Any], seconds: float) -> None:
        """An event `validation` {step, progress, seconds, elapsed_s} with the `figures` of whoever validates."""
        self._note("validation", **self._place(), **figures, seconds=round(seconds, 3))
        self._go_on()

    def policy(self, adversary: Adversary) -> None:
        """An event `policy` {step, progress, elapsed_s} with the `preferences` of the adversary."""
        self._note("policy", **self._place(), **adversary.preferences())
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
        self._checkpoints.save(Packed(packed.tensors, {**packed.values, "goal": self._goal()}))
        self._note("checkpoint", step=self._trainee.progress.step)
        self._saved_at, self._saved_step = time.monotonic(), self._trainee.progress.step
        self._go_on()

    def how_to_resume(self) -> str:
        """What a user who stopped the training is told."""
        step = self._trainee.progress.step
        if self._checkpoints is None:
            return f"Stopped as asked after step {step}; nothing of this training is kept."
        return f"Stopped as asked after step {step}, which is saved. {self._checkpoints.how_to_resume}"

    def _newest(self) -> Packed | None:
        """The newest checkpoint, if there is one; `UsageError` when it is of another number of ranks."""
        packed, own = self._checkpoints.latest(self._note) if self._checkpoints is not None else None, self._ranks.size
        begun = own if packed is None else packed.values["goal"].get("ranks", 1)
        if begun != own:
            raise UsageError(
                f"This training was begun by {begun} processes, whose batches make up a step, and {own} would go on with it. "
                f"Start it with `--nproc-per-node {begun}` (1: without torchrun), or begin anew with `--again`."
            )
        return packed

    def _goal(self) -> dict[str, Any]:
        """Where the training is bound for, at what rate and with how many ranks."""
        config = self._config
        return {
            "steps": config.steps,
            "budget_s": config.budget_s,
            "patience": config.patience,
            "rate": self.rate,
            "ranks": self._ranks.size,
        }

    def _go_on_from(self, goal: dict[str, Any]) -> None:
        """Take up a training that was bound for `goal`; an event `resume` {step, progress, elapsed_s, rate, text}.

        Another length or patience gives one that had ended early another chance.
        """
        now, own = self._trainee.progress, self._goal()
        self.rate = goal["rate"]
        longer = (goal["steps"], goal["budget_s"]) != (own["steps"], own["budget_s"])
        if longer or goal.get("patience") != own["patience"]:
            now.over, now.since_best = False, 0
        if longer:
            now.entered = self.clock.progress(now.step), self.rate / (self._config.rate * now.slowed)
        self._tell_resumed(goal, longer)

    def _tell_resumed(self, goal: dict[str, Any], longer: bool) -> None:
        place, config, now = self._place(), self._config, self._trainee.progress
        rate = config.rate * now.slowed * rate_share(place["progress"], config.warmup, None if longer else now.entered)
        text = f"Goes on after step {place['step']}"
        if longer:
            done = place["progress"]
            text += (
                f", now for {length(config.steps, config.budget_s)} instead of {length(goal['steps'], goal['budget_s'])}: "
                f"{done:.0%} of the new schedule is done"
            )
            text += f", and the rate goes from {self.rate:.2g} to {rate:.2g} in a short while" if done < 1 else ""
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
