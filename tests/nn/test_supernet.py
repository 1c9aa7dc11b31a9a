"""Shared weights: a member's layers are slices of them, and it can be taken out as an ordinary network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pixsearch.errors import DataError, UsageError
from pixsearch.nn.body import Bicubic, Nearest, fold
from pixsearch.nn.build import deploy
from pixsearch.nn.cost import count_macs, count_params
from pixsearch.nn.readout import refit
from pixsearch.nn.supernet import Supernet, cut
from pixsearch.nn.supernetfile import inherited, load_supernet, save_supernet
from pixsearch.signature import Port, Signature
from pixsearch.space import dag, dag_vary
from pixsearch.space.cell import CellSpace
from pixsearch.space.chain import block
from pixsearch.space.dag import loose_ends
from pixsearch.space.erdb import ErdbSpace
from pixsearch.space.mobile import Layer, MobileGenotype, MobileSpace
from pixsearch.space.reference import ReferenceGenotype
from pixsearch.space.vary import Limits

Y = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))
RGB = Signature("sr", 3, "rgb", (Port("input", 3),), Port("output", 3))
FORMS = ("none", "linear", "ecb")


class SmallSpace(MobileSpace):
    """The space up to few and narrow layers."""

    limits = Limits(depth=(1, 5), width=(4, 20), hidden=(4, 40))


class Shallow(MobileSpace):
    """The space up to few layers."""

    limits = Limits(depth=(1, 4), width=(4, 48), hidden=(4, 96))


class SmallCells(CellSpace):
    """The space up to few and narrow cells."""

    limits = dag_vary.Limits(cells=(1, 2), widths=(4, 8, 12))


def shaken(signature: Signature, branches: str) -> Supernet:
    """Weights as after training: no zero biases."""
    supernet = Supernet(SmallSpace(signature), branches=branches, seed=1)
    generator = torch.Generator().manual_seed(2)
    for value in supernet.weights.values():
        value.add_(torch.randn(value.shape, generator=generator) * 0.03)
    return supernet


@pytest.fixture(scope="module")
def supernets() -> dict[tuple[str, str], Supernet]:
    return {(s.color, form): shaken(s, form) for s in (Y, RGB) for form in FORMS}


def picture(signature: Signature) -> Tensor:
    return torch.rand(1, signature.in_channels, 8, 12, generator=torch.Generator().manual_seed(3))


def truth(signature: Signature) -> Tensor:
    return F.interpolate(picture(signature), scale_factor=signature.scale, mode="bicubic") ** 2


def path(supernet: Supernet, genotype: MobileGenotype, x: Tensor, tail: torch.nn.Conv2d) -> Tensor:
    """What a member computes, written out: the first channels of plain shared kernels, scaled to their size, and a tail of its own."""

    def named(bank: str, name: str) -> str:
        return f"{genotype.head}/{bank}{'.' if '.' in bank or bank[-1].isdigit() else '/'}{name}"

    def conv(x: Tensor, bank: str, width: int, kernel: int, *, groups: int = 1) -> Tensor:
        weight, bias = supernet.weights[named(bank, "weight")], supernet.weights.get(named(bank, "bias"))
        inputs = x.shape[1] // groups
        sliced = weight[:width, :inputs] * (144 / (inputs * kernel**2)) ** 0.5
        return F.conv2d(x, sliced, None if bias is None else bias[:width], padding=kernel // 2, groups=groups)

    def act(x: Tensor, name: str, bank: str) -> Tensor:
        slopes = supernet.weights.get(named(bank, "weight"), torch.zeros(99))[: x.shape[1]]
        known = {"relu": F.relu, "leaky": lambda x: F.leaky_relu(x, 0.1), "hardswish": F.hardswish, "prelu": lambda x: F.prelu(x, slopes)}
        return known[name](x)

    folded = out = fold(x, block(genotype)) if block(genotype) > 1 else x
    for i, layer in enumerate(genotype.layers):
        kernel = int(layer.op[-1])
        if layer.op.startswith("conv"):
            out = act(conv(out, f"{i}/{layer.op}/0", layer.width, kernel), layer.act, f"{i}/{layer.op}/1")
        elif layer.op.startswith("dw"):
            out = conv(out, f"{i}/{layer.op}/0.depthwise", out.shape[1], kernel, groups=out.shape[1])
            out = act(conv(out, f"{i}/{layer.op}/0.pointwise", layer.width, 1), layer.act, f"{i}/{layer.op}/1")
        else:
            hidden = act(conv(out, f"{i}/ib3/0.expand", layer.hidden, 1), layer.act, f"{i}/ib3/0.act1")
            hidden = act(conv(hidden, f"{i}/ib3/0.depthwise", layer.hidden, 3, groups=layer.hidden), layer.act, f"{i}/ib3/0.act2")
            out = conv(hidden, f"{i}/ib3/0.project", layer.width, 1) + (out if layer.residual else 0)
    inner = block(genotype)
    out = F.conv2d(out, tail.weight, tail.bias, padding=genotype.tail // 2)
    skip = Bicubic(supernet.signature, inner)(x) if genotype.skip == "bicubic" else Nearest(supernet.signature, inner)(folded)
    return F.pixel_shuffle(out + skip, supernet.signature.scale * inner)


@given(seed=st.integers(0, 10**6), color=st.sampled_from(["y", "rgb"]), mutated=st.booleans())
@settings(max_examples=30, deadline=None)
def test_an_inherited_network_gives_what_the_sliced_path_gives(supernets, seed, color, mutated):
    supernet = supernets[color, "none"]
    space, rng = SmallSpace(supernet.signature), np.random.default_rng(seed)
    genotype = space.sample(rng)
    genotype = space.mutate(genotype, rng) if mutated else genotype
    x = picture(supernet.signature)
    with torch.no_grad():
        network = supernet.inherit(genotype)
        refit(network.body, x, truth(supernet.signature))
        expected, found = path(supernet, genotype, x, network.body.tail), network(x)
    assert (expected - found).abs().max() <= 1e-6 * expected.abs().max().clamp(min=1)
    assert count_params(network) == space.params(genotype)
    assert count_macs(network, 8, 12) == round(space.macs_per_pixel(genotype) * 8 * 12 * supernet.signature.scale**2)


@pytest.mark.parametrize("form", ["linear", "ecb"])
def test_branches_of_members_merge(supernets, form):
    for seed in range(8):
        genotype = SmallSpace(Y).sample(np.random.default_rng(seed))
        network = supernets["y", form].inherit(genotype)
        refit(network.body, picture(Y), truth(Y))
        with torch.no_grad():
            expected, found = network(picture(Y)), deploy(network)(picture(Y))
        assert (expected - found).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)


@pytest.mark.parametrize("form", FORMS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_cells_are_made_of_the_shared_weights_of_their_edges_and_ends(form, seed):
    space = SmallCells(Y)
    supernet, genotype = Supernet(space, branches=form, seed=3), space.sample(np.random.default_rng(seed))
    network, width = supernet.inherit(genotype), genotype.width
    assert count_params(deploy(network)) == space.params(genotype)
    for number, cell in enumerate(network.body.layers[1:]):
        for node, edges in enumerate(genotype.nodes):
            for place, edge in enumerate(edges):
                for name, value in cell.nodes[node][place].named_parameters():
                    shared = supernet.weights[f"{number}/{node}/{edge.source}/{edge.op}/{name}"]
                    ratio = value / cut(shared, value.shape)
                    assert torch.allclose(ratio[ratio.isfinite()], ratio[ratio.isfinite()].mean(), rtol=1e-4)
        ends = loose_ends(genotype.nodes)
        kernels = [supernet.weights[f"{number}/end/{node}/weight"][:width, :width] for node in ends]
        expected = torch.cat(kernels, 1) * (144 / (len(ends) * width)) ** 0.5
        assert torch.allclose(cell.merge.weight, expected, rtol=1e-5)


def test_every_bank_of_cells_is_of_use():
    space, rng = SmallCells(Y), np.random.default_rng(0)
    genotype = space.smallest()
    walk = [genotype := space.mutate(genotype, rng) for _ in range(1500)]
    edges = [(node, edge) for one in walk for node, edges in enumerate(one.nodes) for edge in edges]
    assert {(node, edge.source) for node, edge in edges} == {(n, source) for n in range(dag.MAX_NODES) for source in range(n + 1)}
    assert {(node, edge.op) for node, edge in edges} == {(n, op) for n in range(dag.MAX_NODES) for op in dag.OPS}
    assert {end for one in walk for end in loose_ends(one.nodes)} == set(range(dag.MAX_NODES))


def test_an_inherited_network_is_a_copy(supernets):
    supernet = supernets["y", "none"]
    before = {name: value.clone() for name, value in supernet.weights.items()}
    with torch.no_grad():
        for value in supernet.inherit(MobileGenotype((Layer("conv3", 8, "prelu"),))).parameters():
            value.add_(1.0)
    assert all(torch.equal(before[name], value) for name, value in supernet.weights.items())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("op", ["conv1", "conv3", "conv5", "dw3", "dw5", "ib3"])
def test_wide_and_narrow_members_start_with_signals_of_one_size(form, op):
    supernet = Supernet(Shallow(Y), branches=form, seed=0)
    sizes = []
    for width in (8, 16, 48):
        chain = MobileGenotype((Layer(op, width, "relu", hidden=2 * width if op == "ib3" else 0),) * 4)
        out = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            for layer in supernet.inherit(chain).body.layers:
                out = layer(out)
        sizes.append(float(out.std()))
    assert 0.03 < min(sizes) < max(sizes) < 30


def test_the_seed_decides_and_the_global_generator_does_not_notice():
    state = torch.get_rng_state()
    first, same, other = (Supernet(SmallSpace(Y), seed=seed).weights for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_cut_takes_the_first_channels():
    bank = torch.arange(2 * 3 * 5 * 5.0).view(2, 3, 5, 5)
    assert torch.equal(cut(bank, torch.Size((1, 2, 5, 5))), bank[:1, :2])
    assert torch.equal(cut(bank[:, :, 0, 0], torch.Size((2, 2))), bank[:, :2, 0, 0])


def test_another_space_is_refused():
    with pytest.raises(UsageError, match="space `mobile`"):
        Supernet(SmallSpace(Y)).inherit(ReferenceGenotype("fsrcnn"))
    with pytest.raises(UsageError, match="`mobile` and `cell` alone"):
        Supernet(ErdbSpace(Y))


@pytest.mark.parametrize("form", FORMS)
def test_the_file_gives_back_every_member(tmp_path: Path, supernets, form):
    supernet, path = supernets["y", form], tmp_path / "supernet.safetensors"
    sight = picture(Y), truth(Y)
    save_supernet(path, supernet, supernet.weights, sight, "supernet-v3")
    again, seen, version = load_supernet(path)
    assert all(torch.equal(planes, others) for planes, others in zip(sight, seen, strict=True))
    assert version == "supernet-v3"
    assert all(torch.equal(again.weights[name], value) for name, value in supernet.weights.items())
    genotype = SmallSpace(Y).sample(np.random.default_rng(0))
    x, expected = picture(Y), supernet.inherit(genotype)
    refit(expected.body, *sight)
    for wanted in {form, "none"}:
        network, _ = inherited(path, genotype, wanted)
        assert network.branches == wanted
        with torch.no_grad():
            assert torch.allclose(network(x), expected(x), atol=1e-4)


def test_files_that_give_no_weights_say_so(tmp_path: Path, supernets):
    path, supernet = tmp_path / "supernet.safetensors", supernets["y", "none"]
    genotype = MobileGenotype((Layer("conv3", 8, "relu"),))
    with pytest.raises(DataError, match="cannot be read"):
        load_supernet(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="no shared weights"):
        load_supernet(path)
    save_supernet(path, supernet, {"plain/0": torch.zeros(1)}, (picture(Y), truth(Y)), "supernet-v0")
    with pytest.raises(DataError, match="another supernet"):
        load_supernet(path)
    save_supernet(path, supernet, supernet.weights, (picture(Y), truth(Y)), "supernet-v0")
    with pytest.raises(UsageError, match="--from-scratch"):
        inherited(path, genotype, "ecb")
    with pytest.raises(DataError, match="larger than"):
        inherited(path, replace(genotype, layers=(Layer("conv3", 900, "relu"),)), "none")
