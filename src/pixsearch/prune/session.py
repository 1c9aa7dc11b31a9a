"""The pruning stage: choose channels, remove them, score before and after, fine-tune what is left, all recorded in RUN/prune."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pixsearch.card import ModelCard
from pixsearch.data.open import Data
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, deploy
from pixsearch.prune.anatomy import anatomy_of
from pixsearch.prune.candidates import SlicedWeights
from pixsearch.prune.channels import importance
from pixsearch.prune.config import EVALUATIONS, TIME_SHARE, PruneConfig
from pixsearch.prune.evolution import Evolution
from pixsearch.prune.members import Cuts
from pixsearch.prune.parts import Part
from pixsearch.prune.ranking import Ranking
from pixsearch.prune.shares import by_magnitude, by_scores, uniform
from pixsearch.prune.slicing import slice_network
from pixsearch.registry import EXECUTORS, SPACES
from pixsearch.rundir import Stage, last_event, write_atomic
from pixsearch.search.bounds import fits_bounds
from pixsearch.search.engine import Budget
from pixsearch.search.evaluators.standalone import quality_figures
from pixsearch.search.latency import require_targets
from pixsearch.search.windows import Selection
from pixsearch.signature import Signature
from pixsearch.space.base import Space
from pixsearch.tasks.base import Task
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import taken
from pixsearch.train.session import MODEL, require_same_photos, train_stage
from pixsearch.train.validate import score_baseline, validate

PATCHES = 32
"""Patches that the importance of channels is taken over, and weights are fitted on."""

WHOLE_PICTURES = 10**9  # as the side of the window that is scored


@dataclass(frozen=True)
class _Pruning:
    """What the steps of one pruning share; `whole` is the network in its deploy form."""

    whole: Network
    space: Space[Any]
    data: Data
    task: Task
    config: PruneConfig
    training: TrainConfig
    stage: Stage


def prune_stage(
    network: Network, card: ModelCard, data: Data, task: Task, config: PruneConfig, training: TrainConfig, stage: Stage
) -> Path:
    """Prune `network` to each share of its multiply-adds, fine-tune it by its own answers and write RUN/prune/model.safetensors.

    The event `pruned` holds `before` and `after` the cut, each with costs, description and scores on `data.val`; the
    score after fine-tuning is that of `done`. What is removed follows from the weights and the seed (an evolution's budget of time: from
    the record), so a resumed stage removes the same. Several shares give RUN/prune/keep-SHARE.safetensors each, the first of them is
    model.safetensors too; their events carry `keep_macs`, each ends with `tuned`, and `done` is that of the first. Raises
    `InfeasibleError` when too little would be left, and what `train_stage` raises.
    """
    whole = deploy(network)
    require_same_photos(stage, data)
    pruning = _Pruning(whole, SPACES.load(whole.genotype.space)(whole.signature), data, task, config, training, stage)
    cut = _evolved(pruning) if config.strategy == "evolution" else _planned(pruning)
    before = described(whole, data, task)
    record = {"pruned_from": {"genotype": card.genotype, "macs_720p": card.macs_720p, "training": card.training}}
    if len(cut) == 1:
        ((share, sliced),) = cut.items()
        stage.note("pruned", keep_macs=share, strategy=config.strategy, before=before, after=described(sliced, data, task))
        return train_stage(sliced, data, task, tuning(pruning, 1), stage, card.name, record, done_as="pruned", teacher=whole)
    parts = [Part(stage, share, tuning(pruning, len(cut))) for share in cut]
    for part in parts:
        if part.tuned is None:
            sliced = cut[part.share]
            part.note("pruned", strategy=config.strategy, before=before, after=described(sliced, data, task))
            name = f"{card.name}-keep{part.share:g}"
            train_stage(sliced, data, task, part.training, part, name, record, done_as="pruned", teacher=whole)
            part.keep_model()
    return _finish(parts)


def _finish(parts: list[Part]) -> Path:
    """The first model under the name of a single one; `done` says how the first did, and where all are."""
    first, stage = parts[0], parts[0].whole
    write_atomic(stage.path / MODEL, first.model.read_bytes())
    ended = {key: value for key, value in (first.tuned or {}).items() if key not in ("kind", "time", "goal")}
    stage.note("done", **{**ended, "model": MODEL, "models": [part.model.name for part in parts]})
    return stage.path / MODEL


def tuning(pruning: _Pruning, models: int) -> TrainConfig:
    """The fine-tuning of one of so many models: an even share of the steps, or of the time that choosing has left."""
    training, chosen = pruning.training, pruning.config.strategy == "evolution" and pruning.config.evaluations is None
    if training.steps is not None:
        return training.model_copy(update={"steps": max(1, training.steps // models)})
    assert training.budget_s is not None
    return training.model_copy(update={"budget_s": training.budget_s * (1 - TIME_SHARE * chosen) / models})


def _planned(pruning: _Pruning) -> dict[float, Network]:
    """The networks that importance or magnitude leave, by share."""
    whole, space = pruning.whole, pruning.space
    if pruning.config.strategy == "uniform":
        ranking = by_magnitude(whole)
        counts = {share: uniform(whole, space, share) for share in pruning.config.shares}
    else:
        ranking = by_importance(whole, pruning.data, pruning.task, pruning.training)
        counts = {share: by_scores(ranking, space, share) for share in pruning.config.shares}
    return {share: slice_network(whole, ranking.kept(found)) for share, found in counts.items()}


def by_importance(whole: Network, data: Data, task: Task, training: TrainConfig) -> Ranking:
    """The ranking of the channels of a network in its deploy form."""
    scores = importance(whole, probes(data, task, training, whole.signature), seed=training.seed)
    return Ranking(anatomy_of(whole.genotype, whole.signature), scores)


def _evolved(pruning: _Pruning) -> dict[float, Network]:
    """The networks that an evolution picks, by share, with the weights it judged them by; what was picked once stays."""
    config, training, task, stage = pruning.config, pruning.training, pruning.task, pruning.stage
    objectives = config.parsed_objectives()
    require_targets(objectives)
    judge = make_judge(pruning.whole, pruning.data, task, config, training)
    picked = last_event(stage.run, stage.name, "picked")
    if picked is None:
        baseline = quality_figures(score_baseline(judge.val.as_cache(), task))
        evolution = Evolution(judge.cuts, objectives, judge, baseline, stage, training.seed, config.population)
        with closing(EXECUTORS.load(config.executor)(config.crew_of(training.threads))) as executor:
            found = evolution.run(budget(config, training), executor)
        picked = {"shares": list(found), "genes": [one.genotype.genes() for one in found.values()]}
        stage.note("picked", **picked)
    genes = dict(zip(picked["shares"], picked["genes"], strict=True))
    return {share: judge.cut(pruning.space.parse(genes[share])) for share in config.shares}


def make_judge(whole: Network, data: Data, task: Task, config: PruneConfig, training: TrainConfig) -> SlicedWeights:
    """What judges the networks that `whole` (in its deploy form) can be cut down to; they are its `cuts`."""
    objectives, space = config.parsed_objectives(), SPACES.load(whole.genotype.space)(whole.signature)
    ranking = by_importance(whole, data, task, training)
    slim = any(o.is_cost and o.name != "macs_720p" for o in objectives)
    cuts = Cuts(whole, space, ranking, config.shares, fits_bounds(space, objectives), slim=slim)
    val = Selection(data.val, task, pictures=config.val_pictures, window=WHOLE_PICTURES)
    settings = training.model_copy(update={"threads": config.threads_of(training.threads)})
    return SlicedWeights(cuts, probes(data, task, training, whole.signature), objectives, task, val, settings)


def budget(config: PruneConfig, training: TrainConfig) -> Budget:
    """How long to evolve: so many candidates, or a part of the training's time."""
    if config.evaluations is None and training.budget_s is not None:
        return Budget(seconds=TIME_SHARE * training.budget_s)
    return Budget(evaluations=config.evaluations or EVALUATIONS)


def probes(data: Data, task: Task, training: TrainConfig, signature: Signature) -> list[Tensor]:
    """Input planes of a few training patches, in the ports' order."""
    batch = Patches(data.train, task, batch=PATCHES, patch=training.patch, seed=training.seed).draw(0)
    return taken(batch, signature)[0]


def described(network: Network, data: Data, task: Task) -> dict[str, Any]:
    """Costs, description and scores of a network, as the record holds them."""
    space, figures = SPACES.load(network.genotype.space)(network.signature), validate(network, data.val, task)
    return {
        "macs_720p": space.macs_720p(network.genotype),
        "params": space.params(network.genotype),
        "description": space.describe(network.genotype),
        "psnr_db": figures["psnr_db"],
        "ssim": figures["ssim"],
    }
