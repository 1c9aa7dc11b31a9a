"""Settings of a search: what is sought, how long, and how far each candidate is trained before it is judged."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from pixsearch.config import ByteCount, Config, Seconds, as_fault, known_in, listed
from pixsearch.registry import EXECUTORS, SPACES, STRATEGIES
from pixsearch.search.executors.base import Crew
from pixsearch.search.objectives import Objective, parse_objectives


def implied_executor(workers: Any, address: Any) -> str | None:
    """The executor that is meant when only workers or an address are named."""
    return "ray" if address else "pool" if workers else None


class CrewConfig(Config):
    """Where candidates are judged, and what each may take.

    `executor` is `inprocess`, `pool` (meant by `workers` alone) or `ray` (meant by `address` alone). A candidate that takes
    longer than `candidate_limit_s`, or whose worker takes more than `candidate_memory_bytes`, is tried once more and then fails;
    in this process neither can be enforced.
    """

    may_change: ClassVar[frozenset[str]] = frozenset({"executor", "workers", "address", "candidate_limit_s", "candidate_memory_bytes"})

    executor: Annotated[str, known_in(EXECUTORS)] = "inprocess"
    workers: int | None = Field(default=None, ge=1)
    address: str | None = None
    candidate_limit_s: Annotated[Seconds, Field(gt=0)] | None = None
    candidate_memory_bytes: Annotated[ByteCount, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _implied_executor(cls, data: Any) -> Any:
        """Workers or an address name their executor."""
        if not isinstance(data, dict):
            return data
        executor = data.get("executor") or implied_executor(data.get("workers"), data.get("address"))
        return data if executor is None else {**data, "executor": executor}

    @model_validator(mode="after")
    def _enforceable(self) -> Self:
        limits = {"candidate_limit_s": self.candidate_limit_s, "candidate_memory_bytes": self.candidate_memory_bytes}
        given = next((name for name, value in limits.items() if value is not None), None)
        if self.executor == "inprocess" and given is not None:
            raise ValueError(f"`{given}` cannot be enforced in this process; give `workers` too, if only 1")
        if self.executor == "inprocess" and (self.workers or 1) > 1:
            raise ValueError(f"`inprocess` has one worker, not `{self.workers}`; give `workers` 1, or name `pool` or `ray`")
        return self

    def threads_of(self, threads: int | None) -> int | None:
        """The torch threads a candidate is judged with, `threads` if given: one for each worker; None leaves it to the training."""
        return threads or (None if self.executor == "inprocess" else 1)

    def crew_of(self, threads: int | None) -> Crew:
        """Who judges candidates, with so many threads each."""
        return Crew(self.workers, self.threads_of(threads) or 1, self.candidate_limit_s, self.candidate_memory_bytes, self.address)


class SearchConfig(CrewConfig):
    """What is sought and how.

    `objectives` are written out in full, bounds and latency defaults included, so a record never depends on defaults
    of a later version. Exactly one of `evaluations` (candidates in all, repeatable to the bit) and `budget_s` (wall
    time, `10m` accepted). A generation holds `population` candidates at first and `offspring` ones after that (half the
    population when left out). A candidate is trained for `proxy_steps` steps of `proxy_batch` patches of
    `proxy_patch`×`proxy_patch` input pixels at a peak rate of `proxy_rate`, with re-parameterised `branches` or none, and
    scored on at most `val_pictures` pictures; a picture larger than `val_window` pixels on a side (of the truth) counts
    with its fixed centre of that size. Results are repeatable for the same `threads`.

    With `rungs` (steps, ascending) a candidate is trained for the first of them, the best share `keep` of each generation for the next,
    and so on; `proxy_steps` is then the last. Each worker has `threads` torch threads, one when left out.

    `guidance` lets `esr-ea` weight its mutations by the credits that blocks have earned; without it all weigh alike.
    `cars` trains shared weights instead: at first for `warmup_steps` steps on random members (left out: a third of
    `budget_s`, or 4000 steps), then for `generation_steps` on the parents of each generation, with batches and rate as above. `protection`
    lets networks live on whose quality still grows. Every score counts as an evaluation, those of parents at each new version too.
    `blockqnn` has `offspring` candidates under way at a time; how random its decisions are follows the budget the search was begun with.
    """

    may_change: ClassVar[frozenset[str]] = CrewConfig.may_change | {"evaluations", "budget_s", "threads"}

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
    rungs: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(default=None, min_length=2)
    keep: float = Field(default=0.25, gt=0, lt=1)
    guidance: bool = True
    warmup_steps: int | None = Field(default=None, ge=1)
    generation_steps: int = Field(default=300, ge=1)
    protection: bool = True
    branches: Literal["none", "linear", "ecb"] = "none"
    val_pictures: int = Field(default=8, ge=1)
    val_window: int = Field(default=1024, ge=64)
    seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    device: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _implied_steps(cls, data: Any) -> Any:
        """Rungs name the steps of a full proxy training."""
        if not isinstance(data, dict):
            return data
        rungs = listed(data.get("rungs"))
        steps = data.get("proxy_steps") or (rungs[-1] if isinstance(rungs, list | tuple) and rungs else None)
        known = {"rungs": rungs, "proxy_steps": steps}
        return {**data, **{name: value for name, value in known.items() if value is not None}}

    @field_validator("objectives")
    @classmethod
    def _readable(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(str, as_fault(parse_objectives, texts)))

    @model_validator(mode="after")
    def _rungs_ascend(self) -> SearchConfig:
        if self.rungs is not None and sorted(set(self.rungs)) != list(self.rungs):
            raise ValueError(f"`rungs` are `{', '.join(map(str, self.rungs))}`; give steps that ascend, as in `400,1600`")
        if self.rungs is not None and self.rungs[-1] != self.proxy_steps:
            raise ValueError(
                f"`proxy_steps` is `{self.proxy_steps}`, but the last of the `rungs` is `{self.rungs[-1]}`; leave `proxy_steps` out"
            )
        return self

    @model_validator(mode="after")
    def _one_budget(self) -> SearchConfig:
        if (self.evaluations is None) == (self.budget_s is None):
            said = "both are" if self.evaluations is not None else "neither is"
            raise ValueError(f"give one of `evaluations` and `budget_s`; {said} given")
        return self

    @property
    def threads_each(self) -> int | None:
        """The torch threads a candidate is trained with; None leaves it to the training."""
        return self.threads_of(self.threads)

    @property
    def steps(self) -> tuple[int, ...]:
        """The training steps of each rung, ascending; those of the only one without rungs."""
        return self.rungs or (self.proxy_steps,)

    def crew(self) -> Crew:
        """Who evaluates candidates."""
        return self.crew_of(self.threads)

    def parsed_objectives(self) -> tuple[Objective, ...]:
        """The objectives, read."""
        return parse_objectives(self.objectives)
