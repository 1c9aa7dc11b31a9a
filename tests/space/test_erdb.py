"""The `erdb` space: its size, what mutation reaches, its parser, its ends and its figures."""

from __future__ import annotations

from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from pixsearch.errors import DataError
from pixsearch.signature import Port, Signature
from pixsearch.space.chain import SKIPS
from pixsearch.space.dense import CONVS, KINDS, MAX_BLOCKS, WIDTHS
from pixsearch.space.dense_vary import Limits
from pixsearch.space.erdb import Block, ErdbGenotype, ErdbSpace


def signature(scale: int = 2, channels: int = 1) -> Signature:
    return Signature("sr", scale, "y" if channels == 1 else "rgb", (Port("input", channels),), Port("output", channels))


def block(kind: str = "shrink", convs: int = 2, growth: int = 8, width: int = 8) -> dict:
    return {"kind": kind, "convs": convs, "growth": growth, "width": width}


class Tiny(ErdbSpace):
    limits: ClassVar[Limits] = Limits(depth=(1, 2), convs=(2, 4), widths=(4, 8), trunks=(4, 8))


@pytest.mark.parametrize("scale", [1, 2])
def test_size_counts_every_network_once(scale):
    space, found = Tiny(signature(scale)), set()
    blocks = [block(*genes) for genes in product(KINDS, (2, 4), (4, 8), (4, 8))]
    for depth in (1, 2):
        for chain in product(blocks, repeat=depth):
            found |= {space.parse({"blocks": list(chain), "width": width, "skip": skip}) for width in (4, 8) for skip in SKIPS}
    assert len(found) == space.size()


def test_mutation_reaches_every_gene():
    space, rng = ErdbSpace(signature()), np.random.default_rng(0)
    genotype = space.smallest()
    seen = [genotype := space.mutate(genotype, rng) for _ in range(3000)]
    blocks = [one for genotype in seen for one in genotype.blocks]
    assert {(one.kind, one.convs, one.growth, one.width) for one in blocks} == set(product(KINDS, CONVS, WIDTHS, WIDTHS))
    assert {len(genotype.blocks) for genotype in seen} == set(range(1, MAX_BLOCKS + 1))
    assert {(genotype.width, genotype.skip) for genotype in seen} == set(product(WIDTHS, SKIPS))


def test_samples_reach_phones_and_every_depth():
    space, rng = ErdbSpace(signature()), np.random.default_rng(0)
    seen = [space.sample(rng) for _ in range(800)]
    assert {len(genotype.blocks) for genotype in seen} == set(range(1, MAX_BLOCKS + 1))
    assert 0.2 < np.mean([space.macs_720p(genotype) < 2.4e9 for genotype in seen]) < 0.8


def test_nothing_beside_the_ends_lies_beyond_them():
    space, rng = ErdbSpace(signature()), np.random.default_rng(0)
    smallest, largest = space.smallest(), space.largest()
    for _ in range(500):
        assert space.macs_per_pixel(space.mutate(smallest, rng)) >= space.macs_per_pixel(smallest)
        assert space.macs_per_pixel(space.mutate(largest, rng)) <= space.macs_per_pixel(largest)
    singles = [ErdbGenotype((Block(*genes),), width) for genes in product(KINDS, CONVS, WIDTHS, WIDTHS) for width in WIDTHS]
    assert min(map(space.macs_per_pixel, singles)) == space.macs_per_pixel(smallest)
    assert min(map(space.params, singles)) == space.params(smallest)


class TestCanonicalForm:
    def test_blocks_that_are_off_are_dropped(self):
        space, off = ErdbSpace(signature()), {"kind": "off"}
        written = space.parse({"blocks": [off, block(), {**block("group"), "kind": "off"}, block("context")]})
        assert written == space.parse({"blocks": [block(), block("context")]})

    def test_twenty_genes_of_which_some_are_off(self):
        space = ErdbSpace(signature())
        assert len(space.parse({"blocks": [{"kind": "off"}] * 12 + [block()] * 8}).blocks) == 8

    def test_both_skips_are_the_identity_at_scale_1(self):
        assert ErdbSpace(signature(1)).parse({"blocks": [block()], "skip": "bicubic"}).skip == "nearest"
        assert ErdbSpace(signature(2)).parse({"blocks": [block()], "skip": "bicubic"}).skip == "bicubic"

    def test_ids_never_change(self):
        """An id names a network in records that outlive this version."""
        genotype = ErdbGenotype((Block("shrink", 4, 16, 24), Block("context", 6, 8, 8)), 32, "bicubic")
        assert genotype.id == "99656015"


