"""The `mobile` space: its canonical form, its size, what mutation reaches, its parser and its figures."""

from __future__ import annotations

from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from pixsearch.errors import DataError
from pixsearch.signature import Port, Signature
from pixsearch.space.chain import ACTS, ATTENTIONS, DYNAMIC, EXPERTS, HEADS, OPS, SKIPS, TAILS, frozen
from pixsearch.space.mobile import DynamicMobileSpace, Layer, MobileGenotype, MobileSpace
from pixsearch.space.vary import Limits


def signature(scale: int = 2, channels: int = 1) -> Signature:
    return Signature("sr", scale, "y" if channels == 1 else "rgb", (Port("input", channels),), Port("output", channels))


def layer(op: str = "conv3", width: int = 8, act: str = "relu", **more) -> dict:
    return {"op": op, "width": width, "act": act, **more}


class Tiny(MobileSpace):
    limits: ClassVar[Limits] = Limits(depth=(1, 2), width=(4, 5), hidden=(4, 5))


def every_gene(limits: Limits):
    """All ways to write a genotype within the limits, canonical or not."""
    widths, hidden = (range(low, high + 1) for low, high in (limits.width, limits.hidden))
    plain = [layer(op, width, act) for op, width, act in product(OPS[:-1], widths, ACTS)]
    inverted = [layer("ib3", width, act, hidden=h, residual=r) for width, act, h, r in product(widths, ACTS, hidden, [True, False])]
    for depth in range(limits.depth[0], limits.depth[1] + 1):
        for layers in product(plain + inverted, repeat=depth):
            yield list(layers)


@pytest.mark.parametrize(("scale", "channels"), [(2, 1), (1, 1), (2, 3)])
def test_size_counts_every_network_once(scale, channels):
    space = Tiny(signature(scale, channels))
    ends = list(product(HEADS, SKIPS))
    found = set()
    for layers in every_gene(Tiny.limits):
        for head, skip in ends:
            found.add(space.parse({"layers": layers, "head": head, "skip": skip}))
    assert len(found) * len(TAILS) == space.size()


def test_mutation_reaches_every_gene():
    space, rng = MobileSpace(signature()), np.random.default_rng(0)
    genotype = space.smallest()
    seen = [genotype := space.mutate(genotype, rng) for _ in range(12_000)]
    layers = [layer for genotype in seen for layer in genotype.layers]
    assert {layer.op for layer in layers} == set(OPS)
    assert {layer.act for layer in layers} == set(ACTS)
    assert {layer.width for layer in layers} == set(range(4, 65))
    assert {layer.residual for layer in layers if layer.op == "ib3"} == {True, False}
    hidden = {layer.hidden for layer in layers if layer.op == "ib3"}
    assert {min(hidden), max(hidden)} == {4, 256}
    assert len(hidden) > 200
    assert {len(genotype.layers) for genotype in seen} == set(range(1, 13))
    assert {genotype.head for genotype in seen} == set(HEADS)
    assert {genotype.skip for genotype in seen} == set(SKIPS)
    assert {genotype.tail for genotype in seen} == set(TAILS)


def test_sampling_reaches_every_operator_and_depth():
    space, rng = MobileSpace(signature()), np.random.default_rng(0)
    seen = [space.sample(rng) for _ in range(500)]
    assert {layer.op for genotype in seen for layer in genotype.layers} == set(OPS)
    assert {len(genotype.layers) for genotype in seen} == set(range(1, 13))


