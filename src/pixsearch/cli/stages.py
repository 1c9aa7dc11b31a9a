"""One function a stage: settle its settings, open its record, call its room and hand on what it recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pixsearch.cli import jobs
from pixsearch.cli.found import check_unchanged, digest, find_exports, find_models, named_model, run_of, trained_on
from pixsearch.cli.output import Output
from pixsearch.cli.training import Beginning, begin, first_weights, opened, require_elsewhere
from pixsearch.config import Config, merge, validate
from pixsearch.errors import UsageError
from pixsearch.events import Listener
from pixsearch.report.live import LiveView
from pixsearch.report.tensorboard import TensorBoard
from pixsearch.rundir import Stage, command_of, finished, last_event, recorded_config
from pixsearch.train.ranks import joined

J = TypeVar("J", bound=Config)
Settings = dict[str, Any]

DEFAULT_TRAINING = "10m"
DEFAULT_SEARCH = "10m"
NOTHING = Beginning()


@dataclass(frozen=True)
class Launch:
    """Where a stage writes and how it begins: anew, over an older record, or where that one stopped."""

    run: Path | None
    output: Output
    resume: bool = False
    again: bool = False

    def settle(self, model: type[J], name: str, settings: Settings) -> J:
        """The stage's checked settings: the recorded ones with changes when it resumes."""
        if self.resume:
            return recorded_config(model, self.folder, name, settings)
        return validate(model, settings, f"`pixsearch {command_of(name)}`")

    @contextmanager
    def open(self, name: str, job: Config, *, tensorboard: bool = False) -> Iterator[Stage]:
        """The stage's record, open for writing, with its progress drawn."""
        with ExitStack() as stack:
            listeners: list[Listener] = [stack.enter_context(LiveView(title=name))]
            if tensorboard:
                listeners.append(stack.enter_context(TensorBoard(self.folder / name / "tensorboard")))
            yield stack.enter_context(Stage(self.folder, name, job, resume=self.resume, again=self.again, listeners=listeners))

    @property
    def folder(self) -> Path:
        """The run's folder; `UsageError` when none was named."""
        if self.run is None:
            raise UsageError("No run was named. Add `--out RUN`.")
        return self.run

    def within(self, run: Path) -> Launch:
        """The same launch in `run`, unless a folder was named already."""
        return self if self.run is not None else Launch(run, self.output, self.resume, self.again)


def default_run(photos: list[Path] | None, pairs: tuple[Path, Path] | None) -> Path:
    """`runs/NAME`, after the first folder of photos."""
    sources = photos or (list(pairs) if pairs else [])
    if not sources:
        raise UsageError("No photos were named. Give a folder: `pixsearch search photos/`, or `--pairs INPUTS TRUTHS`.")
    return Path("runs") / (sources[0].resolve().stem or "photos")


def search_stage(settings: Settings, launch: Launch, *, dry_run: bool = False) -> None:
    """Search and record the front in RUN/search."""
    if not launch.resume:
        settings = with_default(settings, "search", ("evaluations", "budget_s"), {"budget_s": DEFAULT_SEARCH})
    job = launch.settle(jobs.SearchJob, "search", settings)
    if dry_run:
        show_plan(job, launch.output)
        return
    from pixsearch.data.open import open_data
    from pixsearch.search.session import search_stage as search

    task = job.task.make()
    with launch.open("search", job) as stage:
        front = search(open_data(job.data, task, stage.note), task, job.search, stage)
    launch.output.add_stage(launch.folder, "search", {"run": str(launch.folder), **front})


def show_plan(job: jobs.SearchJob, output: Output, settings: Settings | None = None) -> None:
    """What a search would do: its settings (or a whole recipe's), its space and an estimate of its time."""
    from pixsearch.cli.shown import plan_table
    from pixsearch.search.plan import plan

    result = {"settings": settings or job.to_json(), **plan(job.task.make(), job.search)}
    output.add("search", result, plan_table(result))


