"""Settings of a search: what is sought, how long, and how far each candidate is trained before it is judged."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pixsearch.config import Config, Seconds, as_fault, known_in
from pixsearch.registry import EXECUTORS, SPACES, STRATEGIES
from pixsearch.search.objectives import Objective, parse_objectives


class SearchConfig(Config):
    """What is sought and how.

    `objectives` are written out in full, bounds and latency defaults included, so a record never depends on defaults
    of a later version. Exactly one of `evaluations` (candidates in all, repeatable to the bit) and `budget_s` (wall
    time, `10m` accepted). A generation holds `population` candidates at first and `offspring` ones after that (half the
    population when left out). A candidate is trained for `proxy_steps` steps of `proxy_batch` patches of
    `proxy_patch`×`proxy_patch` input pixels at a peak rate of `proxy_rate`, with re-parameterised `branches` or none, and
    scored on at most `val_pictures` pictures; a picture larger than `val_window` pixels on a side (of the truth) counts
    with its fixed centre of that size. Results are repeatable for the same `threads`.

    `cars` trains shared weights instead: at first for `warmup_steps` steps on random members (left out: a third of
    `budget_s`, or 4000 steps), then for `generation_steps` on the parents of each generation, with batches and rate as above. `protection`
    lets networks live on whose quality still grows. Every score counts as an evaluation, those of parents at each new version too.
    """

    may_change: ClassVar[frozenset[str]] = frozenset({"evaluations", "budget_s", "threads"})

    strategy: Annotated[str, known_in(STRATEGIES)] = "nsga2"
    space: Annotated[str, known_in(SPACES)] = "mobile"
    objectives: tuple[str, ...] = ("psnr", "macs_720p<=2.5G")
    evaluations: int | None = Field(default=None, ge=1)
    budget_s: Annotated[Seconds, Field(gt=0)] | None = None
    population: int = Field(default=16, ge=2, le=1000)
    offspring: int | None = Field(default=None, ge=1, le=1000)
    proxy_steps: int = Field(default=400, ge=1)
    proxy_batch: int = Field(default=16, ge=1)
    proxy_patch: int = Field(default=32, ge=8)
    proxy_rate: float = Field(default=5e-3, gt=0)
    warmup_steps: int | None = Field(default=None, ge=1)
    generation_steps: int = Field(default=300, ge=1)
    protection: bool = True
    branches: Literal["none", "linear", "ecb"] = "none"
    val_pictures: int = Field(default=8, ge=1)
    val_window: int = Field(default=1024, ge=64)
    seed: int = Field(default=0, ge=0)
    executor: Annotated[str, known_in(EXECUTORS)] = "inprocess"
    threads: int | None = Field(default=None, ge=1)
    device: str | None = None

    @field_validator("objectives")
    @classmethod
    def _readable(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(str, as_fault(parse_objectives, texts)))

    @model_validator(mode="after")
    def _one_budget(self) -> SearchConfig:
        if (self.evaluations is None) == (self.budget_s is None):
            said = "both are" if self.evaluations is not None else "neither is"
            raise ValueError(f"give one of `evaluations` and `budget_s`; {said} given")
        return self

    def parsed_objectives(self) -> tuple[Objective, ...]:
        """The objectives, read."""
        return parse_objectives(self.objectives)
