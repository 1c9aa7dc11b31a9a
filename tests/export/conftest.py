"""A network that is briefly trained on the project's photos, so that quantization has something to lose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_pictures
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.space.base import read_genotype
from pixsearch.space.named import named
from pixsearch.tasks.base import Task, make_task

Make = Callable[..., tuple[Network, ModelCard]]


@pytest.fixture(scope="session")
def task() -> Task:
    return make_task("sr", 2, "y")


@pytest.fixture(scope="session")
def make() -> Make:
    """`make("plain-m1c4")` or `make({"layers": …}, scale=3, color="rgb", seed=2)`: a deploy form with random weights, and its card."""

    def made(what: str | dict[str, Any], *, scale: int = 2, color: str = "y", seed: int = 1) -> tuple[Network, ModelCard]:
        signature = make_task("sr", scale, color).signature  # type: ignore[arg-type]
        genes = {"space": "mobile", "head": "plain", "skip": "nearest", "tail": 3}
        written = what if isinstance(what, str) or "space" in what else {**genes, **what}
        genotype = named(written, signature)[1] if isinstance(written, str) else read_genotype(written, signature)[1]
        network = deploy(build(genotype, signature, seed=seed)).eval()
        return network, make_card(network, name="net", stage="trained")

    return made


@pytest.fixture(scope="session")
def pictures(task: Task, sample_images: Path, tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    """Pairs of three photos."""
    paths = [sample_images / f"{name}.png" for name in ("chelsea", "coffee", "rocket")]
    return open_pictures(paths, task, DataConfig(cache=tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def trained(make: Make, task: Task, pictures: PairCache) -> tuple[Network, ModelCard]:
    """plain-m2c8 after 250 steps: half a decibel above bicubic, enough for its ranges to mean something."""
    network, card = make("plain-m2c8")
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    rng = np.random.default_rng(0)
    planes = [(task.encode("input", pair.inputs["input"]), task.encode_truth(pair.truth)) for pair in map(pictures.pair, range(3))]
    for _ in range(250):
        low, high = planes[rng.integers(3)]
        top, left = (int(rng.integers(side - 48)) for side in low.shape[1:])
        inputs = torch.from_numpy(low[None, :, top : top + 48, left : left + 48].copy())
        truth = torch.from_numpy(high[None, :, 2 * top : 2 * top + 96, 2 * left : 2 * left + 96].copy())
        optimizer.zero_grad()
        (network(inputs) - truth).abs().mean().backward()
        optimizer.step()
    return network.eval(), card
