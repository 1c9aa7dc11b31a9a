"""Judge a candidate by itself: cheap bounds first, then its latency, then a short training scored on whole pictures."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pixsearch.bench.spec import LatencySpec
from pixsearch.card import ModelCard
from pixsearch.export.config import ExportConfig
from pixsearch.export.half import to_half
from pixsearch.export.onnx import export_float, read_model, write_model
from pixsearch.export.quantize import quantize
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.nn.reparam import Branches
from pixsearch.rng import derive
from pixsearch.search.bounds import closed_form
from pixsearch.search.config import SearchConfig
from pixsearch.search.evaluators.base import Evaluator, RecordedLatency
from pixsearch.search.latency import latency_of
from pixsearch.search.objectives import Objective, violation
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.windows import Selection
from pixsearch.space.base import Space
from pixsearch.tasks.base import Task, task_for
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import Draws
from pixsearch.train.loop import fit
from pixsearch.train.validate import validate

CALIBRATION_PICTURES = 1


class StandaloneTraining(Evaluator):
    """Trains every candidate from scratch for a few steps, as a proxy for a full training.

    Bounds are looked at in the order of their price; a candidate that breaks one is not judged further. All candidates see
    the same batches, which takes some of the chance out of comparing them; a network's first weights follow from
    the seed and its id. Not safe to share between threads.
    """

    def __init__(
        self,
        space: Space[Any],
        objectives: Sequence[Objective],
        task: Task,
        batches: Draws,
        val: Selection,
        settings: TrainConfig,
        *,
        seed: int,
    ) -> None:
        self.space, self.objectives, self.task = space, tuple(objectives), task
        self.batches, self.val, self.settings = batches, val, settings
        self.seed = seed

    def measure(self, genotype: Any, recorded: RecordedLatency) -> dict[str, float]:
        """Latencies in ms, up to the first that breaks its bound; none of a candidate that breaks another bound anyway."""
        figures: dict[str, float] = {}
        if violation(self.objectives, closed_form(self.space, genotype)):
            return figures
        for o in self.objectives:
            if o.latency is not None:
                figures[o.name] = recorded(genotype, o.name, partial(self._measure, genotype, o.latency))
                if o.violation(figures):
                    break
        return figures

    def evaluate(self, genotype: Any, fidelity: Fidelity, measured: Mapping[str, float]) -> Scored:
        """Figures in full, or up to the bound that was broken; raises what building or training raises."""
        try:
            figures = {**closed_form(self.space, genotype), **measured}
            if not violation(self.objectives, figures):
                figures |= self._quality(genotype, fidelity)
            return Scored(genotype, figures)
        except Exception:
            gc.collect()  # a failed training may hold its tensors in a traceback's cycle
            raise

    def _measure(self, genotype: Any, spec: LatencySpec) -> float:
        network = deploy(self._network(genotype, "none"))
        card = make_card(network, name=genotype.id, stage="candidate", training={})
        return latency_of(network, card, spec, partial(self._write, network, card, spec.precision))

    def _write(self, network: Network, card: ModelCard, precision: str, folder: Path) -> Path:
        """The file to measure."""
        path = export_float(network, card, folder / "float.onnx")
        if precision in ("int8", "a16w8"):  # ranges and weights do not change how long it takes: any few pictures will do
            calibration = self.val.first(CALIBRATION_PICTURES).as_cache()
            small, task, config = folder / "small.onnx", task_for(card.signature), ExportConfig(int8=True)
            return quantize(path, card, calibration, task, small, config, precision, fitted=False)
        if precision == "fp16":
            write_model(to_half(read_model(path)), card.with_(precision="fp16"), path)
        return path

    def _network(self, genotype: Any, branches: Branches) -> Network:
        return build(genotype, self.task.signature, branches=branches, seed=derive(self.seed, "weights", genotype.id) % 2**31)

    def _quality(self, genotype: Any, fidelity: Fidelity) -> dict[str, float]:
        settings = self.settings.model_copy(update={"steps": fidelity.steps, "seed": derive(self.seed, genotype.id) % 2**31})
        with choose(settings).in_charge():  # scores too depend on the number of threads, in their last digits
            network = fit(self._network(genotype, fidelity.branches), self.batches, settings)
            return quality_figures(validate(network, self.val.as_cache(), self.task))


def quality_figures(scores: dict[str, Any]) -> dict[str, float]:
    """Means over whole pictures, as the figures that objectives name."""
    return {"psnr": float(scores["psnr_db"]), "ssim": float(scores["ssim"])}


def proxy_settings(config: SearchConfig) -> TrainConfig:
    """How candidates are trained; their seeds are set one by one."""
    return TrainConfig(
        steps=config.proxy_steps,
        batch=config.proxy_batch,
        patch=config.proxy_patch,
        rate=config.proxy_rate,
        branches=config.branches,
        threads=config.threads_each,
        device=config.device,
        validations=1,
    )
