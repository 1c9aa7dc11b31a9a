"""What a search recorded: its candidates, its front, how the front grew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pixsearch.events import Event
from pixsearch.report.stage import StageRecord, mapping, task_words, understood
from pixsearch.report.wording import plural
from pixsearch.units import parse_bytes, parse_count, parse_duration

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Objective:
    """A figure, whether more of it is better, and the bound it has to keep (None: unbounded)."""

    name: str
    maximize: bool
    bound: float | None


@dataclass(frozen=True)
class Candidate:
    """One architecture that was tried: `figures` by objective name, `error` when it failed, `broke` names the bounds it missed."""

    number: int
    id: str
    genotype: Mapping[str, Any]
    description: str
    figures: Figures
    fidelity: str
    feasible: bool
    broke: tuple[str, ...]
    error: str | None
    elapsed_s: float


@dataclass(frozen=True)
class Generation:
    """The state of the search after `evaluated` candidates; `hypervolume` is None where there is no front yet."""

    number: int
    evaluated: int
    hypervolume: float | None
    front: tuple[str, ...]
    elapsed_s: float


@dataclass(frozen=True)
class Member:
    """One architecture of the front."""

    id: str
    genotype: Mapping[str, Any]
    description: str
    figures: Figures


@dataclass(frozen=True)
class SearchRecord:
    """A search as far as it got: `front` is empty while nothing feasible is known.

    `baseline` is (name, PSNR in dB, SSIM) of the trivial method on the same photos. Candidates and generations are
    in the order they were recorded, each number once (a resumed run may have written one again). `candidates` are those of the highest
    rung, which can be compared with each other; `lower` are what was tried at the rungs below, when there were any.
    """

    stage: StageRecord
    task: str
    start: Event
    objectives: tuple[Objective, ...]
    candidates: tuple[Candidate, ...]
    generations: tuple[Generation, ...]
    front: tuple[Member, ...]
    knee: str | None
    baseline: tuple[str, float, float | None] | None
    fidelity: str
    convention: str
    reference_point: Figures
    lower: tuple[Candidate, ...] = ()

    @property
    def tried(self) -> str:
        """How many were tried, and with rungs how many of them came to the highest one."""
        count = len({candidate.id for candidate in (*self.lower, *self.candidates)})
        climbed = f", {len(self.candidates)} of them at the highest rung" if self.lower else ""
        return f"{plural(count, 'candidate')} tried{climbed}"

    @property
    def quality(self) -> Objective:
        """The first objective of which more is better; PSNR when none is."""
        return next((o for o in self.objectives if o.maximize), Objective("psnr", True, None))

    @property
    def costs(self) -> list[Objective]:
        """The objectives of which less is better."""
        return [objective for objective in self.objectives if not objective.maximize]

    @property
    def failed(self) -> list[Candidate]:
        """The candidates that raised, ran out of memory or lost their worker, at any rung."""
        return [candidate for candidate in (*self.lower, *self.candidates) if candidate.error]


def read_search(stage: StageRecord) -> SearchRecord:
    """The record of a search; without front.json (killed early) the front is the newest generation's."""
    events, path = stage.path / "events.jsonl", stage.path / "front.json"
    lower, candidates = understood(events, lambda: _candidates(stage))
    generations = understood(events, lambda: _generations(stage))
    data = mapping(path) if path.exists() else {}
    start = stage.last("start") or {"kind": "start", "time": 0.0}
    objectives = understood(path if data else events, lambda: _objectives(data.get("objectives") or start.get("objectives", [])))
    front = understood(path, lambda: _members(data["members"])) if data else _grown(candidates, generations)
    return SearchRecord(
        stage=stage,
        task=task_words(data) if data else "",
        start=start,
        objectives=objectives,
        candidates=candidates,
        generations=generations,
        front=tuple(sorted(front, key=lambda member: _order(member, objectives))),
        knee=data.get("knee"),
        baseline=understood(path if data else events, lambda: _baseline(data.get("baseline") or stage.last("baseline"))),
        fidelity=written_fidelity(data.get("fidelity", "")),
        convention=str(data.get("convention", "")),
        reference_point=understood(path, lambda: dict(data.get("reference_point") or {})),
        lower=lower,
    )


