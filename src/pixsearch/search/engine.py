"""The search itself, a straight loop: ask, look in the record, evaluate, record, tell."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import Any

from pixsearch.errors import Interrupted, MachineError
from pixsearch.interrupt import check_stop
from pixsearch.search.evaluators.base import Evaluator
from pixsearch.search.executors.base import Executor
from pixsearch.search.record import DEATHS, Record
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.units import format_duration


@dataclass(frozen=True)
class Budget:
    """How long to search: candidates in all, or seconds in all, earlier processes of the same run included."""

    evaluations: int | None = None
    seconds: float | None = None


class Engine:
    """Runs a strategy against an evaluator until the budget is spent or the space is exhausted.

    The record is the state. A resumed search asks its strategy everything anew from the start and takes from the record
    what was tried before, so the strategy ends up where it was, and what is tried then is what an unbroken run would
    have tried. `on_generation` hears all candidates so far after every tell. Where candidates share weights a generation is judged
    whole or not at all, so a budget ends the search between two of them.
    """

    def __init__(
        self,
        strategy: Strategy,
        evaluator: Evaluator,
        executor: Executor[Scored],
        record: Record,
        fidelity: Fidelity,
        budget: Budget,
        *,
        on_generation: Callable[[int, Sequence[Scored]], None],
        how_to_go_on: str,
    ) -> None:
        self.strategy, self.evaluator, self.executor, self.record = strategy, evaluator, executor, record
        self.fidelity, self.budget = fidelity, budget
        self.on_generation, self.how_to_go_on = on_generation, how_to_go_on

    def run(self) -> list[Scored]:
        """Every candidate, in the order asked for; each one is recorded before the next is begun."""
        scored: list[Scored] = []
        generation = 0
        while (wanted := self._wanted(len(scored))) > 0:
            fidelity = self.evaluator.begin(self.strategy.parents, self.fidelity)
            asked = self.strategy.ask(wanted)
            told = self._score(asked, fidelity)
            self.strategy.tell(told)
            scored += told
            if told:
                self.on_generation(generation, scored)
                generation += 1
            if generation == 1:
                _require_some_success(scored)
            if len(told) < len(asked):
                break
            if len(asked) < wanted:
                self._say_exhausted(len(scored))
                break
        return scored

    def _wanted(self, so_far: int) -> int:
        size = self.strategy.generation_size
        if self.budget.evaluations is None:
            return size
        left = self.budget.evaluations - so_far
        return 0 if self.strategy.shares_weights and so_far and left < size else min(size, left)

    def _score(self, asked: Sequence[Any], fidelity: Fidelity) -> list[Scored]:
        """`asked` in order, as far as the budget goes; what is in the record costs nothing. A whole generation that was begun is ended."""
        known = [self.record.tried(genotype, fidelity.name) for genotype in asked]
        fresh = [genotype for genotype, one in zip(asked, known, strict=True) if one is None]
        whole = self.strategy.shares_weights
        if fresh and (self._in_time() or (whole and len(fresh) < len(asked))):
            self.evaluator.prepare(fresh)
            for genotype in fresh:
                self.executor.submit(partial(self._try, fidelity=fidelity), genotype)
        for one in self.executor.results():
            self.record.keep(one)
            if not (whole or self._in_time()):
                self.executor.cancel()
        scored = [self.record.tried(genotype, fidelity.name) for genotype in asked]
        return [one for one in scored if one is not None]

    def _in_time(self) -> bool:
        return self.budget.seconds is None or self.record.elapsed() < self.budget.seconds

    def _try(self, genotype: Any, fidelity: Fidelity) -> Scored:
        check_stop(self.how_to_go_on)
        if self.record.deadly(genotype, fidelity.name):
            return Scored(genotype, fidelity=fidelity.name, error=f"It ended the whole process {DEATHS} times.")
        self.record.begin(genotype, fidelity.name)
        try:
            return attempt(self.evaluator, genotype, fidelity)
        except Interrupted:
            kept = self.record.count
            raise Interrupted(f"Stopped as asked; {kept} candidates are recorded, the one begun is not. {self.how_to_go_on}") from None

    def _say_exhausted(self, tried: int) -> None:
        self.record.note(
            "warning",
            text=f"The space seems exhausted: no member that keeps the bounds was found beside the {tried} tried after "
            f"{format_duration(self.record.elapsed())}.",
        )


def attempt(evaluator: Evaluator, genotype: Any, fidelity: Fidelity) -> Scored:
    """The candidate's score, or its failure: whatever it raises, lack of memory included, ends it alone."""
    began, cpu = time.perf_counter(), _cpu_seconds()
    try:
        scored = _checked(evaluator.evaluate(genotype, fidelity))
    except Interrupted:
        raise
    except Exception as error:
        scored = Scored(genotype, error=f"{type(error).__name__}: {error}")
    return replace(scored, fidelity=fidelity.name, seconds=time.perf_counter() - began, cpu_s=_cpu_seconds() - cpu)


def _checked(scored: Scored) -> Scored:
    strange = {name: value for name, value in scored.figures.items() if not isfinite(value)}
    if strange:
        raise ArithmeticError(f"Training diverged: {', '.join(f'{name} is {value}' for name, value in strange.items())}.")
    return scored


def _cpu_seconds() -> float:
    """Processor time of this process and of the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _require_some_success(scored: Sequence[Scored]) -> None:
    if all(one.error is not None for one in scored):
        error, times = Counter(one.error for one in scored).most_common(1)[0]
        raise MachineError(
            f"All {len(scored)} candidates of the first generation failed, so the search stops; {times} of them with: {error} "
            "Mend the cause and begin anew with `--again`."
        )
