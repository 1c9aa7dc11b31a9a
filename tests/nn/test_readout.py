"""The best tail in closed form: it finds a known one, whatever the features' size, and leaves broken features alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pixsearch.nn.build import build
from pixsearch.nn.readout import best_reader, refit
from pixsearch.signature import Port, Signature
from pixsearch.space.mobile import Layer, MobileGenotype

Y = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def read(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(features, weight, bias, padding=weight.shape[-1] // 2)


@given(seed=st.integers(0, 1000), kernel=st.sampled_from([1, 3, 5]), size=st.sampled_from([1e-3, 1.0, 1e3]), level=st.sampled_from([0, 5]))
@settings(max_examples=20, deadline=None)
def test_a_known_reader_is_found_whatever_the_features_size(seed: int, kernel: int, size: float, level: int) -> None:
    features = (random(4, 3, 16, 16, seed=seed) + level) * size
    weight, bias = random(4, 3, kernel, kernel, seed=seed + 1) / size, random(4, seed=seed + 2)
    target = read(features, weight, bias)
    found = read(features, *best_reader(features, target, kernel))
    assert float((found - target).square().mean()) < 1e-3 * float(target.var())


def test_no_other_reader_comes_closer() -> None:
    features, target = random(2, 3, 12, 12), random(2, 4, 12, 12, seed=1)
    weight, bias = best_reader(features, target, 3)
    least = (read(features, weight, bias) - target).square().mean()
    for seed in range(20):
        nudged = weight + 0.03 * random(*weight.shape, seed=seed), bias + 0.03 * random(4, seed=seed)
        assert (read(features, *nudged) - target).square().mean() > least


@pytest.mark.parametrize("head", ["plain", "s2d", "s2d4"])
@pytest.mark.parametrize("skip", ["nearest", "bicubic"])
def test_every_form_gets_the_same_tail_and_comes_closer(head: str, skip: str) -> None:
    genotype = MobileGenotype((Layer("conv3", 8, "prelu"),) * 2, head=head, skip=skip)
    x = F.interpolate(torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(0)), scale_factor=4, mode="bicubic")
    truth = F.interpolate(x, scale_factor=2, mode="bilinear") ** 2
    for branches in ("none", "linear", "ecb"):
        network = build(genotype, Y, branches=branches)
        with torch.no_grad():
            before = (network(x) - truth).square().mean()
            refit(network.body, x, truth)
            features = network.body.features(network.body.head(x))
            target = F.pixel_unshuffle(truth, network.body.up) - network.body.skip(x, network.body.head(x))
            expected = read(features, *best_reader(features, target, 3))
            assert (network.body.tail(features) - expected).abs().max() < 1e-4
            assert (network(x) - truth).square().mean() < 0.7 * before


def test_features_that_are_no_numbers_leave_the_tail_alone() -> None:
    network = build(MobileGenotype((Layer("conv3", 8, "relu"),)), Y)
    before = network.body.tail.weight.clone()
    x = torch.full((1, 1, 8, 8), float("nan"))
    refit(network.body, x, torch.zeros(1, 1, 16, 16))
    assert torch.equal(network.body.tail.weight, before)


def test_few_pixels_are_enough_of_a_large_batch() -> None:
    features = random(64, 40, 32, 32)
    target = features[:, :4] * 2
    weight, _ = best_reader(features, target, 1)
    assert (weight[:, :4, 0, 0] - 2 * torch.eye(4)).abs().max() < 0.01
