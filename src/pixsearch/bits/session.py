"""The search for formats within an export: sensitivity, evolution, the front on record, and the chosen mixture's graph."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import onnx

from pixsearch.bench import setup
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.base import Target, open_target
from pixsearch.bits.config import BitsConfig
from pixsearch.bits.evolve import Bound, evolve, first_population, front_of, uniform
from pixsearch.bits.formats import Mixture, shares
from pixsearch.bits.layers import LayerNodes, described, layers_in
from pixsearch.bits.score import PRECISION, Figures, Scorer
from pixsearch.card import ModelCard
from pixsearch.errors import InfeasibleError, MachineError
from pixsearch.events import read_events
from pixsearch.export.calibration import Calibration
from pixsearch.export.observe import choose_crops
from pixsearch.export.quantize import Plan
from pixsearch.export.refit import PLACES
from pixsearch.export.scheme import trained_scheme
from pixsearch.export.sensitivity import measure_sensitivity
from pixsearch.interrupt import check_stop
from pixsearch.rundir import Stage
from pixsearch.tasks.base import Task

DEFAULT = "arm64:a76"


def target_of(config: BitsConfig) -> tuple[Target, LatencySpec, str]:
    """The target, what is taken on it, and why it is this one where none was named; `MachineError` when what it needs is missing."""
    text, why = config.target or DEFAULT, ""
    if config.target is None:
        try:
            setup.check("arm64")
        except MachineError:
            text, why = (
                "local",
                "What emulates an Arm core is missing (`pixsearch target setup arm64`), so latency is measured on this machine.",
            )
    spec = LatencySpec.parse(text)
    spec = LatencySpec(spec.target, spec.height, spec.width, PRECISION, spec.threads)
    target = open_target(spec.target)
    target.require(spec.threads)
    return target, spec, why


@dataclass(frozen=True)
class Chooser:
    """Chooses the formats of one model after another, as `export_stage` asks for it."""

    config: BitsConfig
    target: Target
    spec: LatencySpec
    why: str = ""

    @classmethod
    def of(cls, config: BitsConfig) -> Chooser:
        """With the target that `config` names, looked at before anything is written."""
        return cls(config, *target_of(config))

    def __call__(
        self, plan: Plan, card: ModelCard, task: Task, calibration: Calibration, stage: Stage
    ) -> tuple[onnx.ModelProto, dict[str, Any]]:
        """The graph of the mixture with the least loss within the bound on latency, and what its card will say.

        `plan` has weights that are not fitted yet. `InfeasibleError` when no mixture keeps the bound.
        """
        own = trained_scheme(card) is not None
        crops = [] if own else choose_crops(plan.model, card, task, calibration.ranges, self.config.seed)
        layers = layers_in(plan, self.config.formats)
        place = self.target, self.spec, self.config.seed
        with Scorer(plan, layers, card, task, calibration.held_out, crops, *place, stage.note) as scorer:
            known, bound = _Search(self, scorer, card, task, calibration, stage).run()
            chosen = _best(known, bound, str(self.spec))
            graph = scorer.graph(chosen, PLACES)
        return graph, _card_words(plan, layers, chosen, known[chosen], str(self.spec))


class _Search:
    """One model's search and its record; what an earlier process recorded is not tried again."""

    def __init__(self, by: Chooser, scorer: Scorer, card: ModelCard, task: Task, calibration: Calibration, stage: Stage) -> None:
        self.config, self.spec, self.target, self.why = by.config, by.spec, by.target, by.why
        self.scorer, self.card, self.task, self.calibration, self.stage = scorer, card, task, calibration, stage
        self.layers: list[LayerNodes] = list(scorer.layers)
        self.label = card.with_(precision=PRECISION).label
        past = [event for event in read_events(stage.path / "events.jsonl") if event.get("label") == self.label] if stage.resumed else []
        self.past = {tuple(event["formats"]): Figures(**event["figures"]) for event in past if event["kind"] == "mixture"}
        self.recorded = frozenset(self.past)
        self.begun, self.count = time.monotonic(), 0
        self.bound = Bound(float("inf"))

    def run(self) -> tuple[dict[Mixture, Figures], Bound]:
        """All that was tried, and the bound that it was tried for."""
        sensitivity = measure_sensitivity(self.scorer.plan, self.card, self.calibration.held_out, self.task)
        every = uniform(self.layers, "int8")
        reference = self._figures(every)
        self.bound = Bound(reference.latency_ms * (1 + self.config.extra_latency))
        self.stage.note(
            "bits",
            label=self.label,
            target=self.target.label,
            latency=str(self.spec),
            modelled=self.target.modelled,
            why=self.why,
            layers=[{"layer": layer.name, "operators": layer.operators} for layer in self.layers],
            int8=asdict(reference),
            bound_ms=self.bound.latency_ms,
            extra_latency=self.config.extra_latency,
            evaluations=self.config.evaluations,
            seed=self.config.seed,
            crops=self.scorer.crops,
            sensitivity=[asdict(layer) for layer in sensitivity.layers],
        )
        begin = first_population(self.layers, sensitivity, max(self.config.population, 2 * len(self.layers) + 2))
        settings = {"population": self.config.population, "evaluations": self.config.evaluations, "seed": self.config.seed}
        known = evolve(self.layers, begin, self.bound, self._evaluate, **settings)
        feasible = self.bound.feasible(known)
        self.stage.note(
            "mixtures",
            label=self.label,
            tried=len(known),
            front=[list(mixture) for mixture in front_of(feasible)],
            chosen=list(_least_loss(feasible)) if feasible else None,
            elapsed_s=time.monotonic() - self.begun,
        )
        return known, self.bound

    def _evaluate(self, mixture: Mixture) -> Figures | None:
        check_stop(f"Go on with `pixsearch export --resume {self.stage.run}`.")
        if self.config.budget_s is not None and self.count and time.monotonic() - self.begun > self.config.budget_s:
            return None
        self.count += 1
        figures = self._figures(mixture)
        if mixture not in self.recorded:
            place = {"label": self.label, "number": self.count, "formats": list(mixture)}
            self.stage.note("mixture", **place, figures=asdict(figures), feasible=self.bound.violation(figures) == 0.0)
        return figures

    def _figures(self, mixture: Mixture) -> Figures:
        if mixture not in self.past:
            self.past[mixture] = self.scorer.figures(mixture)
        return self.past[mixture]


def _least_loss(known: dict[Mixture, Figures]) -> Mixture:
    """The mixture of least loss; of equals the fastest, then the smallest."""
    mixtures = sorted(known)
    return min(mixtures, key=lambda one: known[one].losses)


def _best(known: dict[Mixture, Figures], bound: Bound, latency: str) -> Mixture:
    feasible = bound.feasible(known)
    if not feasible:
        nearest = min(known, key=lambda one: bound.violation(known[one]))
        raise InfeasibleError(
            f"None of {len(known)} mixtures takes at most {bound.latency_ms:.4g} ms ({latency}); the nearest miss ({shares(nearest)}) "
            f"takes {known[nearest].latency_ms:.4g}. Allow more by `--extra-latency`, or try more by `--evaluations`."
        )
    return _least_loss(feasible)


def _card_words(plan: Plan, layers: list[LayerNodes], chosen: Mixture, figures: Figures, latency: str) -> dict[str, Any]:
    return {**plan.record, "formats": described(layers, chosen), "format": shares(chosen), "latency": {latency: figures.latency_ms}}
