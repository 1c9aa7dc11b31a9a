"""What `pixsearch train` begins with: a member of a run's front, a network by name, or a trained model; and a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixsearch.cli import jobs
from pixsearch.cli.found import check_unchanged, digest, named_model, trained_on
from pixsearch.config import merge, read_yaml, validate
from pixsearch.errors import UsageError
from pixsearch.rundir import read_json

if TYPE_CHECKING:
    from pixsearch.nn.build import Network
    from pixsearch.tasks.base import Task

Settings = dict[str, Any]


@dataclass(frozen=True)
class Beginning:
    """What was named: a `source` (a run that holds a search, or a model file) with a `pick` from the run, or a network `arch`."""

    source: Path | None = None
    pick: str | None = None
    arch: str | None = None
    from_scratch: bool = False


def begin(settings: Settings, beginning: Beginning) -> Settings:
    """`settings` with the architecture and, where there are some, the weights to begin with.

    How it was `chosen` goes into the model, and with it to other machines: names of files, but no paths.
    """
    if (beginning.source is None) == (beginning.arch is None):
        raise UsageError(
            "Name either a run that holds a search (`pixsearch train RUN --pick knee`), a trained model (`pixsearch train MODEL`) "
            "or a network (`--arch NAME`)."
        )
    if beginning.source is not None and beginning.source.is_file():
        return by_model(settings, beginning, beginning.source)
    if beginning.source is not None:
        return by_search(settings, beginning, beginning.source)
    if beginning.pick is not None:
        raise UsageError("`--pick` chooses from a run's front; with `--arch` there is nothing to pick. Leave one of them out.")
    return by_arch(settings, str(beginning.arch))


def by_search(settings: Settings, beginning: Beginning, run: Path) -> Settings:
    """`settings` with a member of a run's front, and with the shared weights of its search unless it starts from scratch."""
    from pixsearch.search.pick import pick_from_run

    member = pick_from_run(run, beginning.pick or "knee")
    begun = read_yaml(run / "search" / "config.resolved.yaml")
    base = {"task": begun["task"], "data": begun["data"], "genotype": member["genotype"], "name": member["id"]}
    weights = run / "search" / "supernet.safetensors"
    if weights.exists() and not beginning.from_scratch:
        base["inherit"] = weights.absolute()
    return merge(base, {**settings, "chosen": f"{beginning.pick or 'knee'} of {run.resolve().name}"})


def by_model(settings: Settings, beginning: Beginning, model: Path) -> Settings:
    """`settings` that go on with a trained model's weights, task and, where no photos are named, photos."""
    from pixsearch.nn.modelfile import load_model

    if beginning.pick is not None or beginning.from_scratch:
        name = "--pick" if beginning.pick is not None else "--from-scratch"
        raise UsageError(
            f"`{model}` is trained on as it is, so `{name}` has nothing to choose. Leave it out, or name a run that holds a search."
        )
    given = sorted({*settings.get("task", {}), *({"branches"} & settings["train"].keys())})
    if given:
        raise UsageError(f"`{model}` is trained on as it is: its {given[0]} is settled. Leave the option out.")
    card = load_model(model)[1]
    task = {"name": card.signature.task, "scale": card.signature.scale, "color": card.signature.color, "settings": card.signature.settings}
    return {
        **trained_on(model, settings),
        "task": task,
        "genotype": card.genotype,
        "name": card.name,
        "chosen": f"{card.label}, trained on",
        "model": model_file(model),
    }


def by_arch(settings: Settings, arch: str) -> Settings:
    """`settings` with a genotype out of a JSON file, or of a hand-made network's name."""
    from pixsearch.space.named import default_branches, named
    from pixsearch.tasks.config import TaskConfig

    task: Task = validate(TaskConfig, settings["task"], "`pixsearch train`").make()
    if arch.endswith(".json"):
        genotype = read_json(Path(arch))
        return {**settings, "genotype": genotype.get("genotype", genotype), "name": Path(arch).stem, "chosen": Path(arch).name}
    genotype = named(arch, task.signature)[1].to_json()
    training = {"branches": default_branches(arch), **settings["train"]}
    return {**settings, "genotype": genotype, "name": arch, "chosen": arch, "train": training}


def taught_by(teacher: Path | None, share: float | None, resume: Path | None) -> Settings:
    """The settings of a teacher, which may be named by the run that trained it; `UsageError` for its share alone."""
    if teacher is None:
        if share is not None and resume is None:
            raise UsageError("`--teacher-share` says how much of the loss a teacher has, but none is named. Add `--teacher MODEL`.")
        return {}
    return {"teacher": model_file(named_model(teacher, 0))}


def require_elsewhere(model: Path, run: Path) -> None:
    """`UsageError` when a trained model would be set aside by its own further training."""
    if model.parent == (run / "train").absolute():
        raise UsageError(f"`{run}` holds the model that is to be trained on. Name another run for the result: `--out RUN`.")


def model_file(model: Path) -> dict[str, Any]:
    """How a stage's settings hold a model that it takes."""
    return {"path": model.absolute(), "digest": digest(model)}


def first_weights(job: jobs.TrainJob, task: Task) -> tuple[Network, dict[str, Any]]:
    """The network a training begins with, and what its card is to say of where the weights come from."""
    from pixsearch.nn.build import build
    from pixsearch.nn.supernetfile import inherited
    from pixsearch.space.base import read_genotype

    if job.model is not None:
        network, training = opened(job.model)
        return network, {"made_from": training}
    _, genotype = read_genotype(job.genotype, task.signature)
    if job.inherit is not None:
        network, version = inherited(job.inherit, genotype, job.train.branches)
        return network, {"inherited": version}
    return build(genotype, task.signature, branches=job.train.branches, seed=job.train.seed), {}


def opened(file: jobs.ModelFile) -> tuple[Network, dict[str, Any]]:
    """The network of a model that a training takes, and how it was trained; `DataError` when the file has changed."""
    from pixsearch.nn.modelfile import load_model

    check_unchanged(file.path, file.digest, "training")
    network, card = load_model(file.path)
    return network, {"stage": card.stage, "training": card.training}
