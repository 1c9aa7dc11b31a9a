"""The whole settings of a stage, as they are written to its config.resolved.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import model_validator

from pixsearch.bench.config import BenchConfig
from pixsearch.bits.config import BitsConfig
from pixsearch.config import Config
from pixsearch.data.config import DataConfig
from pixsearch.export.config import ExportConfig
from pixsearch.prune.config import PruneConfig
from pixsearch.qat.config import QatConfig
from pixsearch.search.config import SearchConfig
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.config import TrainConfig


class SearchJob(Config):
    """What `pixsearch search` is to do."""

    task: TaskConfig = TaskConfig()
    data: DataConfig
    search: SearchConfig


class ModelFile(Config):
    """A trained model that a stage takes; `digest` is the file's, so that a resumed run has the same weights."""

    path: Path
    digest: str


class TrainJob(Config):
    """What `pixsearch train` is to do; `genotype` is the architecture's JSON, `chosen` how it was chosen.

    `inherit` is a file of shared weights that the training starts from, `model` a trained model that it goes on with; without
    either the weights are drawn at random. `teacher` is a model to learn from.
    """

    task: TaskConfig = TaskConfig()
    data: DataConfig
    train: TrainConfig
    name: str
    genotype: dict[str, Any]
    chosen: str
    inherit: Path | None = None
    model: ModelFile | None = None
    teacher: ModelFile | None = None


class PruneJob(Config):
    """What `pixsearch prune` is to do; `digest` is the model file's, so that a resumed run prunes the same weights."""

    model: Path
    digest: str
    data: DataConfig
    prune: PruneConfig
    train: TrainConfig


class QatJob(Config):
    """What `pixsearch train --qat` is to do; `digest` is the model file's, so that a resumed run trains the same weights on."""

    model: Path
    digest: str
    data: DataConfig
    qat: QatConfig
    train: TrainConfig


class ExportJob(Config):
    """What `pixsearch export` is to do."""

    models: tuple[Path, ...]
    export: ExportConfig
    bits: BitsConfig | None = None

    @model_validator(mode="after")
    def _of_their_own(self) -> ExportJob:
        if self.export.mixed and self.export.fp16:
            raise ValueError("formats are chosen between 8 bits and 32-bit floats, so fp16 has no part in it; export it by itself")
        return self


class BenchJob(Config):
    """What `pixsearch bench` is to do."""

    models: tuple[Path, ...]
    bench: BenchConfig
