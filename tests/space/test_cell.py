"""The `cell` space: its canonical form, its size, what mutation reaches, its parser and its figures."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.errors import DataError
from pixsearch.signature import Port, Signature
from pixsearch.space.cell import CellGenotype, CellSpace, DynamicCellSpace, Edge
from pixsearch.space.chain import ACTS, ATTENTIONS, EXPERTS, SKIPS
from pixsearch.space.dag import ALL_OPS, MAX_NODES, OPS, canonical_nodes, is_dynamic
from pixsearch.space.dag_count import count_cells
from pixsearch.space.dag_vary import draw_node

CHAIN = [[[0, "conv3"]], [[1, "conv3"]]]


def signature(scale: int = 2, channels: int = 1) -> Signature:
    return Signature("sr", scale, "y" if channels == 1 else "rgb", (Port("input", channels),), Port("output", channels))


def cell(nodes: list, **genes) -> dict:
    return {"nodes": nodes, "cells": 2, "width": 8, **genes}


@pytest.mark.parametrize(("ops", "most"), [(("conv3", "skip"), 3), (("conv3", "dw3", "skip"), 2), (("a", "b", "c", "skip"), 2)])
def test_the_number_of_cells_counts_every_one_once(ops, most):
    def edges(number: int) -> list[Edge]:
        return [Edge(source, op) for source in range(number + 1) for op in ops]

    found = set()
    for count in range(1, most + 1):
        choices = [[(one, other) for one in edges(number) for other in edges(number)] for number in range(count)]
        found |= {canonical_nodes(nodes) for nodes in product(*choices)}
    assert len(found - {()}) == count_cells(ops, most)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_the_order_of_nodes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    nodes = tuple(draw_node(rng, number) for number in range(MAX_NODES))
    written = canonical_nodes(nodes)
    for order in permutations(range(len(written))):
        place = {0: 0, **{old + 1: new for new, old in enumerate(order, start=1)}}
        moved = tuple(tuple(Edge(place[edge.source], edge.op) for edge in written[old]) for old in order)
        if all(edge.source <= number for number, node in enumerate(moved) for edge in node):
            assert canonical_nodes(moved) == written


class TestCanonicalForm:
    def test_equal_edges_and_copies_are_dropped(self):
        space = CellSpace(signature())
        written = space.parse(cell([[[0, "skip"]], [[1, "conv3"], [0, "conv3"]], [[2, "skip"], [2, "skip"]], [[3, "conv3"]]]))
        assert written == space.parse(cell(CHAIN))

    def test_sums_of_different_things_stay(self):
        genotype = CellSpace(signature()).parse(cell([[[0, "conv3"]], [[0, "skip"], [1, "skip"]]]))
        assert len(genotype.nodes) == 2

    def test_both_skips_are_the_identity_at_scale_1(self):
        assert CellSpace(signature(1)).parse(cell(CHAIN, skip="bicubic")).skip == "nearest"
        assert CellSpace(signature(2)).parse(cell(CHAIN, skip="bicubic")).skip == "bicubic"

    def test_ids_never_change(self):
        """An id names a network in records that outlive this version."""
        genotype = CellGenotype(((Edge(0, "conv3"), Edge(0, "skip")), (Edge(1, "dil3"),)), 3, 16, "relu", "bicubic")
        assert genotype.id == "8eb4bccc"


def test_mutation_reaches_every_gene():
    space, rng = CellSpace(signature()), np.random.default_rng(0)
    genotype = space.smallest()
    seen = [genotype := space.mutate(genotype, rng) for _ in range(3000)]
    assert {edge.op for one in seen for node in one.nodes for edge in node} == set(OPS)
    assert {edge.source for one in seen for node in one.nodes for edge in node} == set(range(MAX_NODES))
    assert {(len(one.nodes), one.cells) for one in seen} == set(product(range(1, MAX_NODES + 1), range(1, 7)))
    assert {one.width for one in seen} == set(space.limits.widths)
    assert {(one.act, one.skip) for one in seen} == set(product(ACTS, SKIPS))


def test_dynamic_operators_are_drawn_where_they_are_allowed():
    space, rng = DynamicCellSpace(signature()), np.random.default_rng(0)
    genotype = space.smallest()
    seen = [genotype := space.mutate(genotype, rng) for _ in range(600)]
    assert {edge.op for one in seen for node in one.nodes for edge in node} == set(ALL_OPS)
    dynamic = {(one.experts, one.attention) for one in seen if is_dynamic(one)}
    assert dynamic == set(product(EXPERTS, ATTENTIONS))
    assert all(one.experts == 0 and "experts" not in one.genes() for one in seen if not is_dynamic(one))
    assert not any(is_dynamic(one) for one in (CellSpace(signature()).sample(rng) for _ in range(100)))
    child = CellSpace(signature()).parse(cell([[[0, "dynconv3"], [0, "skip"]]], experts=4, attention="softmax"))
    assert CellSpace(signature()).describe(child) == "cell 8 leaky ×2: dynconv3(in)+skip(in); 4 experts, softmax; skip nearest"


def test_samples_reach_phones_and_every_depth():
    space, rng = CellSpace(signature()), np.random.default_rng(0)
    seen = [space.sample(rng) for _ in range(800)]
    assert {(len(one.nodes), one.cells) for one in seen} == set(product(range(1, MAX_NODES + 1), range(1, 7)))
    assert 0.2 < np.mean([space.macs_720p(one) < 2.4e9 for one in seen]) < 0.8


WRONG = [
    ({}, "`cells`"),
    (cell([]), "1 to 4 nodes"),
    (cell(CHAIN * 3), "1 to 4 nodes"),
    (cell([[[0, "skip"]], [[1, "skip"]]]), "must compute something"),
    (cell([[]]), r"`nodes\[0\]` is `\[\]`"),
    (cell([[[0, "conv3"]] * 3]), r"1 to 2 edges"),
    (cell([[[1, "conv3"]]]), r"`nodes\[0\]\[0\]\[0\]` is `1`"),
    (cell([[["in", "conv3"]]]), r"`nodes\[0\]\[0\]\[0\]` is `in`"),
    (cell([[[0, "pool"]]]), r"`nodes\[0\]\[0\]\[1\]` is `pool`"),
    (cell([["conv3"]]), r"`\[source, operator\]`"),
    (cell("conv3"), "`nodes` is `conv3`"),
    (cell(CHAIN, cells=7), "`cells` is `7`"),
    (cell(CHAIN, width=64), "`width` is `64`"),
    (cell(CHAIN, act="gelu"), "`act` is `gelu`"),
    (cell(CHAIN, skip="none"), "`skip` is `none`"),
    (cell(CHAIN, widht=8), "Did you mean `width`"),
    (cell([[[0, "dynconv3"]]]), "`experts` is `None`"),
    (cell([[[0, "dyndw3"]]], experts=4, attention="max"), "`attention` is `max`"),
]


@pytest.mark.parametrize(("genes", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_named(genes, message):
    with pytest.raises(DataError, match=message):
        CellSpace(signature()).parse(genes)


def test_descriptions_name_sources():
    genotype = CellSpace(signature()).parse(cell([[[0, "conv3"], [0, "skip"]], [[1, "dw3"]]], act="relu"))
    assert CellSpace(signature()).describe(genotype) == "cell 8 relu ×2: conv3(in)+skip(in), dw3(1); skip nearest"


def test_figures_counted_by_hand():
    """First 3×3, twice (3×3 and 3×3 dilated, a depthwise and its 1×1; 1×1 of two loose ends), last 3×3."""
    space = CellSpace(signature())
    genotype = space.parse(cell([[[0, "conv3"], [0, "dil3"]], [[0, "dw5"]]]))
    inside = 2 * 9 * 64 + 25 * 8 + 64 + 2 * 64
    assert space.macs_per_pixel(genotype) == (9 * 8 + 2 * inside + 9 * 8 * 4) / 4
    assert space.params(genotype) == 9 * 8 + 8 + 2 * (inside + 2 * 8 + 8 + 8) + 9 * 8 * 4 + 4
    assert space.receptive_radius(genotype) == 1 + 2 * 2 + 1
