"""One of several processes that train together: `together.py WHAT OUT PHOTOS VAL`; each writes OUT/WHAT.RANK.json.

They train on processors, or on the DEVICE that the environment names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_data
from pixsearch.data.patches import Patches
from pixsearch.errors import DataError, Interrupted, PixsearchError
from pixsearch.nn.build import Network, build
from pixsearch.space.named import named
from pixsearch.tasks.base import Batch
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train import loop
from pixsearch.train.adversary import adversary_of
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.config import TrainConfig
from pixsearch.train.ranks import Ranks, joined

TASK = SuperResolution(2, "y")
SETTINGS: dict[str, Any] = {
    "batch": 4,
    "patch": 12,
    "threads": 1,
    "precision": "float32",
    "optimizer": "sgd",
    "steps": 3,
    "device": os.environ.get("DEVICE", "cpu"),
}


def network() -> Network:
    return build(named("plain-m1c4", TASK.signature)[1], TASK.signature, seed=3)


def weights(trained: Network) -> dict[str, Any]:
    return {name: value.tolist() for name, value in trained.state_dict().items()}


class Spoilt:
    """Batches of which one rank's are not numbers at some steps, once each."""

    def __init__(self, patches: Patches, steps: set[int]) -> None:
        self.patches, self.steps = patches, steps

    def draw(self, step: int) -> Batch:
        batch = self.patches.draw(step)
        if step not in self.steps:
            return batch
        self.steps.remove(step)
        return Batch(batch.inputs, np.full_like(batch.truth, np.nan))


def learn(ranks: Ranks, patches: Patches, out: Path) -> dict[str, Any]:
    """Several trainings in a row, and what came of each on this rank."""
    told: list[dict[str, Any]] = []

    def note(kind: str, **fields: Any) -> None:
        told.append({"kind": kind, **fields})

    def fit(draws: Any = patches, *, kept: str = "", validate: Any = None, **changes: Any) -> Network:
        checkpoints = Checkpoints(out / kept, "Go on.") if kept and ranks.is_first else None
        config = TrainConfig(**{**SETTINGS, **changes})
        own = network()
        loop.fit(
            own,
            draws,
            config,
            validate=validate,
            checkpoints=checkpoints,
            note=note if ranks.is_first else lambda *_, **__: None,
            ranks=ranks,
        )
        return own

    results: dict[str, Any] = {name: weights(fit(optimizer=name)) for name in ("sgd", "muon")}
    results["budget"] = weights(fit(steps=None, budget_s=0.5))

    loop.BLOCK = 10
    results["spoilt"] = weights(fit(Spoilt(patches, {15} if ranks.rank else set()), steps=40))

    calls = iter(range(10**6))
    loop.stop_asked = lambda: next(calls) >= 7 and not ranks.is_first
    results["stopped"] = raised(lambda: fit(steps=20, kept="stopped"), Interrupted)
    loop.stop_asked = lambda: False
    results["resumed"] = weights(fit(steps=20, kept="stopped"))
    results["longer"] = weights(fit(steps=30, kept="stopped"))

    def look(_average: Network, step: int) -> dict[str, Any]:
        assert ranks.is_first
        return {"psnr_db": 30.0, "ssim": 0.9}

    results["adversarial"] = against(ranks, patches)

    results["patience"] = weights(fit(steps=50, validations=10, patience=2, validate=look))
    return {**results, "told": told}


def against(ranks: Ranks, patches: Patches) -> dict[str, Any]:
    """What is left of a network and its adversary after two rounds and a half."""
    config = TrainConfig(**{**SETTINGS, "steps": 125, "augment": "adversarial"})
    adversary, own = adversary_of(config, TASK, patches.cache, ranks), network()
    assert adversary is not None
    share = ranks.rank, ranks.size
    draws = Patches(patches.cache, TASK, batch=4, patch=12, seed=5, share=share, policies=adversary.policies)
    loop.fit(own, draws, config, ranks=ranks, adversary=adversary)
    kept = {name: value.tolist() for name, value in adversary.tensors().items() if name != "seen"}  # of a round that is not over
    return {**weights(own), **kept}


def raised(call: Callable[[], object], kind: type[PixsearchError]) -> str:
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError("nothing was raised")


def end(ranks: Ranks, how: str) -> None:
    """The last rank ends while the others go on."""
    if ranks.rank == ranks.size - 1:
        if how == "vanish":
            os._exit(9)
        raise DataError("A photo is broken.")
    while True:
        ranks.agree(False, 0.0)
        time.sleep(0.01)


def main(what: str, out: Path, photos: Path, val: Path) -> int:
    with joined() as ranks:
        if what != "learn":
            end(ranks, what)
        share = ranks.rank, ranks.size
        ranks.first(lambda: open_data(DataConfig(photos=(photos,), val=(val,)), TASK) and None)
        data = open_data(DataConfig(photos=(photos,), val=(val,)), TASK)
        patches = Patches(data.train, TASK, batch=SETTINGS["batch"], patch=SETTINGS["patch"], seed=5, share=share)
        (out / f"{what}.{ranks.rank}.json").write_text(json.dumps(learn(ranks, patches, out)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], *map(Path, sys.argv[2:5])))
    except PixsearchError as error:
        print("" if error.told else error, file=sys.stderr)
        sys.exit(error.exit_code)