class TestDynamicOperators:
    def test_they_are_drawn_when_asked_for_alone(self):
        seen = {}
        for kind in (MobileSpace, DynamicMobileSpace):
            space, rng = kind(signature()), np.random.default_rng(0)
            genotype = space.smallest()
            walk = [genotype := space.mutate(genotype, rng) for _ in range(3000)]
            seen[kind] = {layer for genotype in walk for layer in genotype.layers}
        assert {layer.op for layer in seen[MobileSpace]} == set(OPS)
        dynamic = {layer for layer in seen[DynamicMobileSpace] if layer.op in DYNAMIC}
        assert {(layer.op, layer.experts, layer.attention) for layer in dynamic} == set(product(DYNAMIC, EXPERTS, ATTENTIONS))

    def test_the_size_of_the_space_counts_them(self):
        class TinyDynamic(DynamicMobileSpace):
            limits: ClassVar[Limits] = Limits(depth=(1, 1), width=(4, 5), hidden=(4, 5), ops=("conv3", *DYNAMIC))

        space = TinyDynamic(signature(1))
        dynamic = [
            layer(op, width, act, experts=experts, attention=attention)
            for op, width, act, experts, attention in product(DYNAMIC, (4, 5), ACTS, EXPERTS, ATTENTIONS)
        ]
        plain = [layer("conv3", width, act) for width, act in product((4, 5), ACTS)]
        found = {space.parse({"layers": [one], "head": head}) for one in plain + dynamic for head in HEADS}
        assert len(found) * len(TAILS) == space.size()

    def test_the_plain_space_reads_them(self):
        genes = {"layers": [layer(), layer("dynconv3", experts=4)]}
        assert MobileSpace(signature()).parse(genes) == DynamicMobileSpace(signature()).parse(genes)

    def test_costs_are_counted_as_executed(self):
        space = MobileSpace(signature())
        static = space.parse({"layers": [layer("conv3", 16), layer("conv3", 16)]})
        dynamic = space.parse({"layers": [layer("conv3", 16), layer("dynconv3", 16, experts=6)]})
        assert frozen(dynamic) == static
        assert space.macs_per_pixel(dynamic) == space.macs_per_pixel(static)
        assert space.macs_per_picture(dynamic) == 16 * 16 * 6 + 6 * 16 * 16 * 9
        assert space.params(dynamic) - space.params(static) == 6 * 16 * 16 * 9 + (16 + 1) * 16 * 6
        assert space.macs_per_picture(static) == 0

    def test_genes_of_a_dynamic_layer_mean_nothing_elsewhere(self):
        space = MobileSpace(signature())
        assert space.parse({"layers": [layer(experts=4, attention="softmax")]}) == space.parse({"layers": [layer()]})
        assert space.parse({"layers": [layer("dynconv3", experts=4)]}).layers[0].attention == "sigmoid"


class TestCanonicalForm:
    def test_layers_that_compute_nothing_are_dropped(self):
        space = MobileSpace(signature())
        written = space.parse({"layers": [layer(), {"op": "skip"}, layer("conv1", 4), {"op": "skip"}]})
        assert written == space.parse({"layers": [layer(), layer("conv1", 4)]})

    def test_hidden_and_residual_mean_nothing_elsewhere(self):
        space = MobileSpace(signature())
        assert space.parse({"layers": [layer(hidden=9, residual=True)]}) == space.parse({"layers": [layer()]})

    def test_a_residual_needs_equal_widths(self):
        space = MobileSpace(signature())
        block = layer("ib3", 8, hidden=16, residual=True)
        assert space.parse({"layers": [layer(width=6), block]}).layers[1].residual is False
        assert space.parse({"layers": [layer(width=8), block]}).layers[1].residual is True

    def test_a_residual_of_the_folded_input_counts(self):
        block = layer("ib3", 4, hidden=16, residual=True)
        assert MobileSpace(signature()).parse({"layers": [block], "head": "s2d"}).layers[0].residual is True
        assert MobileSpace(signature()).parse({"layers": [block]}).layers[0].residual is False

    def test_both_skips_are_the_identity_at_scale_1(self):
        assert MobileSpace(signature(1)).parse({"layers": [layer()], "skip": "bicubic"}).skip == "nearest"
        assert MobileSpace(signature(2)).parse({"layers": [layer()], "skip": "bicubic"}).skip == "bicubic"

    def test_ids_never_change(self):
        """An id names a network in records that outlive this version."""
        genotype = MobileGenotype((Layer("conv3", 16, "leaky"), Layer("ib3", 16, "relu", 32, True)), "s2d", "bicubic", 5)
        assert genotype.id == "db7ef075"


WRONG = [
    ({}, "`layers`"),
    ({"layers": []}, "0 layers"),
    ({"layers": [{"op": "skip"}]}, "0 layers"),
    ({"layers": [layer()] * 13}, "13 layers"),
    ({"layers": "conv3"}, "`layers` is `conv3`"),
    ({"layers": [layer(op="conv7")]}, r"`layers\[0\].op` is `conv7`"),
    ({"layers": [layer(), layer(width=65)]}, r"`layers\[1\].width` is `65`"),
    ({"layers": [layer(width=0)]}, r"`layers\[0\].width` is `0`"),
    ({"layers": [layer(width=True)]}, r"`layers\[0\].width` is `True`"),
    ({"layers": [layer(width=8.0)]}, r"`layers\[0\].width` is `8.0`"),
    ({"layers": [layer("dynconv3")]}, r"`layers\[0\].experts` is `None`"),
    ({"layers": [layer("dyndw3", experts=3)]}, r"`layers\[0\].experts` is `3`"),
    ({"layers": [layer("dyndw3", experts=4, attention="relu")]}, r"`layers\[0\].attention` is `relu`"),
    ({"layers": [layer(act="swish")]}, r"`layers\[0\].act` is `swish`"),
    ({"layers": [layer("ib3")]}, r"`layers\[0\].hidden` is `None`"),
    ({"layers": [layer("ib3", hidden=8, residual=1)]}, r"`layers\[0\].residual` is `1`"),
    ({"layers": [{"op": "conv3", "act": "relu"}]}, "`width`"),
    ({"layers": [layer(widht=3)]}, "Did you mean `width`"),
    ({"layers": [3]}, r"`layers\[0\]` is `3`"),
    ({"layers": [layer()], "head": "tail"}, "`head` is `tail`"),
    ({"layers": [layer()], "tail": 7}, "`tail` is `7`"),
    ({"layers": [layer()], "skip": "none"}, "`skip` is `none`"),
]


