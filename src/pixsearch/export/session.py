"""The export stage: model files in, ONNX files out, each proved to agree with what it was made from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixsearch.card import ModelCard
from pixsearch.errors import GateError, UsageError
from pixsearch.export.calibration import Calibration, open_calibration
from pixsearch.export.config import ExportConfig
from pixsearch.export.onnx import OPSET, export_float, read_model, write_model
from pixsearch.export.parity import Int8Parity, check_float, check_int8
from pixsearch.export.quantize import quantize
from pixsearch.export.scheme import choose_scheme, trained_scheme
from pixsearch.infer.session import OnnxModel
from pixsearch.interrupt import check_stop
from pixsearch.nn.build import Network
from pixsearch.nn.modelfile import load_deployed
from pixsearch.rundir import Stage
from pixsearch.tasks.base import Task, task_for


@dataclass(frozen=True)
class Source:
    """A model to export, in its deploy form, and its file."""

    path: Path
    network: Network
    card: ModelCard

    @property
    def stem(self) -> str:
        """What its files are called: `NAME`, `NAME-pruned`, `NAME-pruned-qat`."""
        return "-".join([self.card.name, *self.card.later_stages])

    @property
    def task(self) -> Task:
        """The task it was made for."""
        return task_for(self.card.signature)


def export_stage(models: list[Path], config: ExportConfig, stage: Stage) -> list[Path]:
    """Write every model of `models` as float ONNX into the stage's folder, and as int8 the last one, or all (`config.int8_of`).

    A file stands under its name (`NAME.onnx`, `NAME-pruned.onnx`, `NAME-pruned.int8.onnx`) only when its gate is passed;
    otherwise `GateError`. `UsageError` for another scheme than a model was trained in. Doing it again, after a crash, gives the same
    files. Returns the files, those of a model together.
    """
    begun = time.monotonic()
    sources = [Source(path, *load_deployed(path)) for path in models]
    _check_names(sources)
    small = [source for source in sources if config.int8 and (config.int8_of == "all" or source is sources[-1])]
    for source in small:
        choose_scheme(source.card, config.scheme)
    written = []
    for source in sources:
        check_stop(f"Go on with `--resume {stage.run}`.")
        written.append(_write_float(source, stage))
        if source in small:
            written.append(_write_int8(source, written[-1], config, stage))
    stage.note("done", files=[path.name for path in written], elapsed_s=time.monotonic() - begun)
    return written


def _check_names(sources: list[Source]) -> None:
    taken: dict[str, Source] = {}
    for source in sources:
        other = taken.setdefault(source.stem, source)
        if other is not source:
            raise UsageError(
                f"`{other.path}` and `{source.path}` would both become `{source.stem}.onnx`. Export each into a run of its own."
            )


def _write_float(source: Source, stage: Stage) -> Path:
    path = stage.path / f"{source.stem}.onnx"
    with _candidate(path) as candidate:
        export_float(source.network, source.card, candidate)
        parity = check_float(source.network, candidate)
        candidate.replace(path)
    _note(stage, source.card, path, max_abs_error=parity.max_abs_error, sizes=parity.sizes)
    return path


def _write_int8(source: Source, float_path: Path, config: ExportConfig, stage: Stage) -> Path:
    path = stage.path / f"{source.stem}.int8.onnx"
    calibration = open_calibration(config, source.task, stage.note, own_ranges=trained_scheme(source.card) is not None)
    with _candidate(path) as candidate:
        quantize(float_path, source.card, calibration.ranges, source.task, candidate, config)
        parity = check_int8(float_path, candidate, calibration.held_out, source.task, config.gate_db)
        card = _write_with_loss(candidate, path, parity, calibration)
    loss = {"loss_db": parity.loss_db, "loss_db_by_picture": parity.pictures, "held_out": not calibration.is_shared}
    _note(stage, card, path, **loss, sizes=parity.sizes)
    return path


@contextmanager
def _candidate(path: Path) -> Iterator[Path]:
    """A place beside `path` for a file that is not proved yet; nothing stands at `path` until it is."""
    path.unlink(missing_ok=True)
    candidate = path.with_name(f".{path.name}.candidate")
    try:
        yield candidate
    except GateError as error:
        raise GateError(f"`{path.name}` is not written. {error}") from error
    finally:
        candidate.unlink(missing_ok=True)


def _write_with_loss(candidate: Path, path: Path, parity: Int8Parity, calibration: Calibration) -> ModelCard:
    """The proved file under its name, what int8 costs in its card."""
    card = OnnxModel.open(candidate).card
    measured = {"loss_db": parity.loss_db, "measured_on": list(calibration.held_out.names)}
    card = card.with_(calibration={**card.calibration, **measured})
    write_model(read_model(candidate), card, path)
    return card


def _note(stage: Stage, card: ModelCard, path: Path, **figures: Any) -> None:
    sizes = [f"{width}x{height}" for height, width in figures.pop("sizes")]
    stage.note(
        "exported",
        label=card.label,
        file=path.name,
        precision=card.precision,
        bytes=path.stat().st_size,
        opset=OPSET,
        sizes=sizes,
        **figures,
    )
