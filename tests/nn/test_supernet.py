"""Shared weights: a member is a slice of them, computes its own path alone, and can be taken out as an ordinary network."""

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
from pixsearch.nn.build import deploy
from pixsearch.nn.cost import count_macs, count_params
from pixsearch.nn.supernet import Supernet, cut
from pixsearch.nn.supernetfile import inherited, load_supernet, save_supernet
from pixsearch.signature import Port, Signature
from pixsearch.space.mobile import Layer, MobileGenotype, MobileSpace
from pixsearch.space.reference import ReferenceGenotype
from pixsearch.space.vary import Limits

Y = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))
RGB = Signature("sr", 3, "rgb", (Port("input", 3),), Port("output", 3))
FORMS = ("none", "linear", "ecb")


class SmallSpace(MobileSpace):
    """The space up to few and narrow layers."""

    limits = Limits(depth=(1, 5), width=(4, 20), hidden=(4, 40))


def shaken(signature: Signature, branches: str) -> Supernet:
    """Weights as after training: no zero biases, no quiet tail."""
    supernet = Supernet(signature, branches=branches, seed=1, limits=SmallSpace.limits)
    generator = torch.Generator().manual_seed(2)
    for value in supernet.weights.values():
        value.add_(torch.randn(value.shape, generator=generator) * 0.03)
    return supernet


@pytest.fixture(scope="module")
def supernets() -> dict[tuple[str, str], Supernet]:
    return {(s.color, form): shaken(s, form) for s in (Y, RGB) for form in FORMS}


def picture(signature: Signature) -> Tensor:
    return torch.rand(1, signature.in_channels, 8, 12, generator=torch.Generator().manual_seed(3))


@given(seed=st.integers(0, 10**6), color=st.sampled_from(["y", "rgb"]), form=st.sampled_from(FORMS), mutated=st.booleans())
@settings(max_examples=40, deadline=None)
def test_an_inherited_network_gives_what_its_path_gives(supernets, seed, color, form, mutated):
    supernet = supernets[color, form]
    space, rng = SmallSpace(supernet.signature), np.random.default_rng(seed)
    genotype = space.sample(rng)
    genotype = space.mutate(genotype, rng) if mutated else genotype
    x = picture(supernet.signature)
    with torch.no_grad():
        path, network = supernet.member(genotype)(x), supernet.inherit(genotype)
        trained, deployed = network(x), deploy(network)(x)
    size = path.abs().max().clamp(min=1)
    assert (path - trained).abs().max() <= 1e-5 * size
    assert (path - deployed).abs().max() <= 1e-5 * size
    assert count_params(network) == space.params(genotype)


def test_a_path_is_the_first_channels_and_the_centre_of_the_kernel(supernets):
    """By hand: 3×3 to 6 channels, leaky; 3×3 tail on top of the repeated input."""
    weights = supernets["y", "none"].weights
    genotype = MobileGenotype((Layer("conv3", 6, "leaky"),))
    x = picture(Y)
    hidden = F.conv2d(x, weights["plain/0/conv5/0.weight"][:6, :1, 1:4, 1:4], weights["plain/0/conv5/0.bias"][:6], padding=1)
    tail = weights["plain/tail/weight"]
    out = F.conv2d(F.leaky_relu(hidden, 0.1), tail[:, :6, 1:4, 1:4], weights["plain/tail/bias"], padding=1)
    with torch.no_grad():
        found = supernets["y", "none"].member(genotype)(x)
    assert torch.allclose(found, F.pixel_shuffle(out + x, 2), atol=1e-6)


def test_only_the_member_s_own_path_is_computed(supernets):
    space = SmallSpace(Y)
    for seed in range(10):
        genotype = space.sample(np.random.default_rng(seed))
        assert count_macs(supernets["y", "none"].member(genotype), 8, 12) == round(space.macs_per_pixel(genotype) * 8 * 12 * 4)


