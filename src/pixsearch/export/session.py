"""The export stage: model files in, ONNX files out, each proved to agree with what it was made from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from pixsearch.card import ModelCard
from pixsearch.errors import GateError, UsageError
from pixsearch.export.calibration import Calibration, open_calibration
from pixsearch.export.config import ExportConfig
from pixsearch.export.dynamic import as_features, as_static
from pixsearch.export.half import to_half
from pixsearch.export.onnx import export_float, read_model, write_model
from pixsearch.export.parity import HALF_A_LEVEL, LARGEST_ERROR, Int8Parity, Sizes, check_float, check_int8, check_shape
from pixsearch.export.ports import with_shape, with_uint8_ports
from pixsearch.export.providers.check import check_model, punished
from pixsearch.export.quantize import Plan, plan_of, quantized
from pixsearch.export.scheme import choose_scheme, trained_scheme
from pixsearch.export.sensitivity import measure_sensitivity
from pixsearch.export.subpixels import subpixels_first
from pixsearch.infer.ports import UINT8_NHWC
from pixsearch.infer.session import OnnxModel
from pixsearch.interrupt import check_stop
from pixsearch.nn.build import Network
from pixsearch.nn.modelfile import load_deployed
from pixsearch.rundir import Stage
from pixsearch.tasks.base import Task, task_for
from pixsearch.units import parse_shape

Choose = Callable[[Plan, ModelCard, Task, Calibration, Stage], tuple[onnx.ModelProto, dict[str, Any]]]
"""Chooses a format for each layer of a plan whose weights are not fitted yet: the graph, and what its card says of the quantization."""


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


def export_stage(models: list[Path], config: ExportConfig, stage: Stage, choose: Choose | None = None) -> list[Path]:
    """Write every model of `models` as float ONNX into the stage's folder, and in smaller precisions the last one, or all.

    A file stands under its name (`NAME.onnx`, `NAME-pruned.onnx`, `NAME-pruned.int8.onnx`, `NAME.int8.360x640.onnx`) only when its
    gate is passed; otherwise `GateError`. `choose` is asked for what is `mixed`. `UsageError` for another scheme than a model was
    trained in and a shape that it cannot take.
    Doing it again, after a crash, gives the same files. Returns the files, those of a model together.
    """
    begun = time.monotonic()
    sources = [_in_form(Source(path, *load_deployed(path)), config, stage) for path in models]
    _check_names(sources)
    small = [source for source in sources if config.int8_of == "all" or source is sources[-1]]
    for source in small if config.int8 or config.mixed else ():
        choose_scheme(source.card, config.scheme)
    written = []
    for source in sources:
        check_stop(f"Go on with `--resume {stage.run}`.")
        written += _Export(source, config, stage, config.precisions if source in small else (), choose).write()
    stage.note("done", files=[path.name for path in written], elapsed_s=time.monotonic() - begun)
    return written


def _in_form(source: Source, config: ExportConfig, stage: Stage) -> Source:
    """A dynamic network in the form that is asked for; another one as it is."""
    if not source.card.dynamic or config.dynamic == "kernel":
        return source
    if config.dynamic == "feature":
        return Source(source.path, *as_features(source.network, source.card))
    photos = open_calibration(config, source.task, stage.note, what="The form `static`").ranges
    return Source(source.path, *as_static(source.network, source.card, photos, source.task))


def _check_names(sources: list[Source]) -> None:
    taken: dict[str, Source] = {}
    for source in sources:
        other = taken.setdefault(source.stem, source)
        if other is not source:
            raise UsageError(
                f"`{other.path}` and `{source.path}` would both become `{source.stem}.onnx`. Export each into a run of its own."
            )


class _Export:
    """One model on its way into files."""

    def __init__(self, source: Source, config: ExportConfig, stage: Stage, precisions: Sequence[str], choose: Choose | None) -> None:
        self.source, self.config, self.stage, self.precisions, self.choose = source, config, stage, precisions, choose

    def write(self) -> list[Path]:
        """The files in float and in the precisions, each for any size and then for the shapes asked for."""
        with TemporaryDirectory(prefix="pixsearch-") as folder:
            plain = self._plain(Path(folder) / "float.onnx")
            exact = self._float(plain, "float", LARGEST_ERROR)
            written = [exact, *self._shaped(exact)]
            for precision in self.precisions:
                path = self._float(plain, precision, HALF_A_LEVEL) if precision == "fp16" else self._measured(plain, precision, exact)
                written += [path, *self._shaped(path)]
        return written

    def _plain(self, path: Path) -> Path:
        """The network as a graph of float planes of any size, with what phones take no other way put so."""
        export_float(self.source.network, self.source.card, path)
        model = read_model(path)
        if subpixels_first(model):
            text = f"`{self.source.stem}` keeps a depth-to-space in CRD mode, which NNAPI does not take: its channels cannot be reordered."
            self.stage.note("warning", text=text)
        write_model(model, self.source.card, path)
        self._warn_of_prices(model)
        return path

    def _warn_of_prices(self, model: onnx.ModelProto) -> None:
        for price in punished(model, ("float", *self.precisions)):
            self.stage.note("warning", text=f"`{self.source.stem}`: {price.text}.")
        if self.config.scheme == "nnapi" and not self.config.shapes:
            self.stage.note(
                "warning", text="NNAPI takes graphs of one size alone. Add `--shape 360x640`, height first, for a file of that size."
            )

    def _float(self, plain: Path, precision: str, limit: float) -> Path:
        card = self.source.card.with_(precision=precision)
        model = read_model(plain)
        model, card = self._with_ports(to_half(model) if precision == "fp16" else model, card)
        path = self._path(card)
        with _candidate(path) as candidate:
            write_model(model, card, candidate)
            parity = check_float(self.source.network, candidate, limit)
            candidate.replace(path)
        self._note(card, path, max_abs_error=parity.max_abs_error, sizes=parity.sizes)
        return path

    def _measured(self, plain: Path, precision: str, exact: Path) -> Path:
        """A quantized file; `exact` is the float one that it is measured against."""
        own = trained_scheme(self.source.card) is not None
        calibration = open_calibration(self.config, self.source.task, self.stage.note, own_ranges=own)
        task = self.source.task
        mixed = precision == "mixed"
        plan = plan_of(plain, self.source.card, calibration.ranges, task, self.config, precision, fitted=not mixed)
        graph, record = self._chosen(plan, calibration) if mixed else (quantized(plan), plan.record)
        model, card = self._with_ports(graph, self.source.card.with_(precision=precision, calibration=record))
        path = self._path(card)
        with _candidate(path) as candidate:
            write_model(model, card, candidate)
            try:
                parity = check_int8(exact, candidate, calibration.held_out, task, self.config.gate_db)
            except GateError as error:
                if mixed:
                    raise
                found = measure_sensitivity(plan, self.source.card, calibration.held_out, task)
                self.stage.note("sensitivity", label=card.label, file=path.name, limit_db=self.config.gate_db, **found.to_json())
                raise GateError(f"{error}\n{found.table()}") from error
            card = _write_with_loss(candidate, path, parity, calibration)
        loss = {"loss_db": parity.loss_db, "loss_db_by_picture": parity.pictures, "held_out": not calibration.is_shared}
        self._note(card, path, **loss, sizes=parity.sizes)
        return path

    def _chosen(self, plan: Plan, calibration: Calibration) -> tuple[onnx.ModelProto, dict[str, Any]]:
        assert self.choose is not None
        return self.choose(plan, self.source.card, self.source.task, calibration, self.stage)

    def _shaped(self, path: Path) -> list[Path]:
        """The file at `path` for each of the shapes alone."""
        written = []
        for shape in map(parse_shape, self.config.shapes):
            model, card = with_shape(read_model(path), OnnxModel.open(path).card, shape)
            own = self._path(card)
            with _candidate(own) as candidate:
                write_model(model, card, candidate)
                parity = check_shape(candidate, path)
                candidate.replace(own)
            self._note(card, own, max_abs_error=parity.max_abs_error, sizes=parity.sizes)
            written.append(own)
        return written

    def _with_ports(self, model: onnx.ModelProto, card: ModelCard) -> tuple[onnx.ModelProto, ModelCard]:
        return with_uint8_ports(model, card) if self.config.io == UINT8_NHWC else (model, card)

    def _path(self, card: ModelCard) -> Path:
        precision = [] if card.precision == "float" else [card.precision]
        return self.stage.path / ".".join([self.source.stem, *precision, *card.form, "onnx"])

    def _note(self, card: ModelCard, path: Path, *, sizes: Sizes, **figures: Any) -> None:
        self.stage.note(
            "exported",
            label=card.label,
            file=path.name,
            precision=card.precision,
            format=card.calibration.get("format") if card.precision in ("int8", "a16w8", "mixed") else None,
            io=card.io,
            shape=None if card.shape is None else list(card.shape),
            bytes=path.stat().st_size,
            opset=read_model(path).opset_import[0].version,
            sizes=[f"{width}x{height}" for height, width in sizes],
            **figures,
        )
        if self.config.check:
            self.stage.note("checked", file=path.name, **check_model(read_model(path), self.config.nnapi_level).to_json())


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
