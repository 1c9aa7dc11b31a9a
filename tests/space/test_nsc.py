"""The `nsc` space: lists that are refused, its canonical form, its size, what mutation reaches, its figures and its decisions."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.errors import DataError
from pixsearch.signature import Port, Signature
from pixsearch.space.chain import ACTS, SKIPS
from pixsearch.space.nsc import Code, NscGenotype, NscSpace
from pixsearch.space.nsc_code import MAX_LAYERS, canonical_block, joins_twice, loose_ends
from pixsearch.space.nsc_count import count_blocks
from pixsearch.space.nsc_vary import codes, draw_code

seeds = st.integers(0, 2**32 - 1)
RESIDUAL = [[1, "conv", 3, 0, 0], [2, "dw", 5, 1, 0], [3, "add", 0, 0, 2], [4, "terminal", 0, 0, 0]]


def signature(scale: int = 2, channels: int = 1) -> Signature:
    return Signature("sr", scale, "y" if channels == 1 else "rgb", (Port("input", channels),), Port("output", channels))


def block(rows: object, **genes: object) -> dict:
    return {"layers": rows, "blocks": 2, "width": 8, **genes}


def listed(*layers: tuple) -> list:
    """Rows of a block with their indices and the terminal."""
    return [[i, *layer] for i, layer in enumerate([*layers, ("terminal", 0, 0, 0)], start=1)]


def test_the_number_of_blocks_counts_every_one_once():
    for most in (1, 2, 3):
        found = {canonical_block(layers) for count in range(1, most + 1) for layers in product(*map(codes, range(1, count + 1)))}
        assert len(found - {()}) == count_blocks(most)


@given(seed=seeds)
@settings(max_examples=50, deadline=None, database=None)
def test_the_order_of_layers_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    layers = tuple(draw_code(rng, number) for number in range(1, MAX_LAYERS + 1))
    written = canonical_block(layers)
    assert canonical_block(written) == written
    for order in permutations(range(1, len(written) + 1)):
        place = {0: 0, **{old: new for new, old in enumerate(order, start=1)}}
        moved = [(old, sorted(place[source] for source in written[old - 1].sources)) for old in order]
        if all(source < number for number, (_, sources) in enumerate(moved, start=1) for source in sources):
            moved_codes = (Code(written[old - 1].type, written[old - 1].kernel, *sources) for old, sources in moved)
            assert canonical_block(tuple(moved_codes)) == written


class TestCanonicalForm:
    def test_identities_stay_where_they_hand_on_what_is_read(self):
        space = NscSpace(signature())
        useless = space.parse(block(listed(("conv", 3, 0, 0), ("identity", 0, 1, 0), ("conv", 3, 2, 0), ("identity", 0, 3, 0))))
        assert useless == space.parse(block(listed(("conv", 3, 0, 0), ("conv", 3, 1, 0))))
        handed_on = space.parse(block(listed(("identity", 0, 0, 0), ("conv", 3, 0, 0), ("identity", 0, 1, 0))))
        assert handed_on.layers == (Code("conv", 3, 0), Code("identity", 0, 0))
        assert loose_ends(handed_on.layers) == [1, 2]

    def test_both_skips_are_the_identity_at_scale_1(self):
        assert NscSpace(signature(1)).parse(block(RESIDUAL, skip="bicubic")).skip == "nearest"
        assert NscSpace(signature(2)).parse(block(RESIDUAL, skip="bicubic")).skip == "bicubic"

    def test_ids_never_change(self):
        """An id names a network in records that outlive this version."""
        genotype = NscGenotype((Code("conv", 3, 0), Code("conv", 3, 1), Code("add", 0, 0, 2)), 3, 16, "relu", "bicubic")
        assert genotype.id == "d1e5f973"


WRONG = [
    ({}, "`blocks`"),
    (block([]), "does not end with a layer"),
    (block(RESIDUAL[:-1]), r"does not end with a layer `\[4, terminal, 0, 0, 0\]`"),
    (block(listed()), "1 to 6"),
    (block(listed(*[("conv", 3, 0, 0)] * 7)), "1 to 6"),
    (block([RESIDUAL[0], [2, "terminal", 0, 0, 0], [3, "terminal", 0, 0, 0]]), "before its end"),
    (block(listed(("identity", 0, 0, 0), ("identity", 0, 1, 0))), "must compute something"),
    (block(listed(("conv", 3, 1, 0))), r"`layers\[0\].pred1` is `1`"),
    (block(listed(("conv", 3, -1, 0))), r"`layers\[0\].pred1` is `-1`"),
    (block(listed(("conv", 3, 0, 0), ("conv", 3, 0, 1))), r"`layers\[1\].pred2` is `1`"),
    (block(listed(("conv", 3, "in", 0))), r"`layers\[0\].pred1` is `in`"),
    (block(listed(("conv", 7, 0, 0))), r"`layers\[0\].kernel` is `7`"),
    (block(listed(("pool", 3, 0, 0))), r"`layers\[0\].type` is `pool`"),
    (block(listed(("conv", 3, 0, 0), ("add", 0, 1, 1))), "smaller number first"),
    (block(listed(("conv", 3, 0, 0), ("add", 0, 1, 0))), "smaller number first"),
    (block(listed(("conv", 3, 0, 0), ("identity", 0, 1, 0), ("add", 0, 1, 2))), r"`layers\[2\]` joins a layer to itself"),
    (block([[2, "conv", 3, 0, 0], [2, "terminal", 0, 0, 0]]), r"`layers\[0\].index` is `2`"),
    (block([["conv", 3]]), r"`\[index, type, kernel, pred1, pred2\]`"),
    (block("conv3"), "`layers` is `conv3`"),
    (block(RESIDUAL, blocks=9), "`blocks` is `9`"),
    (block(RESIDUAL, width=64), "`width` is `64`"),
    (block(RESIDUAL, act="gelu"), "`act` is `gelu`"),
    (block(RESIDUAL, skip="none"), "`skip` is `none`"),
    (block(RESIDUAL, widht=8), "Did you mean `width`"),
]


@pytest.mark.parametrize(("genes", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_named(genes, message):
    with pytest.raises(DataError, match=message):
        NscSpace(signature()).parse(genes)


def test_a_list_that_is_not_valid_makes_no_genotype():
    for layers in [(), (Code("add", 0, 0, 0),), (Code("conv", 3, 0), Code("conv", 3, 2)), (Code("identity", 0, 0),), (Code("conv", 2, 0),)]:
        with pytest.raises(DataError):
            NscGenotype(layers, 1, 8)


def test_mutation_reaches_every_gene():
    space, rng = NscSpace(signature()), np.random.default_rng(0)
    genotype = space.smallest()
    seen = [genotype := space.mutate(genotype, rng) for _ in range(3000)]
    assert {code.op for one in seen for code in one.layers} == {"conv1", "conv3", "conv5", "dw3", "dw5", "identity", "add", "concat"}
    assert {(len(one.layers), one.blocks) for one in seen} == set(product(range(1, MAX_LAYERS + 1), range(1, 9)))
    assert {one.width for one in seen} == set(space.limits.widths)
    assert {(one.act, one.skip) for one in seen} == set(product(ACTS, SKIPS))
    assert not any(joins_twice(one.layers) for one in seen)


def test_samples_reach_phones_and_every_depth():
    space, rng = NscSpace(signature()), np.random.default_rng(0)
    seen = [space.sample(rng) for _ in range(800)]
    assert {(len(one.layers), one.blocks) for one in seen} == set(product(range(1, MAX_LAYERS + 1), range(1, 9)))
    assert 0.2 < np.mean([space.macs_720p(one) < 2.4e9 for one in seen]) < 0.8


def test_descriptions_name_sources():
    genotype = NscSpace(signature()).parse(block(RESIDUAL, act="relu"))
    assert NscSpace(signature()).describe(genotype) == "nsc 8 relu ×2: conv3(in), dw5(1), add(in,2); skip nearest"


def test_figures_counted_by_hand():
    """First 3×3, twice (3×3, a depthwise 5×5 and its 1×1, a 1×1 of two joined; 1×1 of two loose ends), last 3×3."""
    space = NscSpace(signature())
    genotype = space.parse(block(listed(("conv", 3, 0, 0), ("dw", 5, 0, 0), ("concat", 0, 0, 1))))
    inside = 9 * 64 + (25 * 8 + 64) + 2 * 64 + 2 * 64
    assert space.macs_per_pixel(genotype) == (9 * 8 + 2 * inside + 9 * 8 * 4) / 4
    assert space.params(genotype) == 9 * 8 + 8 + 2 * (inside + 4 * 8) + 9 * 8 * 4 + 4
    assert space.receptive_radius(genotype) == 1 + 2 * 2 + 1
    assert space.density(genotype) == (4 + 2) / (3 + 2)


class TestDecisions:
    def test_they_are_the_code_and_the_genes_around_it(self):
        genotype = NscSpace(signature()).parse(block(RESIDUAL, act="prelu"))
        assert NscSpace(signature()).decisions(genotype) == (("blocks", 2), ("act", "prelu"), ("skip", "nearest"), *map(tuple, RESIDUAL))

    @given(seed=seeds, scale=st.sampled_from([1, 2]))
    @settings(max_examples=50, deadline=None, database=None)
    def test_they_write_the_member_and_follow_one_another(self, seed, scale):
        space, rng = NscSpace(signature(scale)), np.random.default_rng(seed)
        genotype = space.sample(rng)
        decisions = space.decisions(genotype)
        for last, one in zip([None, *decisions[:-1]], decisions, strict=True):
            assert one in space.following(last)
            assert space.draw_following(last, rng) in space.following(last)
        assert not space.following(decisions[-1])
        assert space.written(decisions, lambda one: one.width <= genotype.width) == genotype
        assert space.written(decisions, lambda one: False).width == min(space.limits.widths)

    def test_a_list_of_copies_writes_nothing(self):
        rows = [(1, "identity", 0, 0, 0), (2, "terminal", 0, 0, 0)]
        assert NscSpace(signature()).written([("blocks", 1), ("act", "relu"), ("skip", "nearest"), *rows], lambda one: True) is None

    def test_what_is_drawn_without_knowledge_is_as_long_as_samples_are(self):
        space, rng, counts = NscSpace(signature()), np.random.default_rng(0), np.zeros(MAX_LAYERS)
        for _ in range(1200):
            last, length = None, 0
            while space.following(last):
                last, length = space.draw_following(last, rng), length + 1
            counts[length - 5] += 1
        assert counts.min() > 150
