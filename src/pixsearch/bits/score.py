"""What a mixture is worth: its loss on held-out photos, its latency on a target, and the size of its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from pixsearch.bench.measure import measure_latency
from pixsearch.bench.modelled.costs import CostTable
from pixsearch.bench.modelled.estimate import estimate
from pixsearch.bench.modelled.operators import UnpricedError
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Target
from pixsearch.bits.formats import Mixture
from pixsearch.bits.graph import mixed
from pixsearch.bits.layers import LayerNodes
from pixsearch.bits.weights import QUICK_PLACES, Weights
from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.data.progress import Note, silent
from pixsearch.export.observe import Feeds
from pixsearch.export.onnx import write_model
from pixsearch.export.quantize import Plan
from pixsearch.export.sensitivity import mean_psnr, scored_crops
from pixsearch.tasks.base import Task

PRECISION = "mixed"
Losses = tuple[float, float, float]


@dataclass(frozen=True)
class Figures:
    """Loss in dB against the float model (below 0 it gained), milliseconds of one frame, bytes of the file."""

    loss_db: float
    latency_ms: float
    bytes: int

    @property
    def losses(self) -> Losses:
        """What is minimised."""
        return (self.loss_db, self.latency_ms, float(self.bytes))


class Scorer:
    """Scores mixtures of one model's plan, all on the same crops and the same target; a context manager that lets go of the emulator."""

    def __init__(
        self,
        plan: Plan,
        layers: Sequence[LayerNodes],
        card: ModelCard,
        task: Task,
        held_out: PairCache,
        crops: Sequence[Feeds],
        target: Target,
        spec: LatencySpec,
        seed: int,
        note: Note = silent,
    ) -> None:
        """`note` hears how the table of operators' costs is filled."""
        self.plan, self.layers, self._task, self._target, self._spec = plan, layers, task, target, spec
        self._card = card.with_(precision=PRECISION)
        self.weights = Weights(plan, layers, crops, seed)
        self._scored = scored_crops(plan.model, card, held_out, task)
        self._table = CostTable(target) if isinstance(target, Arm64Target) else None
        if self._table is not None:
            self._table.note = note

    @cached_property
    def exact_db(self) -> float:
        """The float model's PSNR on the crops."""
        return mean_psnr(self.plan.model, self._scored, self._task, self._card)

    @property
    def crops(self) -> int:
        """How many crops a loss is the mean over."""
        return len(self._scored)

    def graph(self, mixture: Mixture, places: int = QUICK_PLACES) -> onnx.ModelProto:
        """The graph of `mixture`, its weights fitted on `places` pixels."""
        return mixed(self.plan, self.layers, mixture, self.weights.fitted(mixture, places))

    def figures(self, mixture: Mixture) -> Figures:
        """Loss, latency and size of `mixture`."""
        graph = self.graph(mixture)
        loss_db = self.exact_db - mean_psnr(graph, self._scored, self._task, self._card)
        return Figures(loss_db, self.latency_ms(graph), len(graph.SerializeToString()))

    def latency_ms(self, graph: onnx.ModelProto) -> float:
        """Summed up from the table of operators on a modelled target; where that cannot be done, and elsewhere, the file is run there."""
        if self._table is not None:
            try:
                return estimate(graph, self._card, self._spec, self._table).latency_ms
            except UnpricedError:
                pass
        with TemporaryDirectory(prefix="pixsearch-") as folder:
            path = Path(folder) / "mixed.onnx"
            write_model(graph, self._card, path)
            return measure_latency(path, self._spec, self._target)

    def close(self) -> None:
        """End the emulator and let go of the table."""
        if self._table is not None:
            self._table.close()

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
