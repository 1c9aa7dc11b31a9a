"""Batches reach the device as they were drawn, whichever way they are drawn ahead."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pixsearch.data.patches import Patches
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import Feed


@pytest.mark.parametrize("ahead", [False, True])
def test_each_step_gets_its_own_batch(ahead: bool, patches: Patches, task: SuperResolution, config: Callable[..., TrainConfig]) -> None:
    with Feed(patches, task.signature, choose(config()), ahead=ahead) as feed:
        for step in (0, 1, 2, 9, 10, 4, 5, 5, 0):
            (inputs,), truth = feed.draw(step)
            drawn = patches.draw(step)
            assert torch.equal(inputs, torch.from_numpy(drawn.inputs["input"]))
            assert torch.equal(truth, torch.from_numpy(drawn.truth))


def test_what_the_drawing_thread_raises_is_heard(task: SuperResolution, config: Callable[..., TrainConfig]) -> None:
    class Broken:
        def draw(self, step: int) -> None:
            raise OSError(f"step {step}")

    with Feed(Broken(), task.signature, choose(config()), ahead=True) as feed, pytest.raises(OSError, match="step 3"):  # type: ignore[arg-type]
        feed.draw(3)
