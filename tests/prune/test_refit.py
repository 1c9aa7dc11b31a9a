"""Weights in closed form: what can be made up for is made up for, and what was whole stays as it was."""

from __future__ import annotations

import pytest
import torch

from pixsearch.nn.build import build, deploy
from pixsearch.prune.refit import _fit, answers, refit
from pixsearch.prune.shares import by_magnitude
from pixsearch.prune.slicing import outputs_kept, slice_network
from pixsearch.signature import Port, Signature
from pixsearch.space.mobile import MobileSpace
from pixsearch.space.video import VideoSpace
from pixsearch.tasks.base import make_task

BORDER = make_task("sr", 2, "y").signature
SPACE = MobileSpace(BORDER)
CONV = {"op": "conv3", "width": 8, "act": "relu"}
CHAINS = {
    "convolutions": [CONV, {**CONV, "op": "conv1"}, {**CONV, "op": "conv5"}],
    "separable": [CONV, {**CONV, "op": "dw3"}],
    "bottleneck": [CONV, {**CONV, "op": "ib3", "hidden": 12, "residual": True}],
    "dynamic": [CONV, {**CONV, "op": "dynconv3", "experts": 2, "attention": "sigmoid"}, {**CONV, "op": "dyndw3", "experts": 2}],
}


def kept_of(network, fewer):
    ranking = by_magnitude(network)
    return ranking.kept([size - fewer for size in ranking.sizes])


def noise(count=12, channels=1, side=24):
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("chain", CHAINS)
@torch.no_grad()
def test_a_cut_network_comes_closer_to_the_whole_one(chain):
    whole = deploy(build(SPACE.parse({"layers": CHAINS[chain]}), BORDER, seed=2)).eval()
    kept, inputs = kept_of(whole, 3), [noise()]
    sliced = slice_network(whole, kept)
    fitted = slice_network(whole, kept)
    refit(fitted, outputs_kept(whole, kept), inputs, answers(whole, inputs))
    unseen = noise(4, side=20)
    before, after = ((network(unseen) - whole(unseen)).square().mean() for network in (sliced, fitted))
    assert after < before * (0.9 if chain == "dynamic" else 0.5)  # kernels that are computed are left as they are


@torch.no_grad()
def test_a_network_with_a_state_is_fitted_over_its_frames():
    border = Signature("video-sr", 2, "y", (Port("frames", 3),), Port("output", 1), settings={"window": 3, "length": 3})
    genotype = VideoSpace(border).parse({"layers": CHAINS["convolutions"], "form": "recurrent", "state": 4})
    whole = deploy(build(genotype, border, seed=2)).eval()
    kept, inputs = kept_of(whole, 3), [noise(channels=3)]
    sliced, fitted = slice_network(whole, kept), slice_network(whole, kept)
    refit(fitted, outputs_kept(whole, kept), inputs, answers(whole, inputs))
    before, after = ((network(*inputs) - whole(*inputs)).square().mean() for network in (sliced, fitted))
    assert after < before


@torch.no_grad()
def test_a_channel_that_others_make_up_is_not_missed():
    """A copy of a channel goes: its consumer takes twice as much of the one that stays."""
    whole = deploy(build(SPACE.parse({"layers": [CONV, CONV]}), BORDER, seed=2)).eval()
    first = whole.body.layers[0][0]
    first.weight[7], first.bias[7] = first.weight[0], first.bias[0]
    kept = {(0, "out"): list(range(7)), (1, "out"): list(range(8))}
    sliced, inputs = slice_network(whole, kept), [noise()]
    lost = (sliced(noise(2)) - whole(noise(2))).square().mean()
    refit(sliced, outputs_kept(whole, kept), inputs, answers(whole, inputs))
    assert (sliced(noise(2)) - whole(noise(2))).square().mean() < 1e-3 * lost


@pytest.mark.parametrize(("dilation", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_a_convolution_is_found_from_what_it_gives(dilation, groups):
    generator = torch.Generator().manual_seed(0)
    known, fitted = (torch.nn.Conv2d(4, 6, 3, padding=dilation, dilation=dilation, groups=groups) for _ in range(2))
    features = torch.randn(2, 4, 24, 24, generator=generator)
    with torch.no_grad():
        _fit(fitted, features, known(features))
    torch.testing.assert_close(fitted.weight, known.weight, atol=1e-3, rtol=0)
