"""What only a GPU can show: half precision with a scaled loss, pinned memory, prefetching, compiling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from pixsearch.data.open import Data
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import Feed
from pixsearch.train.loop import fit
from pixsearch.train.validate import score_baseline, validate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use (CUDA); this machine has none")

Build = Callable[..., Network]
Settings = Callable[..., TrainConfig]


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "float16"])
def test_it_learns_in_every_precision(
    precision: Any, optimizer: Any, network: Build, data: Data, task: SuperResolution, config: Settings
) -> None:
    patches = Patches(data.train, task, batch=8, patch=24, seed=0)
    settings = config(steps=400, batch=8, patch=24, precision=precision, optimizer=optimizer, device="cuda")
    trained = fit(network("plain-m2c8"), patches, settings)
    assert validate(trained, data.val, task)["psnr_db"] > score_baseline(data.val, task)["psnr_db"] + 0.3


def test_a_gpu_and_a_processor_learn_about_the_same(network: Build, patches: Patches, config: Settings) -> None:
    one, other = (fit(network(), patches, config(steps=10, optimizer="sgd", device=device)) for device in ("cpu", "cuda"))
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-2)


def test_batches_come_pinned_and_each_in_its_turn(patches: Patches, task: SuperResolution, config: Settings) -> None:
    compute = choose(config(device="cuda"))
    assert compute.pin(torch.zeros(2, 1, 4, 4)).is_pinned()
    with Feed(patches, task.signature, compute, ahead=True) as feed:
        for step in (0, 1, 2, 9, 4):
            (inputs,), truth = feed.draw(step)
            assert inputs.device.type == truth.device.type == "cuda"
            assert torch.equal(truth.cpu(), torch.from_numpy(patches.draw(step).truth))


@pytest.mark.slow
def test_a_compiled_network_learns(network: Build, patches: Patches, config: Settings) -> None:
    trained = fit(network(), patches, config(steps=20, compile=True, device="cuda"))
    assert all(weight.isfinite().all() for weight in trained.parameters())
