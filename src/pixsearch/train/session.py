"""The training stage: one network trained on a run's photos, recorded, and written as a model file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pixsearch.data.cache import PairCache
from pixsearch.data.open import Data
from pixsearch.data.patches import Patches
from pixsearch.errors import MachineError
from pixsearch.nn.build import Network, deploy
from pixsearch.nn.modelfile import make_card, save_model
from pixsearch.registry import SPACES
from pixsearch.rundir import Stage, command_of
from pixsearch.tasks.base import Task
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
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
    finish: Finish = in_deploy_form,
) -> Path:
    """Train `network`, score its averaged weights on `data.val` and write RUN/STAGE/model.safetensors in the deploy form.

    Goes on from the newest checkpoint in the stage's folder. `name` is what tables call the model, `record` is laid into the
    card's training record, `done_as` is the card's stage. `finish` makes the network to be written, and the card's
    `calibration`, of the averaged one. Events: `start`, those of `fit` with `baseline_psnr_db` in each `validation`,
    a last `validation` and `done`. Raises what `fit` raises, and `MachineError` when memory runs out.
    """
    stage.note("start", **description(network, config, name))
    baseline = score_baseline(data.val, task)
    against = {f"baseline_{key}": baseline[key] for key in ("psnr_db", "ssim")}
    patches = Patches(data.train, task, batch=config.batch, patch=config.patch, seed=config.seed, note=stage.note)
    checkpoints = Checkpoints(stage.path / "checkpoints", f"Go on with `pixsearch {command_of(stage.name)} --resume {stage.run}`.")

    def look(average: Network, _step: int) -> Figures:
        return {**validate(average, data.val, task), **against}

    with able_machine(config):
        average = fit(network, patches, config, validate=look, checkpoints=checkpoints, note=stage.note)
        figures = look(average, -1)
    ended = _ended(checkpoints)
    stage.note("validation", progress=1.0, **ended, **figures)
    scores = {**{key: figures[key] for key in ("psnr_db", "ssim")}, **against}
    training = {**(record or {}), **training_record(config, data), **ended, "scores": {**scores, "convention": task.convention}}
    deployed, calibration = finish(average)
    card = make_card(deployed, name=name, stage=done_as, training=training).with_(calibration=calibration)
    save_model(stage.path / MODEL, deployed, card)
    stage.note("done", **ended, **scores, model=MODEL)
    return stage.path / MODEL


def description(network: Network, config: TrainConfig, name: str) -> dict[str, Any]:
    """The fields of the event `start`: what is trained, how long, how far (`fidelity`) and on what (`compute`)."""
    space, genotype, compute = SPACES.load(network.genotype.space)(network.signature), network.genotype, choose(config)
    return {
        "name": name,
        "description": space.describe(genotype),
        "genotype": genotype.to_json(),
        "params": space.params(genotype),
        "macs_720p": space.macs_720p(genotype),
        "steps": config.steps,
        "budget_s": config.budget_s,
        "fidelity": {"batch": config.batch, "patch": config.patch, "branches": network.branches},
        "compute": {"device": str(compute.device), "precision": compute.precision, "threads": compute.threads},
    }


def training_record(config: TrainConfig, data: Data) -> dict[str, Any]:
    """How weights came to be, for a model's card: all settings, and the photos by number and by a hash of their contents."""
    compute = choose(config)
    return {
        "settings": config.to_json(),
        "compute": {"device": compute.device.type, "precision": compute.precision, "threads": compute.threads},
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
            raise MachineError(
                f"torch could not compile the network ({error}). Leave `--compile` out, or install a C++ compiler."
            ) from error
        raise
