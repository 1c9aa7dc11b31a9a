"""Settings of a search: what is sought, how long, and how far each candidate is trained before it is judged."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pixsearch.config import Config
from pixsearch.errors import UsageError
from pixsearch.registry import EXECUTORS, SPACES, STRATEGIES, Registry, closest
from pixsearch.search.objectives import Objective, parse_objectives
from pixsearch.units import parse_duration


def _seconds(value: Any) -> Any:
    try:
        return parse_duration(value) if isinstance(value, str) else value
    except UsageError as error:
        raise ValueError(str(error).rstrip(".")) from None


def _known(registry: Registry, name: str) -> str:
    if name not in registry.names():
        names = registry.names()
        raise ValueError(f"there is no such {registry.kind}.{closest(name, names)} Known: {', '.join(names)}")
    return name


class SearchConfig(Config):
    """What is sought and how.

    `objectives` are written out in full, bounds and latency defaults included, so a record never depends on defaults
    of a later version. Exactly one of `evaluations` (candidates in all, repeatable to the bit) and `budget_s` (wall
    time, `10m` accepted). A generation holds `population` candidates at first and `offspring` ones after that (half the
    population when left out). A candidate is trained for `proxy_steps` steps of `proxy_batch` patches of
    `proxy_patch`×`proxy_patch` input pixels at a peak rate of `proxy_rate`, with re-parameterised `branches` or none, and
    scored on at most `val_pictures` pictures; a picture larger than `val_window` pixels on a side (of the truth) counts
    with its fixed centre of that size. Results are repeatable for the same `threads`.
    """

    may_change: ClassVar[frozenset[str]] = frozenset({"evaluations", "budget_s", "threads"})

    strategy: str = "nsga2"
    space: str = "mobile"
    objectives: tuple[str, ...] = ("psnr", "macs_720p<=2.5G")
    evaluations: int | None = Field(default=None, ge=1)
    budget_s: Annotated[float | None, BeforeValidator(_seconds)] = Field(default=None, gt=0)
    population: int = Field(default=16, ge=2, le=1000)
    offspring: int | None = Field(default=None, ge=1, le=1000)
    proxy_steps: int = Field(default=400, ge=1)
    proxy_batch: int = Field(default=16, ge=1)
    proxy_patch: int = Field(default=32, ge=8)
    proxy_rate: float = Field(default=5e-3, gt=0)
    branches: Literal["none", "linear", "ecb"] = "none"
    val_pictures: int = Field(default=8, ge=1)
    val_window: int = Field(default=1024, ge=64)
    seed: int = Field(default=0, ge=0)
    executor: str = "inprocess"
    threads: int | None = Field(default=None, ge=1)
    device: str | None = None

    @field_validator("strategy")
    @classmethod
    def _known_strategy(cls, name: str) -> str:
        return _known(STRATEGIES, name)

    @field_validator("space")
    @classmethod
    def _known_space(cls, name: str) -> str:
        return _known(SPACES, name)

    @field_validator("executor")
    @classmethod
    def _known_executor(cls, name: str) -> str:
        return _known(EXECUTORS, name)

    @field_validator("objectives")
    @classmethod
    def _readable(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(map(str, parse_objectives(texts)))
        except UsageError as error:
            raise ValueError(str(error).rstrip(".")) from None

    @model_validator(mode="after")
    def _one_budget(self) -> SearchConfig:
        if (self.evaluations is None) == (self.budget_s is None):
            said = "both are" if self.evaluations is not None else "neither is"
            raise ValueError(f"give one of `evaluations` and `budget_s`; {said} given")
        return self

    def parsed_objectives(self) -> tuple[Objective, ...]:
        """The objectives, read."""
        return parse_objectives(self.objectives)
