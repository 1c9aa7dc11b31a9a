"""A search's record read back: what was tried already, so that a resumed search replays it instead of trying it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from pixsearch.errors import MachineError
from pixsearch.events import Event
from pixsearch.search.deaths import Witness, deaths
from pixsearch.search.objectives import Objective
from pixsearch.search.scored import Scored
from pixsearch.space.base import Space

Note = Callable[..., None]
Clock = Callable[[], float]

DEATHS = 3


class Record:
    """The events of one search, read once at the start and appended to.

    A candidate is known by its id and fidelity. `note` writes one event through to the disk before it returns, so
    whatever was kept here survives any end of the process. One writer: the stage that holds the lock.
    """

    def __init__(
        self,
        past: Iterable[Event],
        note: Note,
        space: Space[Any],
        objectives: Sequence[Objective],
        *,
        witness: Witness,
        clock: Clock = time.monotonic,
    ) -> None:
        self._past = list(past)
        self._note, self._space, self._objectives = note, space, objectives
        self._witness, self.clock = witness, clock
        self._began = clock() - max((event.get("elapsed_s", 0.0) for event in self._past), default=0.0)
        self._tried = {(one.id, one.fidelity): one for one in map(self._read, self._events("candidate"))}
        self._latencies = {(event["id"], event["figure"]): float(event["value"]) for event in self._events("measured")}
        self._generations = {(event["number"], event["evaluated"]) for event in self._events("generation")}
        self._count = len(self._tried)

    def _events(self, kind: str) -> list[Event]:
        return [event for event in self._past if event["kind"] == kind]

    def _read(self, event: Event) -> Scored:
        genes = {key: value for key, value in event["genotype"].items() if key != "space"}
        given = {key: event[key] for key in ("figures", "fidelity", "error", "seconds", "cpu_s", "elapsed_s")}
        return Scored(self._space.parse(genes), **given)

    def first(self, kind: str) -> Event | None:
        """The first event of this kind that an earlier process wrote."""
        return next(iter(self._events(kind)), None)

    def note(self, kind: str, **fields: Any) -> None:
        """Append one event."""
        self._note(kind, **fields)

    def elapsed(self) -> float:
        """Seconds of search so far, earlier processes included."""
        return self.clock() - self._began

    def tried(self, genotype: Any, fidelity: str) -> Scored | None:
        """What is known of the candidate, or None."""
        return self._tried.get((genotype.id, fidelity))

    @property
    def count(self) -> int:
        """How many tries the record holds."""
        return self._count

    @property
    def candidates(self) -> int:
        """How many candidates they are of: each counts once, however many rungs it was tried at."""
        return len({id for id, _ in self._tried})

    def begin(self, genotype: Any, fidelity: str) -> None:
        """Write down that the candidate is being tried (or, with a figure's name, measured), in case it ends the process."""
        self._note("begun", id=genotype.id, fidelity=fidelity, elapsed_s=self.elapsed(), **self._witness.state())

    def deadly(self, genotype: Any, fidelity: str) -> bool:
        """Whether trying the candidate has ended the process too often to try again."""
        return deaths(self._past, genotype.id, fidelity, self._witness.state()) >= DEATHS

    def keep(self, one: Scored, **place: int) -> None:
        """Write a tried candidate down; `place` says at which rung. Its number is the order of recording."""
        self._count += 1
        one = replace(one, elapsed_s=self.elapsed())
        self._tried[(one.id, one.fidelity)] = one
        fields = one.record(self._objectives)
        described = self._space.describe(one.genotype)
        self._note("candidate", number=self._count, description=described, elapsed_s=one.elapsed_s, **place, **fields)

    def latency(self, genotype: Any, figure: str, measure: Callable[[], float]) -> float:
        """The recorded latency in ms, measured and recorded now when there is none; `MachineError` when that is deadly."""
        key = (genotype.id, figure)
        if key not in self._latencies:
            if self.deadly(genotype, figure):
                raise MachineError(f"Measuring `{figure}` ended the whole process {DEATHS} times.")
            self.begin(genotype, figure)
            value = measure()
            self._note("measured", id=genotype.id, figure=figure, value=value, elapsed_s=self.elapsed())
            self._latencies[key] = value
        return self._latencies[key]

    def generation(self, number: int, scored: Sequence[Scored], front: Sequence[Scored], volume: float) -> None:
        """Write down how the search stands after a generation, once."""
        if (number, len(scored)) in self._generations:
            return
        self._generations.add((number, len(scored)))
        self._note(
            "generation",
            number=number,
            evaluated=len(scored),
            unique=len({one.id for one in scored}),
            failed=sum(one.error is not None for one in scored),
            hypervolume=volume,
            front=[one.id for one in front],
            cpu_s=sum(one.cpu_s for one in scored),
            elapsed_s=self.elapsed(),
        )
