"""Settings of a training: how long, on what batches, with which loss, rate and averaging, and on what part of the machine."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pixsearch.config import Config, Seconds

Loss = Literal["l1", "l2", "charbonnier"]
Optimizer = Literal["adam", "muon", "sgd"]
Augment = Literal["none", "flips", "cutblur", "random", "adversarial"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

RATES = {"adam": 2e-3, "muon": 5e-3, "sgd": 1e-1}
"""Peak rates that train small networks best, in short trainings as in long ones."""


class TrainConfig(Config):
    """One training; exactly one of `steps` and `budget_s` says how long it is.

    `budget_s` is wall-clock time including validations, `10m` is accepted. `batch` counts patches a step of each process (several
    train together under torchrun), `patch` is the side of the input patches in pixels.
    `rate` is the peak of the learning rate, left out the one that suits the `optimizer`; it is reached after the share `warmup` of the
    training and then lowered to zero along a cosine. `ema` bounds the decay of the averaged weights, which are what a training
    gives. `augment` is what befalls patches: nothing; `flips` and rotations, which all others have, too; `cutblur` for half of them; or
    policies of operations for three quarters of them, `random` ones or such as are written against the network (`train.adversary`).
    The patches of a batch are shared out among its policies, so a step costs the network no more time than without.
    With a teacher, `teacher_share` of the loss is the distance to its answer, the rest that to the truth. `precision` is
    that of the convolutions while training: `auto` takes bfloat16 where the processor computes it natively; for the share
    `full_precision` at the end of the training it is float32, and scores are always taken so. `threads` None leaves half of the
    cores to others. `validations` says how often whole
    pictures are scored on the way, evenly spaced, the last time at the end; with `patience` the training ends early once that
    many validations in a row brought nothing.
    """

    steps: int | None = Field(default=None, ge=1)
    budget_s: Annotated[Seconds, Field(gt=0)] | None = None
    batch: int = Field(default=16, ge=1)
    patch: int = Field(default=32, ge=4)
    optimizer: Optimizer = "muon"
    rate: float = Field(default=RATES["muon"], gt=0, lt=1)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    loss: Loss = "l1"
    ema: float = Field(default=0.999, ge=0, lt=1)
    augment: Augment = "flips"
    teacher_share: float = Field(default=0.5, gt=0, le=1)
    branches: Literal["none", "linear", "ecb"] = "none"
    precision: Precision = "auto"
    full_precision: float = Field(default=0, ge=0, le=1)
    compile: bool = False
    seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    device: str | None = None
    validations: int = Field(default=10, ge=1)
    patience: int | None = Field(default=None, ge=1)
    checkpoint_every_s: float = Field(default=60.0, ge=0)
    may_change: ClassVar[frozenset[str]] = frozenset({"steps", "budget_s", "patience", "threads", "checkpoint_every_s"})

    @model_validator(mode="before")
    @classmethod
    def _with_rate(cls, data: Any) -> Any:
        """Each optimizer has a rate of its own."""
        if isinstance(data, dict) and data.get("rate") is None:
            return {**data, "rate": RATES.get(str(data.get("optimizer", "muon")), RATES["muon"])}
        return data

    @model_validator(mode="after")
    def _one_length(self) -> TrainConfig:
        if (self.steps is None) == (self.budget_s is None):
            given = "neither is" if self.steps is None else "both are"
            raise ValueError(f"exactly one of `steps` and `budget_s` says how long to train, but {given} given")
        return self
