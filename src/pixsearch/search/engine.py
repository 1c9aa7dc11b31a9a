"""The search itself, a straight loop: ask, look in the record, evaluate, record, tell."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pixsearch.errors import Interrupted, MachineError
from pixsearch.interrupt import check_stop
from pixsearch.search.attempt import Job, attempt, evaluate
from pixsearch.search.evaluators.base import Evaluator
from pixsearch.search.executors.base import TRIES, Ended, Executor
from pixsearch.search.record import DEATHS, Record
from pixsearch.search.rungs import Rungs
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.units import format_duration

OnGeneration = Callable[[int, Sequence[Scored], Sequence[Scored]], None]


@dataclass(frozen=True)
class Budget:
    """How long to search: candidates in all, or seconds in all, earlier processes of the same run included.

    A candidate counts once, however many rungs it climbs.
    """

    evaluations: int | None = None
    seconds: float | None = None


class Engine:
    """Runs a strategy against an evaluator until the budget is spent or the space is exhausted.

    The record is the state. A resumed search asks its strategy everything anew from the start and takes from the record
    what was tried before, so the strategy ends up where it was, and what is tried then is what an unbroken run would
    have tried. Candidates are recorded as they end and told in the order asked for, so it does not matter how many workers there are.
    Where candidates share weights a generation is judged whole or not at all, so a budget ends the search between two of them.

    A strategy that flows is asked and told one by one while others are computed, unless there are rungs to climb or latencies to measure,
    which need generations. How many are under way at a time does not depend on the workers, so the front does not, either; it
    ought not to be less than the workers.

    `tries` are all tries so far and `judged` those at the highest rung, each in the order asked for; `on_generation` hears the
    generation's number and both after every tell.
    """

    def __init__(
        self,
        strategy: Strategy,
        evaluator: Evaluator,
        executor: Executor[Scored],
        record: Record,
        rungs: Rungs,
        budget: Budget,
        *,
        on_generation: OnGeneration,
        how_to_go_on: str,
    ) -> None:
        self.strategy, self.evaluator, self.executor, self.record = strategy, evaluator, executor, record
        self.rungs, self.budget = rungs, budget
        self.on_generation, self.how_to_go_on = on_generation, how_to_go_on
        self.tries: list[Scored] = []
        self.judged: list[Scored] = []
        self._sent: tuple[str, Any] | None = None
        self._whole = False

    def run(self) -> list[Scored]:
        """Every candidate that came to the highest rung, in the order asked for."""
        if self.strategy.flows and len(self.rungs.fidelities) == 1 and not any(o.latency for o in self.rungs.objectives):
            self._flow()
        else:
            self._by_generations()
        return self.judged

    def _flow(self) -> None:
        """Ask for one, and tell of the oldest under way once it has ended; what was asked for beyond the budget is not tried."""
        self.evaluator.begin(())
        under_way: deque[Any] = deque()
        size, exhausted = self.strategy.offspring, False
        while True:
            while not exhausted and len(under_way) < size and self._wanted(len(self.tries) + len(under_way)) > 0:
                asked = self.strategy.ask(1)
                self._submit(asked)
                under_way += asked
                exhausted = not asked
            one = self._ended(under_way[0]) if under_way else None
            if one is None:
                break
            under_way.popleft()
            self._hear(one, size)
        if len(self.tries) % size:
            self.on_generation(len(self.tries) // size, self.tries, self.judged)
        if exhausted:
            self._say_exhausted(len(self.tries))

    def _submit(self, asked: Sequence[Any]) -> None:
        """Line up what is not in the record, if there is time."""
        fresh = [genotype for genotype in asked if self.record.tried(genotype, self.rungs.top.name) is None]
        self.evaluator.prepare(fresh)
        for failed in self._submitted(fresh, self.rungs.top):
            self.record.keep(failed)

    def _ended(self, genotype: Any) -> Scored | None:
        """The candidate's score, when it has ended; those that end before it are recorded. None when it is not tried."""
        with self._stoppable():
            while (one := self.record.tried(genotype, self.rungs.top.name)) is None:
                ended = next(self.executor.results(self._begin), None)
                if ended is None:
                    return None
                self.record.keep(_score_of(ended))
                if not self._may_go_on():
                    self.executor.cancel()
        return one

    def _hear(self, one: Scored, size: int) -> None:
        """Tell the strategy of one candidate; every `size` of them count as a generation."""
        self.tries.append(one)
        self.judged.append(one)
        self.strategy.tell([one])
        generation, over = divmod(len(self.tries), size)
        if generation == 1 and not over:
            _require_some_success(self.tries)
        if not over:
            self.on_generation(generation - 1, self.tries, self.judged)

    def _by_generations(self) -> None:
        asked_for = generation = 0
        while (wanted := self._wanted(asked_for)) > 0:
            self.evaluator.begin(self.strategy.parents)
            asked = self.strategy.ask(wanted)
            told, complete = self._climb(asked)
            if asked_for == 0:
                _require_some_success(self.tries)
            asked_for += len(asked)
            self.strategy.tell(told)
            self.judged += told
            if told:
                self.on_generation(generation, self.tries, self.judged)
                generation += 1
            if not complete:
                break
            if len(asked) < wanted:
                self._say_exhausted(asked_for)
                break

    def _wanted(self, so_far: int) -> int:
        size = self.strategy.generation_size
        if self.budget.evaluations is None:
            return size
        left = self.budget.evaluations - so_far
        return 0 if self.strategy.shares_weights and so_far and left < size else min(size, left)

    def _climb(self, asked: Sequence[Any]) -> tuple[list[Scored], bool]:
        """The scores at the highest rung of those that came to it, in order, and whether the budget was enough for all."""
        *lower, top = self.rungs.fidelities
        for fidelity in lower:
            scored = self._score(asked, fidelity)
            if len(scored) < len(asked):
                return [], False
            asked = self.rungs.best(scored, len(self.tries))
        scored = self._score(asked, top)
        return scored, len(scored) == len(asked)

    def _score(self, asked: Sequence[Any], rung: Fidelity) -> list[Scored]:
        """`asked` in order, as far as the budget goes; what is in the record costs nothing. A whole generation that was begun is ended."""
        fidelity = replace(rung, weights=self.evaluator.weights)
        fresh = [genotype for genotype in asked if self.record.tried(genotype, fidelity.name) is None]
        self._whole = self.strategy.shares_weights and (len(fresh) < len(asked) or self._in_time())
        if fresh and self._may_go_on():
            self.evaluator.prepare(fresh)
            for one in self._tried(fresh, fidelity):
                self.record.keep(one, **self.rungs.place(rung))
        known = [self.record.tried(genotype, fidelity.name) for genotype in asked]
        scored = [one for one in known if one is not None]
        self.tries += scored
        return scored

    def _tried(self, fresh: Sequence[Any], fidelity: Fidelity) -> Iterator[Scored]:
        """Each candidate as soon as it has ended, as far as the budget goes.

        What can only be measured while nothing else of ours runs is measured here first, before any worker begins.
        """
        with self._stoppable():
            yield from self._submitted(fresh, fidelity)
            for ended in self.executor.results(self._begin):
                yield _score_of(ended)
                if not self._may_go_on():
                    self.executor.cancel()

    def _submitted(self, fresh: Sequence[Any], fidelity: Fidelity) -> Iterator[Scored]:
        """Line candidates up; those that failed before that are given at once."""
        with self._stoppable():
            for measured in self._measured(fresh, fidelity):
                if measured.error is not None:
                    yield measured
                else:
                    self.executor.submit(evaluate, Job(measured.genotype, fidelity, measured), self._shared())

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Ctrl-C ends the search with a word on what is kept and how to go on."""
        try:
            yield
        except Interrupted:
            kept = self.record.count
            raise Interrupted(f"Stopped as asked; {kept} candidates are recorded, what was begun is not. {self.how_to_go_on}") from None

    def _in_time(self) -> bool:
        return self.budget.seconds is None or self.record.elapsed() < self.budget.seconds

    def _may_go_on(self) -> bool:
        return self._whole or self._in_time()

    def _measured(self, fresh: Sequence[Any], fidelity: Fidelity) -> Iterator[Scored]:
        for genotype in fresh:
            check_stop(self.how_to_go_on)
            if not self._may_go_on():
                return
            if self.record.deadly(genotype, fidelity.name):
                yield Scored(genotype, fidelity=fidelity.name, error=f"It ended the whole process {DEATHS} times.")
            else:
                yield attempt(self._measure, genotype, fidelity)

    def _measure(self, genotype: Any) -> Scored:
        return Scored(genotype, self.evaluator.measure(genotype, self.record.latency))

    def _shared(self) -> Any:
        """The evaluator as workers read it, sent anew when its weights have changed."""
        if self._sent is None or self._sent[0] != self.evaluator.weights:
            self._sent = self.evaluator.weights, self.executor.share(self.evaluator)
        return self._sent[1]

    def _begin(self, job: Job, lost: str | None) -> None:
        if lost is not None:
            self.record.note("warning", text=f"Candidate {job.genotype.id} is tried again. {lost}")
        self.record.begin(job.genotype, job.fidelity.name)

    def _say_exhausted(self, tried: int) -> None:
        self.record.note(
            "warning",
            text=f"The space seems exhausted: no member that keeps the bounds was found beside the {tried} tried after "
            f"{format_duration(self.record.elapsed())}.",
        )


def _score_of(ended: Ended[Scored]) -> Scored:
    if ended.value is not None:
        return ended.value
    job: Job = ended.item
    return Scored(job.genotype, fidelity=job.fidelity.name, error=f"{ended.lost} It was tried {TRIES} times.")


def _require_some_success(tries: Sequence[Scored]) -> None:
    if tries and all(one.error is not None for one in tries):
        error, times = Counter(one.error for one in tries).most_common(1)[0]
        raise MachineError(
            f"All {len(tries)} candidates of the first generation failed, so the search stops; {times} of them with: {error} "
            "Mend the cause and begin anew with `--again`."
        )
