"""Evolve how many channels every group keeps (NSGA-II): quality against costs, from the ranking by importance on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixsearch.errors import InfeasibleError, MachineError
from pixsearch.events import read_events
from pixsearch.prune.candidates import REFITTED, SlicedWeights
from pixsearch.prune.members import Cuts
from pixsearch.rundir import Stage
from pixsearch.search import front as fronts
from pixsearch.search.bounds import closed_form, infeasible
from pixsearch.search.deaths import Witness
from pixsearch.search.engine import Budget, Engine
from pixsearch.search.executors.base import Executor
from pixsearch.search.latency import telling
from pixsearch.search.objectives import Objective, violation
from pixsearch.search.record import Record
from pixsearch.search.rungs import Rungs
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.strategies.nsga2 import Nsga2
from pixsearch.space.base import Genotype

KINDS = ("begun", "candidate", "measured", "generation", "evolution")
"""Events of an evolution; those of the trainings behind it count a time of their own."""


@dataclass(frozen=True)
class Evolution:
    """An evolution over the members of `cuts`, which `evaluator` judges, recorded in `stage`; it goes on where the record ends.

    `baseline` are the figures of the trivial method on the pictures that candidates are scored on.
    """

    cuts: Cuts
    objectives: tuple[Objective, ...]
    evaluator: SlicedWeights
    baseline: Mapping[str, float]
    stage: Stage
    seed: int
    population: int

    def run(self, budget: Budget, executor: Executor[Scored]) -> dict[float, Scored]:
        """The member of the best quality under each of the shares; the front is written to front.json.

        `InfeasibleError` with the nearest miss when nothing keeps the bounds, `MachineError` when no candidate could be judged.
        """
        self._require_feasible()
        with Witness(self.stage.path) as witness:
            past = [event for event in read_events(self.stage.path / "events.jsonl") if event["kind"] in KINDS]
            record = Record(past, self.stage.note, self.cuts, self.objectives, witness=witness)
            if record.first("evolution") is None:
                texts = [str(objective) for objective in self.objectives]
                record.note("evolution", objectives=texts, shares=list(self.cuts.shares), fidelity=REFITTED, population=self.population)
            with telling(self.stage.note):
                judged = self._engine(record, budget, executor).run()
        self._write_front(judged)
        return {share: self._best(judged, share) for share in self.cuts.shares}

    def _require_feasible(self) -> None:
        smallest = self.cuts.smallest()
        figures = closed_form(self.cuts, smallest)
        if violation(self.objectives, figures):
            raise infeasible(self.cuts, self.objectives, smallest, figures)

    def _engine(self, record: Record, budget: Budget, executor: Executor[Scored]) -> Engine:
        strategy = Nsga2(
            self.cuts,
            self.objectives,
            self._fits,
            self.cuts.sample,
            breed=self.cuts.breed,
            seed=self.seed,
            population=self.population,
            offspring=max(1, self.population // 2),
        )
        known: dict[str, float] = {}

        def on_generation(number: int, tries: Sequence[Scored], judged: Sequence[Scored]) -> None:
            known.update(known or self._reference(judged))
            front = fronts.members(judged, self.objectives)
            record.generation(number, tries, front, fronts.volume(front, self.objectives, known))

        rungs = Rungs((Fidelity(0, 0, 0),), self.objectives)
        how = f"Go on with `pixsearch prune --resume {self.stage.run}`."
        return Engine(strategy, self.evaluator, executor, record, rungs, budget, on_generation=on_generation, how_to_go_on=how)

    def _fits(self, genotype: Genotype) -> bool:
        return self.cuts.holds(genotype, self.cuts.shares[0])

    def _reference(self, first: Sequence[Scored]) -> dict[str, float]:
        return fronts.reference_point(self.objectives, self.baseline, closed_form(self.cuts, self.cuts.whole), first)

    def _write_front(self, judged: Sequence[Scored]) -> None:
        task, front = self.evaluator.task, fronts.members(judged, self.objectives)
        if not front:
            raise self._nothing_found(judged)
        record = {
            "task": task.name,
            "scale": task.scale,
            "color": task.color,
            "convention": task.convention,
            "space": self.cuts.name,
            "objectives": [{"name": o.name, "direction": o.direction, "bound": o.bound} for o in self.objectives],
            "fidelity": REFITTED,
            "baseline": {"name": task.baseline_name, "psnr_db": self.baseline["psnr"], "ssim": self.baseline["ssim"]},
            "reference_point": self._reference(judged[: self.population]),
            "members": [self._member(one) for one in front],
            "knee": fronts.knee(front, self.objectives).id,
        }
        self.stage.write_json("front.json", record)

    def _member(self, one: Scored) -> dict[str, Any]:
        described = self.cuts.describe(one.genotype)
        return {"id": one.id, "genotype": one.genotype.to_json(), "description": described, "figures": one.figures}

    def _best(self, judged: Sequence[Scored], share: float) -> Scored:
        """The best of the first quality among those that keep `share` and every bound; the cheaper, then the earlier of equals."""
        quality = next(o for o in self.objectives if not o.is_cost)
        kept = [one for one in judged if one.feasible(self.objectives) and self.cuts.holds(one.genotype, share)]
        if not kept:
            raise InfeasibleError(
                f"None of the {len(judged)} candidates keeps `--keep-macs {share:g}` and the other bounds. "
                "Loosen them, or give more `--evaluations`."
            )
        return min(kept, key=lambda one: (quality.loss(one.figures[quality.name]), self.cuts.share(one.genotype)))

    def _nothing_found(self, judged: Sequence[Scored]) -> Exception:
        nearest = fronts.nearest_miss(judged, self.objectives)
        if nearest is None:
            return MachineError(
                f"None of the {len(judged)} candidates could be judged; `{self.stage.path / 'events.jsonl'}` says why of each."
            )
        return infeasible(self.cuts, self.objectives, nearest.genotype, nearest.figures)