def train_stage(settings: Settings, launch: Launch, beginning: Beginning = NOTHING, *, tensorboard: bool = False) -> None:
    """Train one network and record it in RUN/train; under torchrun the first process does so and the others take part."""
    with joined() as ranks:
        job = ranks.first(lambda: training_job(settings, launch, beginning))
        from pixsearch.data.open import open_data
        from pixsearch.train import session
        from pixsearch.train.lesson import wider

        task = job.task.make()
        network, origin = first_weights(job, task)
        teacher = None if job.teacher is None else opened(job.teacher)[0]
        wider(network.signature, teacher)  # before an earlier record is set aside
        if not ranks.is_first:
            session.take_part(network, job.data, task, job.train, ranks, teacher)
            return
        with launch.open("train", job, tensorboard=tensorboard) as stage, ranks.together():
            data = open_data(job.data, task, stage.note)
            record = {"chosen": job.chosen, **origin}
            session.train_stage(network, data, task, job.train, stage, name=job.name, record=record, ranks=ranks, teacher=teacher)
    launch.output.add_stage(launch.folder, "train", ended(launch.folder, "train"))


def training_job(settings: Settings, launch: Launch, beginning: Beginning) -> jobs.TrainJob:
    """What `pixsearch train` is to do, out of its options and, when it resumes, its record."""
    if not launch.resume:
        settings = begin(with_default(settings, "train", ("steps", "budget_s"), {"budget_s": DEFAULT_TRAINING}), beginning)
    job = launch.settle(jobs.TrainJob, "train", settings)
    if job.model is not None:
        require_elsewhere(job.model.path, launch.folder)
    return job


def prune_stage(settings: Settings, launch: Launch, model: Path | None) -> None:
    """Prune a trained model and record the result in RUN/prune."""
    if not launch.resume:
        model = named_model(model, 0)
        launch = launch.within(run_of(model))
        settings = with_default(settings, "train", ("steps", "budget_s"), {"budget_s": DEFAULT_TRAINING})
        settings = {**trained_on(model, settings), "model": model, "digest": digest(model)}
    job = launch.settle(jobs.PruneJob, "prune", settings)
    check_unchanged(job.model, job.digest, "pruning")
    from pixsearch.data.open import open_data
    from pixsearch.nn.modelfile import load_model
    from pixsearch.prune.session import prune_stage as prune
    from pixsearch.tasks.base import task_for

    network, card = load_model(job.model)
    task = task_for(card.signature)
    with launch.open("prune", job) as stage:
        prune(network, card, open_data(job.data, task, stage.note), task, job.prune, job.train, stage)
    launch.output.add_stage(launch.folder, "prune", ended(launch.folder, "prune"))


def qat_stage(settings: Settings, launch: Launch, model: Path | None) -> None:
    """Train a trained model on for int8 and record the result in RUN/qat."""
    from pixsearch.qat.config import STEPS, TRAINING

    if not launch.resume:
        model = named_model(model, -1)
        launch = launch.within(run_of(model))
        settings = with_default(merge({"train": TRAINING}, settings), "train", ("steps", "budget_s"), {"steps": STEPS})
        settings = {**trained_on(model, settings), "model": model, "digest": digest(model)}
    job = launch.settle(jobs.QatJob, "qat", settings)
    check_unchanged(job.model, job.digest, "training")
    from pixsearch.data.open import open_data
    from pixsearch.export.scheme import choose_scheme
    from pixsearch.nn.modelfile import load_model
    from pixsearch.qat.session import qat_stage as qat
    from pixsearch.tasks.base import task_for

    network, card = load_model(job.model)
    choose_scheme(card, job.qat.scheme)  # before an earlier record is set aside
    task = task_for(card.signature)
    with launch.open("qat", job) as stage:
        qat(network, card, open_data(job.data, task, stage.note), task, job.qat, job.train, stage)
    launch.output.add_stage(launch.folder, "qat", ended(launch.folder, "qat"))


