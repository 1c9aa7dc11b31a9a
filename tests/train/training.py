"""A training in a process of its own, to be killed: `training.py RUN PHOTOS VAL STEPS AUGMENT`; goes on when RUN exists."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_data
from pixsearch.nn.build import build
from pixsearch.rundir import Stage
from pixsearch.space.named import named
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.config import TrainConfig
from pixsearch.train.session import train_stage


def main(run: Path, photos: Path, val: Path, steps: int, augment: Any) -> None:
    task = SuperResolution(2, "y")
    config = TrainConfig(steps=steps, batch=4, patch=12, threads=1, checkpoint_every_s=0, validations=3, augment=augment)
    data = open_data(DataConfig(photos=(photos,), val=(val,), cache=run.parent / "cache"), task)
    network = build(named("plain-m1c4", task.signature)[1], task.signature, seed=2)
    with Stage(run, "train", config, resume=(run / "train" / "events.jsonl").exists()) as stage:
        train_stage(network, data, task, config, stage, "small")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), int(sys.argv[4]), sys.argv[5])
