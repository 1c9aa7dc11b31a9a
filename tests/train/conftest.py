"""Small pieces of real photos, opened as the tool opens them, and networks that train in a moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, build
from pixsearch.pixels.files import read_picture, write_picture
from pixsearch.space.named import named
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.config import TrainConfig

TRAIN = ("aitzgorri", "astronaut", "brushes", "chelsea", "china")
VAL = ("coffee", "flower")


class Notes(list[dict[str, Any]]):
    """A `note` that keeps what it is told, as the JSON it would become."""

    def __call__(self, kind: str, **fields: Any) -> None:
        self.append(json.loads(json.dumps({"kind": kind, **fields}, allow_nan=False)))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self if event["kind"] == kind]


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="session")
def task() -> SuperResolution:
    return SuperResolution(2, "y")


@pytest.fixture(scope="session")
def pieces(sample_images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders of pieces of different photos: to train on (160×160), and to select by (95×120, an odd height)."""
    root = tmp_path_factory.mktemp("pieces")
    for folder, names, height, width in (("train", TRAIN, 160, 160), ("val", VAL, 95, 120)):
        (root / folder).mkdir()
        for name in names:
            picture = read_picture(sample_images / f"{name}.png")
            write_picture(root / folder / f"{name}.png", picture[100 : 100 + height, 100 : 100 + width])
    return root / "train", root / "val"


@pytest.fixture(scope="session")
def data(pieces: tuple[Path, Path], task: SuperResolution, tmp_path_factory: pytest.TempPathFactory) -> Data:
    config = DataConfig(photos=pieces[:1], val=pieces[1:], cache=tmp_path_factory.mktemp("cache"))
    return open_data(config, task)


@pytest.fixture
def patches(data: Data, task: SuperResolution) -> Patches:
    return Patches(data.train, task, batch=4, patch=16, seed=7)


@pytest.fixture
def network(task: SuperResolution) -> Callable[..., Network]:
    """A fresh network, always with the same weights."""

    def make(name: str = "plain-m1c4", branches: Any = "none") -> Network:
        return build(named(name, task.signature)[1], task.signature, branches=branches, seed=3)

    return make


@pytest.fixture
def config() -> Callable[..., TrainConfig]:
    """Settings of a short training in full precision, the same on every machine."""

    def make(**changes: Any) -> TrainConfig:
        return TrainConfig(**{"steps": 30, "batch": 4, "patch": 16, "precision": "float32", "threads": 1, **changes})

    return make
