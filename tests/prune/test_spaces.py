"""What pruning promises for the networks of every space: slices equal masks, bounds hold, and what is left is a member again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.cost import count_macs, count_params
from pixsearch.nn.modelfile import load_model, make_card
from pixsearch.prune.anatomy import anatomy_of
from pixsearch.prune.channels import importance, magnitude
from pixsearch.prune.config import PruneConfig
from pixsearch.prune.members import Cuts
from pixsearch.prune.ranking import LEAST, Ranking
from pixsearch.prune.refit import answers, refit
from pixsearch.prune.session import prune_stage
from pixsearch.prune.shares import by_magnitude, by_scores, uniform
from pixsearch.prune.slicing import outputs_kept, slice_network
from pixsearch.registry import SPACES
from pixsearch.rundir import Stage
from pixsearch.signature import Port, Signature
from pixsearch.space.base import Genotype, Space
from pixsearch.space.dense import PATHS
from pixsearch.train.config import TrainConfig

few = settings(max_examples=6, deadline=None, database=None)
SMALL = 1.5e9  # multiply-adds for 720p of the networks that are drawn here


def signature(space: str) -> Signature:
    if space == "video":
        frames = (Port("frames", 5),)
        return Signature("video-sr", 2, "y", frames, Port("output", 1), settings={"window": 5, "length": 3})
    return Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))


def drawn(name: str, rng: np.random.Generator) -> tuple[Space[Any], Genotype]:
    """A small member; of hand-made networks one of both."""
    space = SPACES.load(name)(signature(name))
    if not space.searchable:
        return space, [space.smallest(), space.largest()][int(rng.integers(2))]
    genotype = space.sample(rng)
    while space.macs_720p(genotype) > SMALL:
        genotype = space.sample(rng)
    return space, genotype


def shaken(genotype: Genotype, border: Signature) -> Network:
    """Weights as after training: no zero biases, slopes that differ."""
    network, generator = build(genotype, border).eval(), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.1)
    return network


def planes(network: Network, side: int = 16) -> Tensor:
    border = network.signature
    frames = border.settings["length"] if border.state else 1
    return torch.rand(2, border.in_channels * frames, side, side, generator=torch.Generator().manual_seed(1))


def masked(network: Network, kept: Any) -> Network:
    """The whole network, with the channels that are not kept set to zero where they are handed on."""
    anatomy, network = anatomy_of(network.genotype, network.signature), deploy(network)

    def mask(value: Tensor, channels: list[int]) -> Tensor:
        factor = torch.zeros(value.shape[1])
        factor[channels] = 1
        return value * factor.view(1, -1, 1, 1)

    for place, channels in kept.items():
        heard = anatomy.heard[place]
        module = network.body.get_submodule(heard.module)
        if heard.entering:
            module.register_forward_pre_hook(lambda _module, inputs, channels=channels: mask(inputs[0], channels))
        else:
            module.register_forward_hook(lambda _module, _inputs, output, channels=channels: mask(output, channels))
    return network


def cut_at_random(network: Network, rng: np.random.Generator) -> tuple[Ranking, tuple[int, ...]]:
    ranking = by_magnitude(network)
    return ranking, tuple(int(rng.integers(low, high + 1)) for low, high in zip(ranking.least, ranking.sizes, strict=True))


def assert_slice_equals_mask(space: Space[Any], network: Network, rng: np.random.Generator) -> Network:
    ranking, counts = cut_at_random(network, rng)
    plan, x = ranking.plan(counts), planes(network)
    sliced = slice_network(network, plan.kept)
    with torch.no_grad():
        expected = masked(network, plan.kept)(x)
        assert (sliced(x) - expected).abs().max() <= 1e-4 * expected.abs().max().clamp(min=1)
    assert space.parse(sliced.genotype.genes()) == sliced.genotype == plan.genotype
    assert count_params(sliced) == space.params(sliced.genotype)
    assert ranking.anatomy.slots_of(anatomy_of(sliced.genotype, sliced.signature).sizes) == counts
    return sliced


@pytest.mark.parametrize("name", SPACES.names())
class TestEverySpace:
    @few
    @given(seed=st.integers(0, 2**32 - 1))
    def test_a_slice_equals_the_masked_network_and_is_a_member(self, name, seed):
        rng = np.random.default_rng(seed)
        space, genotype = drawn(name, rng)
        sliced = assert_slice_equals_mask(space, shaken(genotype, space.signature), rng)
        if space.searchable:  # it can be searched from
            child = space.crossover(space.mutate(sliced.genotype, rng), sliced.genotype, rng)
            assert space.parse(child.genes()) == child
            assert space.macs_per_pixel(space.shrink(sliced.genotype, rng)) <= space.macs_per_pixel(sliced.genotype)

    @few
    @given(seed=st.integers(0, 2**32 - 1), reach=st.floats(0.05, 0.95), slim=st.booleans())
    def test_every_strategy_keeps_its_bound(self, name, seed, reach, slim):
        rng = np.random.default_rng(seed)
        space, genotype = drawn(name, rng)
        network = shaken(genotype, space.signature)
        anatomy = anatomy_of(genotype, network.signature)
        ranking = Ranking(anatomy, importance(network, [planes(network)]))
        least = space.macs_per_pixel(ranking.genotype(ranking.least)) / space.macs_per_pixel(genotype)
        share = least + reach * (1 - least)
        bound = share * space.macs_per_pixel(genotype)
        found = [by_magnitude(network).genotype(uniform(network, space, share)), ranking.genotype(by_scores(ranking, space, share))]
        members = Cuts(network, space, ranking, [share], lambda _genotype: True, slim=slim)
        found += [members.sample(rng) for _ in range(4)]
        found += [members.breed(found[3], found[4], rng) for _ in range(3)]
        for one in found:
            assert space.macs_per_pixel(one) <= bound
            assert space.parse(one.genes()) == one
            assert min(anatomy_of(one, network.signature).sizes.values()) >= min(LEAST, *anatomy.sizes.values())

    def test_channels_that_nobody_hears_go_first(self, name):
        """Half of what a convolution makes is silenced: its score is nothing, and every strategy by importance lets it go."""
        space, genotype = drawn(name, np.random.default_rng(5))
        network = shaken(genotype, space.signature)
        anatomy = anatomy_of(genotype, network.signature)
        strand = max(anatomy.strands, key=lambda one: anatomy.sizes[one[0]])
        silent = list(range(anatomy.sizes[strand[0]] // 2))
        with torch.no_grad():
            for place in strand:
                for tensor in network.body.get_submodule(anatomy.makers[place]).parameters():
                    tensor[silent] = 0
        scores = importance(network, [planes(network)])[strand]
        assert (scores[silent] <= 1e-9 * scores.max()).all() or bool((magnitude(network)[strand][silent] == 0).all())

    def test_fitting_brings_a_cut_network_closer(self, name):
        space, genotype = drawn(name, np.random.default_rng(2))
        whole = deploy(shaken(genotype, space.signature)).eval()
        ranking = by_magnitude(whole)
        kept, x = ranking.kept([max(low, size - 1) for low, size in zip(ranking.least, ranking.sizes, strict=True)]), [planes(whole, 24)]
        sliced, fitted = slice_network(whole, kept), slice_network(whole, kept)
        refit(fitted, outputs_kept(whole, kept), x, answers(whole, x))
        with torch.no_grad():
            before, after = ((network(*x) - whole(*x)).square().mean() for network in (sliced, fitted))
        assert after <= before


def dense(kind: str, growth: int, width: int) -> dict[str, Any]:
    return {"kind": kind, "convs": 2, "growth": growth, "width": width}


TIED = {
    "all of one width": [dense("group", 16, 16), dense("shrink", 16, 16)],
    "no entry": [dense("context", 16, 24), dense("group", 24, 8)],
    "shortcut of the input": [dense("group", 8, 16), dense("context", 24, 16)],
    "shortcut behind the entry": [dense("shrink", 8, 8), dense("group", 24, 24)],
    "everything apart": [dense("group", 8, 24), dense("context", 16, 4), dense("shrink", 8, 16)],
    "quarters and fours": [dense("group", 16, 16), dense("context", 16, 16)],
}


@pytest.mark.parametrize("name", TIED)
def test_dense_blocks_keep_their_paths(name):
    space = SPACES.load("erdb")(signature("erdb"))
    network = shaken(space.parse({"blocks": TIED[name], "width": 16}), space.signature)
    for seed in range(6):
        assert_slice_equals_mask(space, network, np.random.default_rng(seed))


@pytest.mark.parametrize("paths", PATHS)
def test_widths_that_come_to_be_equal_change_no_path(paths):
    """Costs count what the network has; the gene stays where widths alone do not say it."""
    space = SPACES.load("erdb")(signature("erdb"))
    genotype = space.parse({"blocks": [{**dense("group", 8, 8), "paths": paths}, dense("shrink", 8, 8)], "width": 8})
    assert genotype.blocks[0].paths == paths
    assert genotype.blocks[1].paths == ""
    network = build(genotype, space.signature)
    assert count_params(network) == space.params(genotype)
    assert count_macs(network, 16, 16) == space.macs_per_pixel(genotype) * 32 * 32
    assert_slice_equals_mask(space, shaken(genotype, space.signature), np.random.default_rng(0))


NETWORKS: dict[str, dict[str, Any]] = {
    "cell": {"nodes": [[[0, "conv3"], [0, "skip"]], [[1, "ib3"], [0, "dil3"]]], "cells": 1, "width": 8},
    "nsc": {
        "layers": [[1, "conv", 3, 0, 0], [2, "dw", 3, 1, 0], [3, "add", 0, 0, 2], [4, "concat", 0, 1, 3], [5, "terminal", 0, 0, 0]],
        "blocks": 1,
        "width": 8,
    },
    "erdb": {"blocks": [dense("group", 8, 16), dense("context", 8, 8)], "width": 8},
    "reference": {"name": "espcn"},
    "mobile": {
        "layers": [{"op": "conv3", "width": 8, "act": "relu"}, {"op": "dynconv3", "width": 8, "act": "relu", "experts": 2}],
    },
}


@pytest.mark.parametrize("strategy", ["uniform", "importance", "evolution"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_stage_prunes_it_by_every_strategy(name, strategy, data, task, tmp_path):
    space = SPACES.load(name)(task.signature)
    network = shaken(space.parse(NETWORKS[name]), task.signature)
    more = {"evaluations": 3, "population": 2, "val_pictures": 1} if strategy == "evolution" else {}
    config = PruneConfig(strategy=strategy, keep_macs=0.7, **more)
    training = TrainConfig(steps=2, batch=2, patch=16, precision="float32", threads=1, validations=1)
    with Stage(tmp_path, "prune", training) as stage:
        path = prune_stage(network, make_card(network, name="net", stage="trained"), data, task, config, training, stage)
    pruned, card = load_model(path)
    assert space.parse(pruned.genotype.genes()) == pruned.genotype
    assert card.macs_720p <= 0.7 * space.macs_720p(network.genotype)
    assert count_params(pruned) == space.params(pruned.genotype)