def test_a_member_lies_in_the_shared_weights_and_an_inherited_network_does_not(supernets):
    supernet = shaken(Y, "none")
    genotype = MobileGenotype((Layer("dw3", 8, "prelu"), Layer("ib3", 12, "relu", hidden=20)))
    before = {name: value.clone() for name, value in supernet.weights.items()}
    with torch.no_grad():
        for value in supernet.inherit(genotype).parameters():
            value.add_(1.0)
        assert all(torch.equal(before[name], value) for name, value in supernet.weights.items())
        for value in supernet.member(genotype).parameters():
            value.add_(1.0)
    moved = {name for name, value in supernet.weights.items() if not torch.equal(before[name], value)}
    assert {name.rpartition("/")[0] for name in moved} == {"plain/0/dw5", "plain/1/ib3", "plain/tail"}
    project = supernet.weights["plain/1/ib3/0.project.weight"] - before["plain/1/ib3/0.project.weight"]
    assert (project[:12, :20] == 1).all()
    assert project.count_nonzero() == 12 * 20


@pytest.mark.parametrize("form", FORMS)
def test_wide_and_narrow_members_start_with_signals_of_one_size(form):
    supernet, x = Supernet(Y, branches=form, seed=0, limits=Limits(depth=(1, 4))), torch.randn(1, 1, 16, 16)
    for op in ("conv3", "dw5", "ib3"):
        sizes = []
        for width in (8, 16, 32):
            chain = MobileGenotype((Layer(op, width, "relu", hidden=2 * width if op == "ib3" else 0),) * 4)
            with torch.no_grad():
                layers = supernet.member(chain).body.layers
                out = x
                for layer in layers:
                    out = layer(out)
            sizes.append(float(out.std()))
        assert 0.01 < min(sizes) < max(sizes) < 100


def test_the_seed_decides_and_the_global_generator_does_not_notice():
    state = torch.get_rng_state()
    first, same, other = (Supernet(Y, seed=seed, limits=SmallSpace.limits).weights for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_cut_takes_the_first_channels_and_the_centre():
    bank = torch.arange(2 * 3 * 5 * 5.0).view(2, 3, 5, 5)
    assert torch.equal(cut(bank, torch.Size((1, 2, 3, 3))), bank[:1, :2, 1:4, 1:4])
    assert torch.equal(cut(bank[:, :, 0, 0], torch.Size((2, 2))), bank[:, :2, 0, 0])


def test_another_space_is_refused():
    with pytest.raises(UsageError, match="space `mobile`"):
        Supernet(Y, limits=SmallSpace.limits).member(ReferenceGenotype("fsrcnn"))


@pytest.mark.parametrize("form", FORMS)
def test_the_file_gives_back_every_member(tmp_path: Path, supernets, form):
    supernet, path = supernets["y", form], tmp_path / "supernet.safetensors"
    save_supernet(path, supernet, supernet.weights, "supernet-v3")
    again, version = load_supernet(path)
    assert version == "supernet-v3"
    assert all(torch.equal(again.weights[name], value) for name, value in supernet.weights.items())
    genotype = SmallSpace(Y).sample(np.random.default_rng(0))
    x = picture(Y)
    for wanted in {form, "none"}:
        network, _ = inherited(path, genotype, wanted)
        assert network.branches == wanted
        with torch.no_grad():
            assert torch.allclose(network(x), supernet.member(genotype)(x), atol=1e-4)


def test_files_that_give_no_weights_say_so(tmp_path: Path, supernets):
    path, supernet = tmp_path / "supernet.safetensors", supernets["y", "none"]
    genotype = MobileGenotype((Layer("conv3", 8, "relu"),))
    with pytest.raises(DataError, match="cannot be read"):
        load_supernet(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="no shared weights"):
        load_supernet(path)
    save_supernet(path, supernet, {"tail": torch.zeros(1)}, "supernet-v0")
    with pytest.raises(DataError, match="another supernet"):
        load_supernet(path)
    save_supernet(path, supernet, supernet.weights, "supernet-v0")
    with pytest.raises(UsageError, match="--from-scratch"):
        inherited(path, genotype, "ecb")
    with pytest.raises(DataError):
        inherited(path, replace(genotype, layers=(Layer("conv3", 900, "relu"),)), "none")
