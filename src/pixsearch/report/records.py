"""A run's whole record as one typed structure; stages that were never begun are absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pixsearch.errors import UsageError
from pixsearch.events import Event
from pixsearch.report.exported import Checked, LayerCosts, read_checks, read_layer_costs
from pixsearch.report.measured import BenchRecord, Exported, read_bench, read_exports
from pixsearch.report.mixed import MixtureRecord, read_mixtures
from pixsearch.report.pruned import PruneRecord, read_pruning
from pixsearch.report.searched import SearchRecord, read_search
from pixsearch.report.stage import StageRecord, read_stage
from pixsearch.report.trained import TrainingRecord, read_training
from pixsearch.rundir import STAGES

T = TypeVar("T")


@dataclass(frozen=True)
class RunRecord:
    """What RUN holds. `stages` has every stage that was begun, in the order of the chain.

    A stage that was begun but has no result yet (killed, or still running) is in `stages` while its own field is None
    or as far as it got.
    """

    path: Path
    stages: tuple[StageRecord, ...]
    search: SearchRecord | None
    train: TrainingRecord | None
    prune: PruneRecord | None
    qat: TrainingRecord | None
    exports: tuple[Exported, ...]
    layer_costs: tuple[LayerCosts, ...]
    mixtures: tuple[MixtureRecord, ...]
    checks: tuple[Checked, ...]
    bench: BenchRecord | None

    @property
    def name(self) -> str:
        """The run's folder, without the way to it."""
        return self.path.resolve().name

    @property
    def task(self) -> str:
        """What the run's models do, in a few words; empty when no stage has said so yet."""
        return (self.bench and self.bench.task) or (self.search and self.search.task) or ""

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """(stage, text) of every warning."""
        return [(stage.name, text) for stage in self.stages for text in stage.warnings]

    @property
    def photos(self) -> list[tuple[str, Event]]:
        """(stage, event) for each account of photos used and left out."""
        return [(stage.name, event) for stage in self.stages for event in stage.photos]


def read_run(run: Path) -> RunRecord:
    """The record in the folder `run`, as it stands now; safe while a stage is being written.

    `UsageError` when there is no record, `DataError` naming the file that is damaged.
    """
    if not run.is_dir():
        raise UsageError(f"There is no run `{run}`. Check the path, or start one with `pixsearch search PHOTOS --out {run}`.")
    stages = {name: stage for name in STAGES if (stage := read_stage(run, name))}
    if not stages:
        raise UsageError(f"`{run}` holds no record of a stage. Give the folder that holds {', '.join(f'`{name}`' for name in STAGES)}.")

    def of(name: str, read: Callable[[StageRecord], T]) -> T | None:
        return read(stages[name]) if name in stages else None

    return RunRecord(
        path=run,
        stages=tuple(stages.values()),
        search=of("search", read_search),
        train=of("train", read_training),
        prune=of("prune", read_pruning),
        qat=of("qat", read_training),
        exports=of("export", read_exports) or (),
        mixtures=of("export", read_mixtures) or (),
        layer_costs=of("export", read_layer_costs) or (),
        checks=of("export", read_checks) or (),
        bench=of("bench", read_bench),
    )
