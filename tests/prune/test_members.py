"""What a network can be cut down to: members of its own space, every one within the bounds, and as near to them as can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.nn.build import build
from pixsearch.prune.members import Cuts
from pixsearch.prune.shares import LEAST, by_magnitude, by_scores
from pixsearch.prune.slicing import slice_network
from pixsearch.search.bounds import fits_bounds
from pixsearch.search.objectives import parse_objectives
from pixsearch.space.mobile import MobileSpace
from pixsearch.tasks.base import make_task

BORDER = make_task("sr", 2, "y").signature
SPACE = MobileSpace(BORDER)
CONV = {"op": "conv3", "width": 12, "act": "relu"}
CHAINS = [
    [CONV, CONV, {**CONV, "width": 7}],
    [CONV, {**CONV, "op": "ib3", "hidden": 20, "residual": True}, {**CONV, "op": "dw3"}],
    [CONV, {**CONV, "op": "dynconv3", "experts": 2, "attention": "softmax"}],
]


def cuts(chain, shares, *, slim=False, fits=lambda _genotype: True):
    network = build(SPACE.parse({"layers": chain}), BORDER, seed=4)
    return Cuts(network, SPACE, by_magnitude(network), shares, fits, slim=slim)


def drawn(members, rng):
    """Members as an evolution makes them."""
    first = [members.sample(rng) for _ in range(6)]
    children = [members.breed(first[int(rng.integers(6))], first[int(rng.integers(6))], rng) for _ in range(6)]
    return [*first, *children, *(members.breed(one, children[0], rng) for one in children)]


@settings(max_examples=25, deadline=None, database=None)
@given(chain=st.sampled_from(CHAINS), share=st.floats(0.2, 0.98), seed=st.integers(0, 2**32 - 1), slim=st.booleans())
def test_every_member_keeps_the_share_and_is_one_of_its_space(chain, share, seed, slim):
    members = cuts(chain, [share], slim=slim)
    bound = share * SPACE.macs_per_pixel(members.whole)
    for one in drawn(members, np.random.default_rng(seed)):
        assert SPACE.macs_per_pixel(one) <= bound
        assert SPACE.parse(one.genes()) == one
        counts = members.counts(one)
        assert all(min(LEAST, size) <= count <= size for count, size in zip(counts, members.sizes, strict=True))
        plan = members.ranking.plan(counts)
        assert plan.genotype == one
        assert slice_network(members.network, plan.kept).genotype == one


def test_members_have_no_room_for_a_channel_more():
    members, rng = cuts(CHAINS[0], [0.5]), np.random.default_rng(0)
    for _ in range(20):
        one = members.sample(rng)
        counts = members.counts(one)
        for place, size in enumerate(members.sizes):
            if counts[place] < size:
                wider = members.ranking.genotype([count + (number == place) for number, count in enumerate(counts)])
                assert SPACE.macs_per_pixel(wider) > 0.5 * SPACE.macs_per_pixel(members.whole)


def test_it_begins_with_the_ranking_by_importance_for_every_share():
    members = cuts(CHAINS[0], [0.3, 0.7])
    rng = np.random.default_rng(0)
    first = [members.sample(rng) for _ in range(2)]
    assert first == [members.ranking.genotype(by_scores(members.ranking, SPACE, share)) for share in (0.7, 0.3)]


def test_members_gather_at_every_share():
    members, rng = cuts(CHAINS[0], [0.3, 0.7]), np.random.default_rng(0)
    shares = [members.share(one) for one in drawn(members, rng)]
    assert sum(0.2 < share <= 0.3 for share in shares) >= 3
    assert sum(0.6 < share <= 0.7 for share in shares) >= 3


def test_bounds_on_other_costs_hold_too():
    objectives = parse_objectives(["psnr", "params<=1.5K"])
    members = cuts(CHAINS[0], [0.9], slim=True, fits=fits_bounds(SPACE, objectives))
    assert all(SPACE.params(one) <= 1500 for one in drawn(members, np.random.default_rng(1)))


@pytest.mark.parametrize("chain", CHAINS)
def test_the_same_generator_gives_the_same_members(chain):
    first, again = (drawn(cuts(chain, [0.6, 0.4]), np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert len(set(first)) > 8
