"""Fresh networks: their seed decides them, the global generator does not notice, and they learn at once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.nn.build import build
from pixsearch.pixels.color import rgb_to_y
from pixsearch.pixels.resize import resize
from pixsearch.signature import Port, Signature
from pixsearch.space.named import named

SR = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))
NAMES = ["plain-m4c16", "ecbsr-m2c8", "fsrcnn", "espcn"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("branches", ["none", "linear", "ecb"])
def test_the_seed_decides_the_weights(name, branches):
    _, genotype = named(name, SR)
    first, same, other = (list(build(genotype, SR, branches=branches, seed=seed).parameters()) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_global_generator_is_left_alone(name):
    before = torch.get_rng_state()
    build(named(name, SR)[1], SR, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient(name):
    network = build(named(name, SR)[1], SR)
    network(torch.rand(1, 1, 8, 8)).square().mean().backward()
    for key, value in network.named_parameters():
        assert value.grad is not None, key
        assert torch.isfinite(value.grad).all(), key


def crops(folder: Path) -> tuple[Tensor, Tensor]:
    """Pairs of luma crops, 32 and 64 pixels a side, from one photo."""
    photo = cv2.cvtColor(cv2.imread(str(folder / "china.png")), cv2.COLOR_BGR2RGB)[:384, :384]
    small = resize(photo, 192, 192)
    low, high = (rgb_to_y(picture) / 255 for picture in (small, photo))
    places = [(y, x) for y in range(0, 192, 32) for x in range(0, 192, 32)]
    inputs = np.stack([low[y : y + 32, x : x + 32] for y, x in places])
    truths = np.stack([high[2 * y : 2 * y + 64, 2 * x : 2 * x + 64] for y, x in places])
    return torch.from_numpy(inputs[:, None]), torch.from_numpy(truths[:, None])


def psnr_db(output: Tensor, truth: Tensor) -> float:
    return float(-10 * torch.log10((output - truth)[:, :, 4:-4, 4:-4].square().mean()))


@pytest.mark.parametrize("branches", ["none", "linear", "ecb"])
def test_a_few_steps_beat_bicubic(sample_images, branches):
    inputs, truths = crops(sample_images)
    low = inputs[:, 0].numpy()
    bicubic = torch.from_numpy(np.stack([resize(plane, 64, 64) for plane in low]))[:, None]
    _, genotype = named("plain-m2c12", SR)
    network = build(genotype, SR, branches=branches)
    steps = 120
    optimizer = torch.optim.Adam(network.parameters())
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1.0, step / 30, (steps - step) / 60)
        part = slice(12 * step % 36, 12 * step % 36 + 12)
        loss = F.l1_loss(network(inputs[part]), truths[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert psnr_db(network(inputs), truths) > psnr_db(bicubic, truths) + 0.2
