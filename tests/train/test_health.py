"""A loss that explodes: back to a good state with half the rate, three times, then a clear end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pixsearch.data.patches import Patches
from pixsearch.errors import GateError
from pixsearch.nn.build import Network
from pixsearch.tasks.base import Batch
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit

from .conftest import Notes

Build = Callable[..., Network]
Settings = Callable[..., TrainConfig]


class Spoilt:
    """Batches of which those of some steps are spoilt, so many times."""

    def __init__(self, patches: Patches, steps: range, times: int, value: float) -> None:
        self.patches, self.steps, self.left, self.value = patches, steps, times * len(steps), value

    def draw(self, step: int) -> Batch:
        batch = self.patches.draw(step)
        if step not in self.steps or self.left == 0:
            return batch
        self.left -= 1
        return Batch(batch.inputs, np.full_like(batch.truth, self.value))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_an_explosion_is_undone_at_half_the_rate(
    value: float, network: Build, patches: Patches, config: Settings, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixsearch.train.loop.BLOCK", 10)
    trained = fit(network(), Spoilt(patches, range(25, 26), 1, value), config(steps=60), note=notes)
    (warning,) = notes.of("warning")
    assert "by step 30: back to step 20 with half the rate, 0.0025" in warning["text"]
    assert all(weight.isfinite().all() for weight in trained.parameters())


def test_an_explosion_at_the_very_end_is_seen(network: Build, patches: Patches, config: Settings, notes: Notes) -> None:
    trained = fit(network(), Spoilt(patches, range(29, 30), 1, np.nan), config(steps=30), note=notes)
    assert len(notes.of("warning")) == 1
    assert all(weight.isfinite().all() for weight in trained.parameters())


def test_a_loss_that_keeps_exploding_ends_the_training(
    network: Build, patches: Patches, config: Settings, notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixsearch.train.loop.BLOCK", 10)
    kept = Checkpoints(tmp_path, "")
    with pytest.raises(GateError, match=r"exploded 4 times .* it became nan") as caught:
        fit(network(), Spoilt(patches, range(25, 26), 99, np.nan), config(steps=60, checkpoint_every_s=0), checkpoints=kept, note=notes)
    assert caught.value.exit_code == 5
    assert len(notes.of("warning")) == 3
    packed = kept.latest()
    assert packed is not None
    assert packed.values["progress"]["step"] == 20
    assert all(value.isfinite().all() for value in packed.tensors.values())


def test_half_the_rate_is_kept_in_checkpoints(
    network: Build, patches: Patches, config: Settings, notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixsearch.train.loop.BLOCK", 10)
    kept = Checkpoints(tmp_path, "")
    fit(network(), Spoilt(patches, range(5, 6), 2, np.nan), config(steps=30), checkpoints=kept, note=notes)
    packed = kept.latest()
    assert packed is not None
    assert packed.values["progress"]["slowed"] == 0.25
    assert packed.values["progress"]["setbacks"] == [10, 10]