@pytest.mark.parametrize(("genes", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_named(genes, message):
    with pytest.raises(DataError, match=message):
        MobileSpace(signature()).parse(genes)


def test_pruned_widths_are_members():
    genotype = MobileSpace(signature()).parse({"layers": [layer(width=1), layer("ib3", 1, hidden=1, residual=True)]})
    assert [layer.width for layer in genotype.layers] == [1, 1]


def test_descriptions_gather_equal_layers():
    space = MobileSpace(signature())
    genotype = space.parse(
        {"layers": [layer()] * 3 + [layer("ib3", 8, hidden=20, residual=True)], "head": "s2d", "skip": "bicubic", "tail": 5}
    )
    assert space.describe(genotype) == "s2d, conv3 8 relu ×3, ib3 20→8 relu residual, tail 5×5, skip bicubic"


class TestFigures:
    """Counted by hand."""

    def test_multiply_adds_and_parameters(self):
        space = MobileSpace(signature())
        genotype = space.parse({"layers": [layer("dw5", 6, "prelu"), layer("ib3", 6, hidden=10, residual=True)]})
        first, second, tail = 25 + 6, 60 + 90 + 60, 9 * 6 * 4
        assert space.macs_per_pixel(genotype) == (first + second + tail) / 4
        assert space.params(genotype) == first + 6 + 6 + second + 10 + 10 + 6 + tail + 4

    def test_a_space_to_depth_head_computes_a_share_of_the_pixels(self):
        space = MobileSpace(signature())
        genotype = space.parse({"layers": [layer(width=8)], "head": "s2d"})
        assert space.macs_per_pixel(genotype) == (9 * 4 * 8 + 9 * 8 * 16) / 16
        genotype = space.parse({"layers": [layer(width=8)], "head": "s2d4"})
        assert space.macs_per_pixel(genotype) == (9 * 16 * 8 + 9 * 8 * 64) / 64
        assert space.multiple(genotype) == 4

    @pytest.mark.parametrize(("head", "side"), [("plain", 5), ("s2d", 6), ("s2d4", 8)])
    def test_a_bicubic_skip_is_counted(self, head, side):
        space = MobileSpace(signature(3, 3))
        nearest, bicubic = (space.parse({"layers": [layer()], "head": head, "skip": skip}) for skip in SKIPS)
        more = space.macs_per_pixel(bicubic) - space.macs_per_pixel(nearest)
        assert more == pytest.approx(side**2 * 3)
        assert space.params(bicubic) == space.params(nearest)

    def test_memory_holds_what_runs_and_what_waits(self):
        space, pixels = MobileSpace(signature()), 640 * 360
        body = space.parse({"layers": [layer(width=32), layer(width=24)]})
        assert space.memory_bytes(body) == 4 * pixels * (1 + 32 + 24)
        tail = space.parse({"layers": [layer(width=4)]})
        assert space.memory_bytes(tail) == 4 * pixels * (1 + 4 + 4)
        inverted = space.parse({"layers": [layer(width=8), layer("ib3", 8, hidden=30, residual=True)]})
        assert space.memory_bytes(inverted) == 4 * pixels * (1 + 8 + 30 + 30)

    def test_memory_rounds_the_input_up(self):
        space = MobileSpace(signature(3))
        assert space.memory_bytes(space.parse({"layers": [layer(width=16)]})) == 4 * 240 * 427 * (1 + 16 + 9)
        assert space.memory_bytes(space.parse({"layers": [layer(width=64)], "head": "s2d"})) == 4 * 240 * 428 * (4 + 64 + 36) // 4
        folded = MobileSpace(signature(2)).parse({"layers": [layer(width=64)], "head": "s2d4"})
        assert MobileSpace(signature(2)).memory_bytes(folded) == 4 * 360 * 640 * (16 + 64 + 64) // 16

    def test_radius(self):
        space = MobileSpace(signature())
        assert space.receptive_radius(space.parse({"layers": [layer("conv5"), layer("dw3"), layer("conv1")]})) == 2 + 1 + 0 + 1
        assert space.receptive_radius(space.parse({"layers": [layer("conv3")], "head": "s2d"})) == 2 * 2 + 2
        assert space.receptive_radius(space.parse({"layers": [layer("conv3")], "head": "s2d4"})) == 4 * 2 + 4
        assert space.receptive_radius(space.parse({"layers": [layer("conv1")], "tail": 1})) == 0
        assert space.receptive_radius(space.parse({"layers": [layer("conv1")], "tail": 1, "skip": "bicubic"})) == 2
