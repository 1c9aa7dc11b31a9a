"""A small network trained for a few seconds, and pieces of real photos to prune it on."""

from __future__ import annotations

import pytest

from pixsearch.card import ModelCard
from pixsearch.data.open import Data
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.space.named import named
from pixsearch.tasks.base import Task
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit

from ..qat.conftest import data, task  # noqa: F401


@pytest.fixture(scope="session")
def trained(task: Task, data: Data) -> tuple[Network, ModelCard]:  # noqa: F811
    """plain-m3c12, trained for a few seconds."""
    network = build(named("plain-m3c12", task.signature)[1], task.signature, seed=1)
    config = TrainConfig(steps=400, batch=8, patch=24, precision="float32", threads=1)
    patches = Patches(data.train, task, batch=config.batch, patch=config.patch, seed=0)
    fitted = deploy(fit(network, patches, config)).eval()
    return fitted, make_card(fitted, name="net", stage="trained")
