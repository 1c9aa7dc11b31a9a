"""The pruning stage: score, remove channels, score again, fine-tune what is left, all recorded in RUN/prune."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from pixsearch.card import ModelCard
from pixsearch.data.open import Data
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, deploy
from pixsearch.prune.channels import plan, slice_network
from pixsearch.prune.config import PruneConfig
from pixsearch.registry import SPACES
from pixsearch.rundir import Stage
from pixsearch.signature import Signature
from pixsearch.tasks.base import Task
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import taken
from pixsearch.train.session import train_stage
from pixsearch.train.validate import validate

PATCHES = 32
"""Patches that the importance of channels is taken over."""


def prune_stage(
    network: Network, card: ModelCard, data: Data, task: Task, config: PruneConfig, training: TrainConfig, stage: Stage
) -> Path:
    """Prune `network` to a share of its multiply-adds, fine-tune it and write RUN/prune/model.safetensors.

    The event `pruned` holds `before` and `after` the cut, each with costs, description and scores on `data.val`; the
    score after fine-tuning is that of `done`. What is removed follows from the weights and the seed, so a resumed
    stage removes the same. Raises `UsageError` for networks that cannot be pruned, `InfeasibleError` when too
    little would be left, and what `train_stage` raises.
    """
    whole = deploy(network)
    space = SPACES.load(whole.genotype.space)(whole.signature)
    chosen = plan(whole, space, config.keep_macs, probes(data, task, training, whole.signature), seed=training.seed)
    sliced = slice_network(whole, chosen.kept)
    before, after = described(whole, data, task), described(sliced, data, task)
    stage.note("pruned", keep_macs=config.keep_macs, before=before, after=after)
    record = {"pruned_from": {"genotype": card.genotype, "macs_720p": card.macs_720p, "training": card.training}}
    return train_stage(sliced, data, task, training, stage, card.name, record, done_as="pruned")


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
