"""Settings of channel pruning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pixsearch.config import LISTED, as_fault
from pixsearch.search.config import CrewConfig
from pixsearch.search.objectives import Objective, parse_objectives

SHARE = 0.6
WHOLE = 1.0
EVALUATIONS = 160
"""Candidates of an evolution whose training counts steps."""

TIME_SHARE = 0.25
"""Of a budget of time: what an evolution gets, the rest is for fine-tuning."""

OBJECTIVES = ("psnr", "macs_720p")

Share = Annotated[float, Field(gt=0.0, lt=WHOLE)]


class PruneConfig(CrewConfig):
    """How much of the model to keep, and how to choose what goes.

    `keep_macs` is the share of multiply-adds that may remain, above 0 and below 1; several of them give a model each, and share the
    budget of the fine-tuning out evenly. Left out it is 0.6, or no bound where an objective has one. `strategy`: `importance` (the
    channels that change the output least go first), `uniform` (the same share of every layer, the smallest weights first) or
    `evolution` (NSGA-II over the channels that every layer keeps). The last takes `objectives` as a search does, `population`, and
    `evaluations`: candidates in all; left out 160, or as many as a quarter of the training's `budget_s` is enough for. It scores
    candidates on at most `val_pictures` whole pictures, in this process or by the `workers` of an `executor`.
    """

    strategy: Literal["importance", "uniform", "evolution"] = "importance"
    keep_macs: Annotated[tuple[Share, ...], LISTED] = ()
    objectives: tuple[str, ...] = OBJECTIVES
    evaluations: int | None = Field(default=None, ge=1)
    population: int = Field(default=16, ge=2, le=1000)
    val_pictures: int = Field(default=16, ge=1)

    @field_validator("keep_macs")
    @classmethod
    def _different(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(shares)) < len(shares):
            raise ValueError("every share may stand once")
        return shares

    @field_validator("objectives")
    @classmethod
    def _readable(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(str, as_fault(parse_objectives, texts)))

    @model_validator(mode="after")
    def _of_the_strategy(self) -> PruneConfig:
        given = {"objectives": self.objectives != OBJECTIVES, "evaluations": self.evaluations is not None}
        given["workers"] = self.workers is not None or self.executor != "inprocess"
        odd = next((name for name, is_given in given.items() if is_given and self.strategy != "evolution"), None)
        if odd is not None:
            raise ValueError(f"`{odd}` belongs to the strategy `evolution`, and this one is `{self.strategy}`; leave it out")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """The bounds on the multiply-adds, as shares of the whole network's; 1 where objectives alone bound the costs."""
        bounded = any(o.is_cost and o.bound is not None for o in self.parsed_objectives())
        return self.keep_macs or ((WHOLE,) if bounded else (SHARE,))

    def parsed_objectives(self) -> tuple[Objective, ...]:
        """The objectives, read."""
        return parse_objectives(self.objectives)