def is_for_int8(scheme: str | None, resume: Path | None, others: dict[str, object]) -> bool:
    """Whether `pixsearch train` is to train a model on for int8: asked for by `--qat`, or what the run to resume was stopped in.

    `UsageError` for `others`, options that choose what a model has already.
    """
    if scheme is None:
        return resume is not None and next((name for name in ("train", "qat") if is_unfinished(resume, name)), "train") == "qat"
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise UsageError(f"`--qat` trains a model on as it is, so `{given[0]}` has nothing to choose. Leave it out.")
    return True


def is_unfinished(run: Path, name: str) -> bool:
    """Whether a stage was begun and did not come to its end."""
    return (run / name / "events.jsonl").exists() and not finished(run, name)


def check_files(files: list[Path], level: int | None, *, asked: bool, output: Output) -> None:
    """Say of ONNX files, node by node, which provider of a phone takes them; nothing is written."""
    from pixsearch.export.onnx import read_model
    from pixsearch.export.providers.check import check_model
    from pixsearch.export.providers.rules import LEVEL
    from pixsearch.report.console import check_table, open_console
    from pixsearch.report.exported import checked

    if not asked:
        raise UsageError(f"`{files[0]}` is an ONNX file already. Add `--check` to see which provider of a phone takes it.")
    found = [{"file": str(file), **check_model(read_model(file), level or LEVEL).to_json()} for file in files]
    output.add("check", {"files": found}, *(check_table(checked(one), open_console().width) for one in found))


def export_stage(settings: Settings, launch: Launch, models: list[Path] | None) -> None:
    """Write models as ONNX into RUN/export."""
    if launch.resume:
        job = launch.settle(jobs.ExportJob, "export", settings)
    else:
        launch, job = _export_job(settings, launch, models)
    from pixsearch.bits.config import BitsConfig
    from pixsearch.bits.session import Chooser
    from pixsearch.export.session import export_stage as export

    choose = Chooser.of(job.bits or BitsConfig()) if job.export.mixed else None
    with launch.open("export", job) as stage:
        files = export(list(job.models), job.export, stage, choose)
    result = {"run": str(launch.folder), "files": [str(file) for file in files]}
    launch.output.add_stage(launch.folder, "export", result)


def _export_job(settings: Settings, launch: Launch, models: list[Path] | None) -> tuple[Launch, jobs.ExportJob]:
    found = find_models(models or [])
    launch = launch.within(run_of(found[0]))
    asked = settings["export"]
    if (asked.get("int8") or asked.get("a16w8") or asked.get("mixed") or asked.get("dynamic") == "static") and not asked.get("calibrate"):
        photos = trained_on(found[-1], {"data": {}})["data"].get("photos")
        settings = merge(settings, {"export": {"calibrate": photos}})
    return launch, launch.settle(jobs.ExportJob, "export", {**settings, "models": found})


def bench_stage(settings: Settings, launch: Launch, models: list[Path] | None) -> None:
    """Measure exported models and record the table in RUN/bench."""
    found = find_exports(models or ([launch.folder] if launch.resume else []))
    launch = launch.within(run_of(found[0]))
    job = launch.settle(jobs.BenchJob, "bench", {**settings, "models": found})
    from pixsearch.bench.session import bench_stage as bench
    from pixsearch.bench.tables import rows_csv

    with launch.open("bench", job) as stage:
        record = bench(list(job.models), job.bench, stage)
    launch.output.add_stage(launch.folder, "bench", {"run": str(launch.folder), **record})
    launch.output.csv(rows_csv(record))


def report_stage(run: Path, output: Output) -> None:
    """Write RUN/report.html."""
    from pixsearch.report.html import write_report

    path = write_report(run)
    output.add("report", {"run": str(run), "report": str(path)}, f"report: {path}")


def ended(run: Path, name: str) -> dict[str, Any]:
    """What a training's record says at its end, with the model file's path."""
    return {"run": str(run), **(last_event(run, name, "done") or {}), "model": str(run / name / "model.safetensors")}


def with_default(settings: Settings, section: str, names: tuple[str, ...], default: Settings) -> Settings:
    """`settings` with `default` in `section` when none of `names` is given there."""
    given = settings.get(section, {})
    return settings if any(name in given for name in names) else {**settings, section: {**given, **default}}
