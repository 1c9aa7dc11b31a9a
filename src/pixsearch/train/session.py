"""The training stage: one network trained on a run's photos, recorded, and written as a model file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pixsearch.data.cache import PairCache
from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.data.progress import Note, silent
from pixsearch.errors import DataError, MachineError
from pixsearch.events import read_events
from pixsearch.nn.build import Network, deploy
from pixsearch.nn.modelfile import make_card, save_model
from pixsearch.registry import SPACES
from pixsearch.rundir import Stage, command_of
from pixsearch.tasks.base import Task, task_for
from pixsearch.train.adversary import Adversary, adversary_of, policies_of
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.lesson import wider
from pixsearch.train.loop import fit
from pixsearch.train.ranks import ALONE, Ranks
from pixsearch.train.validate import Figures, score_baseline, validate

MODEL = "model.safetensors"

Finish = Callable[[Network], tuple[Network, dict[str, Any]]]


def in_deploy_form(average: Network) -> tuple[Network, dict[str, Any]]:
    """The network with its branches merged; nothing is said of a quantization."""
    return deploy(average), {}


def train_stage(
    network: Network,
    data: Data,
    task: Task,
    config: TrainConfig,
    stage: Stage,
    name: str,
    record: dict[str, Any] | None = None,
    *,
    done_as: str = "trained",
    ranks: Ranks = ALONE,
    finish: Finish = in_deploy_form,
    teacher: Network | None = None,
) -> Path:
    """Train `network`, score its averaged weights on `data.val` and write RUN/STAGE/model.safetensors in the deploy form.

    Goes on from the newest checkpoint in the stage's folder. `name` is what tables call the model, `record` is laid into the
    card's training record, `done_as` is the card's stage; `finish` makes the network to be written, and the card's `calibration`, of the
    averaged one; a `teacher` is what it learns from beside the truth (see `Lesson`). Events: `start`, those of `fit` with
    `baseline_psnr_db` in each `validation`, a last `validation` and `done`. The first of several `ranks` calls this, the others
    `take_part`. Raises what `fit` raises, `DataError` when it is resumed with other photos, and `MachineError` when memory runs out.
    """
    require_same_photos(stage, data)
    ranks.first(lambda: data.summary["contents"])
    taught = {} if teacher is None else {"teacher": teacher_record(teacher)}
    stage.note("start", **description(network, config, name, ranks), **taught)
    baseline = score_baseline(data.val, task)
    against = {f"baseline_{key}": baseline[key] for key in ("psnr_db", "ssim")}
    adversary = adversary_of(config, task_for(network.signature), data.train, ranks)
    patches = batches(data, network, teacher, config, ranks, adversary, stage.note)
    checkpoints = Checkpoints(stage.path / "checkpoints", f"Go on with `pixsearch {command_of(stage.name)} --resume {stage.run}`.")

    def look(average: Network, _step: int) -> Figures:
        return {**validate(average, data.val, task), **against}

    with able_machine(config):
        average = fit(
            network,
            patches,
            config,
            validate=look,
            checkpoints=checkpoints,
            note=stage.note,
            ranks=ranks,
            teacher=teacher,
            adversary=adversary,
        )
        figures = look(average, -1)
    ended = _ended(checkpoints)
    stage.note("validation", progress=1.0, **ended, **figures)
    scores = {**{key: figures[key] for key in ("psnr_db", "ssim")}, **against}
    training = {
        **(record or {}),
        **taught,
        **training_record(config, data, ranks),
        **ended,
        "scores": {**scores, "convention": task.convention},
    }
    deployed, calibration = finish(average)
    card = make_card(deployed, name=name, stage=done_as, training=training).with_(calibration=calibration)
    save_model(stage.path / MODEL, deployed, card)
    stage.note("done", **ended, **scores, model=MODEL)
    return stage.path / MODEL


def require_same_photos(stage: Stage, data: Data) -> None:
    """Raise `DataError` when the record of a resumed `stage` was begun with other photos than `data`."""
    begun: dict[str, Any] = {}
    for event in read_events(stage.path / "events.jsonl"):
        if event["kind"] == "photos":
            begun.setdefault(event["role"], event)
    for side, summary in (("train on", data.summary), ("select by", data.val_summary)):
        before = begun.get(summary["role"], summary)
        if before["contents"] != summary["contents"]:
            raise DataError(
                f"The photos to {side} have changed since this training was begun: there were {before['used']} then and there are "
                f"{summary['used']} now. Put them back as they were, or begin anew with `--again`."
            )


def take_part(network: Network, photos: DataConfig, task: Task, config: TrainConfig, ranks: Ranks, teacher: Network | None = None) -> None:
    """What all ranks but the first do: learn from their shares of the batches, and write nothing.

    They open the `photos` after the first, out of the cache where they share it. `DataError` when this machine holds others.
    """
    contents = ranks.first(str)
    data = open_data(photos, task)
    if data.summary["contents"] != contents:
        raise DataError(f"The photos of process {ranks.rank} are not those of process 0. Give all machines the same folders.")
    adversary = adversary_of(config, task_for(network.signature), data.train, ranks)
    with able_machine(config):
        patches = batches(data, network, teacher, config, ranks, adversary)
        fit(network, patches, config, validate=lambda *_: None, ranks=ranks, teacher=teacher, adversary=adversary)


def batches(
    data: Data,
    network: Network,
    teacher: Network | None,
    config: TrainConfig,
    ranks: Ranks,
    adversary: Adversary | None = None,
    note: Note = silent,
) -> Patches:
    """The batches of this rank: together the ranks see those of one process with as many times `config.batch`."""
    task = task_for(wider(network.signature, teacher))
    return Patches(
        data.train,
        task,
        batch=config.batch,
        patch=config.patch,
        seed=config.seed,
        share=(ranks.rank, ranks.size),
        turns=config.augment != "none",
        policies=policies_of(config, task, data.train, adversary),
        note=note,
    )


def description(network: Network, config: TrainConfig, name: str, ranks: Ranks = ALONE) -> dict[str, Any]:
    """The fields of the event `start`: what is trained, how long, how far (`fidelity`) and on what (`compute`)."""
    space, genotype = SPACES.load(network.genotype.space)(network.signature), network.genotype
    return {
        "name": name,
        "description": space.describe(genotype),
        "genotype": genotype.to_json(),
        "params": space.params(genotype),
        "macs_720p": space.macs_720p(genotype),
        "steps": config.steps,
        "budget_s": config.budget_s,
        "fidelity": {"batch": config.batch * ranks.size, "patch": config.patch, "branches": network.branches},
        "compute": computed_on(config, ranks),
    }


def teacher_record(teacher: Network) -> dict[str, Any]:
    """What events and cards say of a teacher."""
    space = SPACES.load(teacher.genotype.space)(teacher.signature)
    return {"genotype": teacher.genotype.to_json(), "macs_720p": space.macs_720p(teacher.genotype)}


def computed_on(config: TrainConfig, ranks: Ranks) -> dict[str, Any]:
    """The device, precision and threads of the first process, and how many there were where there were several."""
    compute = choose(config, ranks)
    several = {"processes": ranks.size} if ranks.size > 1 else {}
    return {"device": compute.device.type, "precision": compute.precision, "threads": compute.threads, **several}


def training_record(config: TrainConfig, data: Data, ranks: Ranks = ALONE) -> dict[str, Any]:
    """How weights came to be, for a model's card: all settings, and the photos by number and by a hash of their contents."""
    return {
        "settings": config.to_json(),
        "compute": computed_on(config, ranks),
        "train": _photos(data.train),
        "val": _photos(data.val),
    }


def _photos(cache: PairCache) -> dict[str, Any]:
    keys = "\n".join(sorted(photo.key for photo in cache.photos))
    digest = hashlib.blake2b(keys.encode(), digest_size=16).hexdigest()
    return {"photos": len(cache), "pixels": cache.pixels, "digest": digest}


def _ended(checkpoints: Checkpoints) -> dict[str, Any]:
    """Where the training ended, out of its last checkpoint."""
    packed = checkpoints.latest()
    assert packed is not None, "fit saves when it ends"
    progress = packed.values["progress"]
    return {"step": progress["step"], "elapsed_s": round(progress["elapsed_s"], 2)}


@contextmanager
def able_machine(config: TrainConfig) -> Iterator[None]:
    """Within it running out of memory, or lacking what torch compiles with, is a `MachineError` that says what to change."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise MachineError(
                f"There is not enough memory to train on batches of {config.batch} patches of {config.patch}×{config.patch}. "
                "Lower `--batch` or `--patch`, or end other programs."
            ) from error
        if config.compile and type(error).__module__.startswith("torch._"):
            reason = str(error).strip().partition("\n")[0]
            raise MachineError(
                f"torch could not compile the network ({reason}). Leave `--compile` out, or install a C++ compiler."
            ) from error
        raise
