"""A small network trained for a few seconds, and pieces of real photos to prune it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixsearch.card import ModelCard
from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.pixels.files import read_picture, write_picture
from pixsearch.space.named import named
from pixsearch.tasks.base import Task, make_task
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit


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
def trained(task: Task, data: Data) -> tuple[Network, ModelCard]:
    """plain-m3c12, trained for a few seconds."""
    network = build(named("plain-m3c12", task.signature)[1], task.signature, seed=1)
    config = TrainConfig(steps=400, batch=8, patch=24, precision="float32", threads=1)
    patches = Patches(data.train, task, batch=config.batch, patch=config.patch, seed=0)
    fitted = deploy(fit(network, patches, config)).eval()
    return fitted, make_card(fitted, name="net", stage="trained")
