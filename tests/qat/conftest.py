"""Networks of every kind with weights as after a training, and pieces of real photos to train them on for int8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.pixels.files import read_picture, write_picture
from pixsearch.space.base import read_genotype
from pixsearch.space.named import default_branches, named
from pixsearch.tasks.base import Task, make_task
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit

Make = Callable[..., tuple[Network, ModelCard]]


@pytest.fixture(scope="session")
def make() -> Make:
    """`make("fsrcnn")` or `make({"layers": …}, scale=3, color="rgb")`: a network in its training form, no weight at zero, and its card."""

    def made(what: str | dict[str, Any], *, scale: int = 2, color: str = "y") -> tuple[Network, ModelCard]:
        signature = make_task("sr", scale, color).signature  # type: ignore[arg-type]
        genes = {"space": "mobile", "head": "plain", "skip": "nearest", "tail": 3}
        written = what if isinstance(what, str) or "space" in what else {**genes, **what}
        genotype = named(written, signature)[1] if isinstance(written, str) else read_genotype(written, signature)[1]
        branches = default_branches(what) if isinstance(what, str) else "none"
        network = build(genotype, signature, branches=branches, seed=1).eval()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for value in network.parameters():
                value.add_(torch.randn(value.shape, generator=generator) * 0.02)
        return network, make_card(network, name="net", stage="trained")

    return made


@pytest.fixture(scope="session")
def task() -> Task:
    return make_task("sr", 2, "y")


@pytest.fixture(scope="session")
def data(sample_images: Path, task: Task, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Pieces of different photos: to train on (160×160) and to select by (95×120)."""
    root = tmp_path_factory.mktemp("pieces")
    sides = {"train": (("astronaut", "chelsea", "china", "brushes"), 160, 160), "val": (("coffee", "flower"), 95, 120)}
    for folder, (names, height, width) in sides.items():
        (root / folder).mkdir()
        for name in names:
            picture = read_picture(sample_images / f"{name}.png")
            write_picture(root / folder / f"{name}.png", picture[100 : 100 + height, 100 : 100 + width])
    return open_data(DataConfig(photos=(root / "train",), val=(root / "val",), cache=root / "cache"), task)


@pytest.fixture(scope="session")
def pictures(data: Data) -> PairCache:
    return data.train


@pytest.fixture(scope="session")
def trained(make: Make, task: Task, data: Data) -> tuple[Network, ModelCard]:
    """plain-m2c8, trained for a few seconds."""
    from pixsearch.data.patches import Patches

    network, card = make("plain-m2c8")
    config = TrainConfig(steps=300, batch=8, patch=24, precision="float32", threads=1)
    patches = Patches(data.train, task, batch=config.batch, patch=config.patch, seed=0)
    return deploy(fit(network, patches, config)).eval(), card