WRONG = [
    ({}, "`blocks`"),
    ({"blocks": []}, "0 blocks"),
    ({"blocks": [{"kind": "off"}]}, "0 blocks"),
    ({"blocks": [block()] * 21}, "21 blocks"),
    ({"blocks": "shrink"}, "`blocks` is `shrink`"),
    ({"blocks": [3]}, r"`blocks\[0\]` is `3`"),
    ({"blocks": [block("dense")]}, r"`blocks\[0\].kind` is `dense`"),
    ({"blocks": [block(), block(convs=3)]}, r"`blocks\[1\].convs` is `3`"),
    ({"blocks": [block(growth=33)]}, r"`blocks\[0\].growth` is `33`"),
    ({"blocks": [block("group", growth=10)]}, r"`blocks\[0\].growth` is `10`; in a block of kind `group` it must be a multiple of 4"),
    ({"blocks": [{**block(), "paths": "around"}]}, r"`blocks\[0\].paths` is `around`"),
    ({"blocks": [block(width=True)]}, r"`blocks\[0\].width` is `True`"),
    ({"blocks": [block(width=8.0)]}, r"`blocks\[0\].width` is `8.0`"),
    ({"blocks": [{"kind": "shrink", "convs": 4, "growth": 8}]}, "`width`"),
    ({"blocks": [{**block(), "grwoth": 8}]}, "Did you mean `growth`"),
    ({"blocks": [block()], "width": 64}, "`width` is `64`"),
    ({"blocks": [block()], "skip": "none"}, "`skip` is `none`"),
]


@pytest.mark.parametrize(("genes", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_named(genes, message):
    with pytest.raises(DataError, match=message):
        ErdbSpace(signature()).parse(genes)


def test_descriptions_gather_equal_blocks():
    space = ErdbSpace(signature())
    genotype = space.parse({"blocks": [block("shrink", 4, 8, 16)] * 2 + [block("context", 6, 16, 16)], "width": 24, "skip": "bicubic"})
    assert space.describe(genotype) == "width 24, shrink 4×8→16 ×2, context 6×16→16, skip bicubic"


class TestFigures:
    """Counted by hand."""

    ENDS = 9 * 8 + 8 * 8 + 9 * 64 + 9 * 8 * 4  # 3×3, 1×1 of one block's output, 3×3, 3×3 to four sub-pixels
    ENDS_PARAMS = ENDS + 8 + 8 + 8 + 4

    def test_shrink(self):
        space = ErdbSpace(signature())
        genotype = space.parse({"blocks": [block("shrink", 2, 4, 8)], "width": 8})
        inside = 8 * 4 + 9 * 16 + 8 * 4 + 9 * 16 + 12 * 8
        assert space.macs_per_pixel(genotype) == (self.ENDS + inside) / 4
        assert space.params(genotype) == self.ENDS_PARAMS + inside + 4 * 4 + 8

    def test_group(self):
        space = ErdbSpace(signature())
        genotype = space.parse({"blocks": [block("group", 4, 8, 8)], "width": 8})
        inside = 9 * 64 + 9 * 16 * 8 // 2 + 9 * 24 * 8 // 2 + 9 * 32 * 8 // 4 + 40 * 8
        assert space.macs_per_pixel(genotype) == (self.ENDS + inside) / 4
        assert space.params(genotype) == self.ENDS_PARAMS + inside + 5 * 8

    def test_context_counts_weights_once_and_their_uses_thrice_at_a_quarter(self):
        space = ErdbSpace(signature())
        genotype = space.parse({"blocks": [block("context", 2, 8, 16)], "width": 8})
        ends = self.ENDS + 8 * 8
        assert space.macs_per_pixel(genotype) == (ends + (2 * 3 * 9 * 64 + 16 * 8) / 4 + 24 // 4 * 16 + 8 * 16) / 4
        assert space.params(genotype) == self.ENDS_PARAMS + 64 + 2 * 9 * 64 + 16 * 8 + 24 // 4 * 16 + 8 * 16 + 3 * 8 + 2 * 16

    def test_an_input_that_no_shortcut_fits_is_matched(self):
        space = ErdbSpace(signature())
        matched, entered = (space.parse({"blocks": [block("shrink", 2, growth, 16)], "width": 8}) for growth in (4, 16))
        ends = self.ENDS + 8 * 8
        assert space.macs_per_pixel(matched) == (ends + 8 * 4 + 9 * 16 + 8 * 4 + 9 * 16 + 12 * 16 + 8 * 16) / 4
        assert space.macs_per_pixel(entered) == (ends + 8 * 16 + 9 * 256 + 32 * 16 + 9 * 256 + 48 * 16) / 4

    def test_sizes_and_reach(self):
        space = ErdbSpace(signature())
        plain = space.parse({"blocks": [block("shrink", 4), block("group", 2)]})
        context = space.parse({"blocks": [block("context", 2)]})
        assert (space.multiple(plain), space.receptive_radius(plain)) == (1, 3 + 6)
        assert (space.multiple(context), space.receptive_radius(context)) == (2, 3 + 2 * 6 + 1)
