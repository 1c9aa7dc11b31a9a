"""Training shared weights: one member's step is what it would be alone, touches nothing else, and is taken up to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pixsearch.errors import DataError
from pixsearch.nn.build import Network
from pixsearch.nn.readout import refit
from pixsearch.nn.supernet import Supernet
from pixsearch.signature import Port, Signature
from pixsearch.space import dag_vary
from pixsearch.space.cell import CellSpace
from pixsearch.space.chain import Layer, MobileGenotype
from pixsearch.space.mobile import MobileSpace
from pixsearch.space.vary import Limits
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.shared import SharedWeights
from pixsearch.train.trainee import Trainee

Y = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))
CONFIG = TrainConfig(steps=10, threads=1, precision="float32")
FITTED = 1e-6  # a tail that reads many channels of few pixels leaves nothing to learn


class SmallSpace(MobileSpace):
    """The space up to few and narrow layers."""

    limits = Limits(depth=(1, 4), width=(4, 12), hidden=(4, 24))


class SmallCells(CellSpace):
    """The space up to few and narrow cells."""

    limits = dag_vary.Limits(cells=(1, 2), widths=(4, 8, 12))


SPACE = SmallSpace(Y)


@pytest.fixture(params=[SPACE, SmallCells(Y)], ids=["mobile", "cell"])
def shared(request) -> SharedWeights:
    return SharedWeights(Supernet(request.param, seed=1), choose(CONFIG), decay=0.9)


def batch(seed: int = 0) -> tuple[list[Tensor], Tensor]:
    """Noise, and the same doubled in size."""
    inputs = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(seed))
    return [inputs], inputs.repeat_interleave(2, 2).repeat_interleave(2, 3) ** 2


def member(seed: int, shared: SharedWeights | None = None):
    space = shared.supernet.banks.space if shared else SPACE
    return space.sample(np.random.default_rng(seed))


def learn(shared: SharedWeights, genotype, seed: int = 0, rate: float = 5e-3) -> float:
    inputs, truth = batch(seed)
    one = shared.member(genotype)
    loss = shared.loss(one, inputs, truth)
    assert shared.learn(one, loss, rate)
    return float(loss.detach())


@pytest.mark.parametrize("seed", range(6))
def test_a_member_s_first_step_is_that_of_an_ordinary_network_with_the_best_tail(shared, seed):
    genotype, (inputs, truth) = member(seed, shared), batch()
    network = shared.supernet.inherit(genotype)
    first = {name: value.clone() for name, value in network.state_dict().items()}
    refit(network.body, *inputs, truth)
    trainee = Trainee(network, CONFIG, choose(CONFIG))
    learn(shared, genotype)
    trainee.learn((trainee(inputs) - truth).square().mean(), 5e-3)
    expected, found = trainee.network.state_dict(), shared.supernet.inherit(genotype).state_dict()
    for name, value in expected.items():
        if name.startswith("body.tail"):
            continue
        share = 0.02 if value.ndim == 4 else 0.3  # Adam damps the steps of biases and slopes whose gradients are next to nothing
        assert (found[name] - value).norm() <= share * (value - first[name]).norm() + 1e-7, name


def test_training_members_in_turn_makes_all_of_them_better(shared):
    members = [member(seed, shared) for seed in range(4)]
    first = [learn(shared, genotype, 50 + i) for i, genotype in enumerate(members)]
    for step in range(100):
        learn(shared, members[step % 4], step % 8)
    last = [learn(shared, genotype, 50 + i) for i, genotype in enumerate(members)]
    assert all(after < before or before < FITTED for before, after in zip(first, last, strict=True))


def test_only_slices_of_the_member_and_their_averages_move(shared):
    before = shared.pack().tensors
    genotype = member(0, shared)
    learn(shared, genotype)
    names = set(shared.member(genotype).places)
    after = shared.pack().tensors
    moved = {name.split("/", 1)[1] for name in after if not torch.equal(before[name], after[name])}
    assert moved <= names
    assert len(moved) > len(names) / 2


@torch.no_grad()
def gap(one: Network, other: Network) -> float:
    """How far two networks' weights are apart."""
    return sum(float((a - b).abs().mean()) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_average_follows_and_is_what_is_inherited(shared):
    genotype = member(1, shared)
    for step in range(30):
        learn(shared, genotype, step)
    behind = gap(shared.supernet.inherit(genotype), shared.inherit(genotype))
    assert behind > 0
    for step in range(200):
        learn(shared, genotype, step, rate=1e-12)
    assert gap(shared.supernet.inherit(genotype), shared.inherit(genotype)) < 1e-3 * behind


def test_a_loss_that_is_no_number_changes_nothing(shared):
    genotype = member(2, shared)
    learn(shared, genotype)
    before = shared.pack()
    one = shared.member(genotype)
    inputs, truth = batch()
    assert not shared.learn(one, shared.loss(one, inputs, truth) * float("nan"), 1e-2)
    after = shared.pack()
    assert all(torch.equal(before.tensors[name], value) for name, value in after.tensors.items())
    assert before.values == after.values


@pytest.mark.parametrize("branches", ["none", "linear", "ecb"])
def test_taken_up_it_goes_on_to_the_bit(branches):
    def begin() -> SharedWeights:
        return SharedWeights(Supernet(SPACE, branches=branches, seed=1), choose(CONFIG), decay=0.9)

    def go(shared: SharedWeights, steps: range) -> SharedWeights:
        for step in steps:
            learn(shared, member(step % 5), step)
        return shared

    whole, first, second = go(begin(), range(20)), go(begin(), range(9)), begin()
    second.unpack(first.pack())
    go(second, range(9, 20))
    expected, found = whole.pack(), second.pack()
    assert found.values == expected.values
    assert all(torch.equal(expected.tensors[name], value) for name, value in found.tensors.items())


def test_a_state_of_other_branches_is_refused(shared):
    other = SharedWeights(Supernet(SPACE, branches="linear"), choose(CONFIG), decay=0.9)
    with pytest.raises(DataError, match="another supernet"):
        shared.unpack(other.pack())


def test_a_tail_that_fits_any_features_teaches_none():
    shared = SharedWeights(Supernet(SPACE, seed=1), choose(CONFIG), decay=0.9)
    layers = (Layer("conv3", 12, "relu"), Layer("conv3", 12, "relu"))
    plain, quarter = (shared.member(MobileGenotype(layers, head=head)) for head in ("plain", "s2d4"))
    _, truth = batch()  # of 288 input pixels, of which a quarter in each direction leaves 18, for 108 taps
    assert shared.teaches(plain, truth)
    assert not shared.teaches(quarter, truth)
