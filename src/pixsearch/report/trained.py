"""What a training recorded: curves and scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pixsearch.events import Event
from pixsearch.report import wording as w
from pixsearch.report.stage import StageRecord, understood
from pixsearch.units import format_duration


@dataclass(frozen=True)
class Step:
    """A moment of training: loss, learning rate, speed (None where it was not recorded)."""

    step: int
    loss: float | None
    rate: float | None
    samples_per_s: float | None
    elapsed_s: float | None


@dataclass(frozen=True)
class Validation:
    """Scores on whole pictures after `step` steps."""

    step: int
    psnr_db: float
    ssim: float | None
    elapsed_s: float | None


@dataclass(frozen=True)
class Policies:
    """What an adversary tended to after `step` steps: the probability of each operation and its mean amount (None where it is rare), and
    by what share the loss under its policies was above that of clean patches."""

    step: int
    chances: Mapping[str, float]
    amounts: Mapping[str, float | None]
    harder: float | None


@dataclass(frozen=True)
class TrainingRecord:
    """A training as far as it got; `psnr_db` and `ssim` are the final ones, else those of the newest validation.

    `baseline_psnr_db` is the trivial method's on the same pictures, `resumed_at` the steps at which the training was taken up again,
    `ended_early` why it ended before its budget (empty when it did not).
    """

    stage: StageRecord
    name: str
    description: str
    genotype: Mapping[str, Any]
    params: float | None
    macs_720p: float | None
    goal: str
    steps: tuple[Step, ...]
    validations: tuple[Validation, ...]
    policies: tuple[Policies, ...]
    psnr_db: float | None
    ssim: float | None
    baseline_psnr_db: float | None
    baseline_ssim: float | None
    resumed_at: tuple[int, ...]
    ended_early: str

    @property
    def reached(self) -> int:
        """The last step that is on record."""
        return max([0, *(point.step for point in self.steps[-1:]), *(point.step for point in self.validations[-1:])])

    @property
    def gain_db(self) -> float | None:
        """PSNR over the baseline's on the same pictures."""
        return None if self.psnr_db is None or self.baseline_psnr_db is None else self.psnr_db - self.baseline_psnr_db


def read_training(stage: StageRecord) -> TrainingRecord:
    """The record of a stage that trains one network."""
    return understood(stage.path / "events.jsonl", lambda: _training(stage))


def _training(stage: StageRecord) -> TrainingRecord:
    start, done = stage.last("start") or {}, stage.last("done") or {}
    validations = tuple(_validation(event) for event in _unrepeated(stage.every("validation")))
    newest = stage.last("validation") or {}
    return TrainingRecord(
        stage=stage,
        name=str(start.get("name", stage.name)),
        description=str(start.get("description", "")),
        genotype=dict(start.get("genotype") or {}),
        params=start.get("params"),
        macs_720p=start.get("macs_720p"),
        goal=_goal(start),
        steps=tuple(_step(event) for event in _unrepeated(stage.every("step"))),
        validations=validations,
        policies=tuple(_policies(event) for event in _unrepeated(stage.every("policy"))),
        psnr_db=done.get("psnr_db", newest.get("psnr_db")),
        ssim=done.get("ssim", newest.get("ssim")),
        baseline_psnr_db=done.get("baseline_psnr_db", newest.get("baseline_psnr_db")),
        baseline_ssim=done.get("baseline_ssim", newest.get("baseline_ssim")),
        resumed_at=tuple(int(event["step"]) for event in stage.every("resume")),
        ended_early=str((stage.last("early_stop") or {}).get("text", "")),
    )


def _goal(start: Event) -> str:
    if start.get("steps") is not None:
        return w.plural(start["steps"], "step")
    return format_duration(float(start["budget_s"])) if start.get("budget_s") is not None else ""


def _unrepeated(events: Iterable[Event]) -> list[Event]:
    """`events` by step, without those that a training, killed and resumed from an earlier step, went through once more."""
    kept: list[Event] = []
    for event in events:
        while kept and kept[-1]["step"] >= event["step"]:
            kept.pop()
        kept.append(event)
    return kept


def _step(event: Event) -> Step:
    return Step(int(event["step"]), event.get("loss"), event.get("rate"), event.get("samples_per_s"), event.get("elapsed_s"))


def _validation(event: Event) -> Validation:
    return Validation(int(event["step"]), float(event["psnr_db"]), event.get("ssim"), event.get("elapsed_s"))


def _policies(event: Event) -> Policies:
    return Policies(int(event["step"]), dict(event["operations"]), dict(event.get("amounts") or {}), event.get("harder"))