def _candidates(stage: StageRecord) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """What was tried at lower rungs, and at the highest or only one."""
    events = {event["number"]: event for event in stage.every("candidate")}.values()
    lower, highest = ([_candidate(event) for event in events if at_highest_rung(event) == highest] for highest in (False, True))
    return tuple(lower), tuple(highest)


def at_highest_rung(event: Event) -> bool:
    """Whether a candidate was tried as far as any of its search, so that its figures count."""
    return bool(event.get("rung", 1) == event.get("rungs", 1))


def _candidate(event: Event) -> Candidate:
    return Candidate(
        number=int(event["number"]),
        id=str(event["id"]),
        genotype=dict(event["genotype"]),
        description=str(event.get("description", "")),
        figures=dict(event.get("figures") or {}),
        fidelity=written_fidelity(event.get("fidelity", "")),
        feasible=bool(event.get("feasible", not event.get("error"))),
        broke=tuple(str(bound) for bound in event.get("broke") or ()),
        error=str(event["error"]) if event.get("error") else None,
        elapsed_s=float(event.get("elapsed_s") or 0.0),
    )


def _generations(stage: StageRecord) -> tuple[Generation, ...]:
    by_number = {event["number"]: event for event in stage.every("generation")}
    return tuple(
        Generation(
            number=int(event["number"]),
            evaluated=int(event["evaluated"]),
            hypervolume=None if event.get("hypervolume") is None else float(event["hypervolume"]),
            front=tuple(str(member) for member in event.get("front") or ()),
            elapsed_s=float(event.get("elapsed_s") or 0.0),
        )
        for event in by_number.values()
    )


def _objectives(items: Any) -> tuple[Objective, ...]:
    return tuple(_from_text(item) if isinstance(item, str) else _from_fields(item) for item in items)


def _from_fields(item: Mapping[str, Any]) -> Objective:
    bound = item.get("bound")
    return Objective(str(item["name"]), item["direction"] == "max", None if bound is None else float(bound))


def _from_text(text: str) -> Objective:
    """The objective in `macs_720p<=2.5G`, as a start event writes it in full; bounds in the unit of the figure."""
    name, sign, bound = re.split(r"([<>]=|$)", text, maxsplit=1)
    return Objective(name, name in ("psnr", "ssim"), _bound(name, bound) if sign else None)


def _bound(name: str, text: str) -> float:
    if name.startswith("latency"):
        return parse_duration(text) * 1e3
    return float(parse_bytes(text)) if name == "memory" else parse_count(text.removesuffix("dB"))


def _members(items: Any) -> list[Member]:
    return [Member(str(m["id"]), dict(m["genotype"]), str(m.get("description", "")), dict(m["figures"])) for m in items]


def _grown(candidates: tuple[Candidate, ...], generations: tuple[Generation, ...]) -> list[Member]:
    ids = set(generations[-1].front) if generations else set()
    known = {candidate.id: candidate for candidate in candidates if candidate.id in ids}
    return [Member(c.id, c.genotype, c.description, c.figures) for c in known.values()]


def _order(member: Member, objectives: tuple[Objective, ...]) -> tuple[float, str]:
    """Cheapest first by the first cost, so that a table of the front reads like its plot."""
    cost = next((o.name for o in objectives if not o.maximize), "macs_720p")
    value = member.figures.get(cost)
    return (float("inf") if value is None else value, member.id)


def _baseline(data: Mapping[str, Any] | None) -> tuple[str, float, float | None] | None:
    if not data or data.get("psnr_db") is None:
        return None
    return str(data.get("name", "baseline")), float(data["psnr_db"]), None if data.get("ssim") is None else float(data["ssim"])


def written_fidelity(value: Any) -> str:
    """How far candidates were trained, in words, whatever shape it was recorded in."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value if value is not None else "")


def steady_seconds(generations: tuple[Generation, ...]) -> Iterator[float]:
    """Seconds of search at each generation, going on where it was stopped should a resumed run have counted from zero again."""
    if not generations:
        return
    total = generations[0].elapsed_s
    yield total
    for before, after in pairwise(generations):
        step = after.elapsed_s - before.elapsed_s
        total += step if step >= 0 else after.elapsed_s
        yield total
