"""The plain way: the same share of every layer, the greatest weights, as near to the bound as it can be."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.errors import InfeasibleError
from pixsearch.nn.build import build
from pixsearch.prune.channels import magnitude
from pixsearch.prune.shares import LEAST, by_magnitude, uniform
from pixsearch.space.mobile import MobileSpace
from pixsearch.tasks.base import make_task

BORDER = make_task("sr", 2, "y").signature
SPACE = MobileSpace(BORDER)
LAYERS = [
    {"op": "conv3", "width": 12, "act": "relu"},
    {"op": "ib3", "width": 12, "act": "relu", "hidden": 24, "residual": True},
    {"op": "dynconv3", "width": 6, "act": "relu", "experts": 4, "attention": "sigmoid"},
    {"op": "dw3", "width": 9, "act": "relu"},
]


def network():
    return build(SPACE.parse({"layers": LAYERS}), BORDER, seed=3)


@settings(max_examples=20, deadline=None, database=None)
@given(share=st.floats(0.25, 0.99))
def test_no_more_than_was_asked_and_every_group_alike(share):
    whole = network()
    ranking, counts = by_magnitude(whole), uniform(whole, SPACE, share)
    assert SPACE.macs_per_pixel(ranking.genotype(counts)) <= share * SPACE.macs_per_pixel(whole.genotype)
    shares = []
    for kept, size in zip(counts, ranking.sizes, strict=True):
        assert min(LEAST, size) <= kept <= size
        shares.append(((kept - 2) / size, (kept + 1) / size))
    assert max(low for low, _ in shares) <= min(high for _, high in shares)


def test_the_smallest_weights_go():
    whole = network()
    with torch.no_grad():
        whole.body.layers[0][0].weight[[1, 5]] *= 1e-3
        whole.body.layers[1][0].project.weight[[1, 5]] *= 1e-3
    found = by_magnitude(whole).plan(uniform(whole, SPACE, 0.6))
    assert not {1, 5} & set(found.kept[0, "out"])
    assert found.kept[0, "out"] == found.kept[1, "out"]
    scores = magnitude(whole)
    kept = set(found.kept[3, "out"])
    gone = set(range(9)) - kept
    assert gone
    assert min(scores[((3, "out"),)][list(kept)]) >= max(scores[((3, "out"),)][list(gone)])


def test_what_cannot_be_reached_is_said_with_what_can():
    with pytest.raises(InfeasibleError, match="`--keep-macs 0.001`") as caught:
        uniform(network(), SPACE, 0.001)
    least = float(str(caught.value).split("Ask for ")[1].split(" ")[0])
    assert set(uniform(network(), SPACE, least)) == {LEAST}
