"""Chains as networks: the global skips are what they say, the reach is exact, sizes are checked."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from pixsearch.errors import DataError, UsageError
from pixsearch.nn.body import Bicubic
from pixsearch.nn.build import Network, build
from pixsearch.pixels.resize import resize
from pixsearch.signature import Port, Signature
from pixsearch.space.chain import HEADS
from pixsearch.space.mobile import SKIPS, MobileGenotype, MobileSpace


def signature(scale: int = 2, channels: int = 1) -> Signature:
    return Signature("sr", scale, "y" if channels == 1 else "rgb", (Port("input", channels),), Port("output", channels))


def chain(space: MobileSpace, ops: list[str], **ends) -> MobileGenotype:
    layers = [{"op": op, "width": 4, "act": "leaky", **({"hidden": 4} if op == "ib3" else {})} for op in ops]
    return space.parse({"layers": layers, **ends})


def silent(genotype: MobileGenotype, border: Signature) -> Network:
    """A network whose tail says nothing: its output is the global skip."""
    network = build(genotype, border)
    with torch.no_grad():
        for value in network.body.tail.parameters():
            value.zero_()
    return network


def picture(channels: int, height: int = 16, width: int = 20) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("head", ["plain", "s2d", "s2d4"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [2, 3, 4])
class TestGlobalSkip:
    def test_bicubic_equals_resize_inside_the_picture(self, scale, channels, head):
        border = signature(scale, channels)
        x = picture(channels)
        with torch.no_grad():
            output = silent(chain(MobileSpace(border), ["conv3"], head=head, skip="bicubic"), border)(x)
        for found, source in zip(output, x, strict=True):
            planes = source.permute(1, 2, 0).contiguous().numpy()
            expected = resize(planes, planes.shape[0] * scale, planes.shape[1] * scale).reshape(*found.shape[1:], channels)
            edge = 2 * scale
            difference = np.abs(found.permute(1, 2, 0).numpy() - expected)[edge:-edge, edge:-edge]
            assert difference.max() <= 1e-5

    def test_bicubic_leaves_a_flat_picture_flat_up_to_its_edge(self, scale, channels, head):
        border = signature(scale, channels)
        with torch.no_grad():
            output = silent(chain(MobileSpace(border), ["conv3"], head=head, skip="bicubic"), border)(torch.full((1, channels, 8, 12), 0.7))
        assert torch.allclose(output, torch.full_like(output, 0.7), atol=1e-6)

    def test_nearest_repeats_pixels(self, scale, channels, head):
        border = signature(scale, channels)
        x = picture(channels)
        with torch.no_grad():
            output = silent(chain(MobileSpace(border), ["conv3"], head=head), border)(x)
        assert torch.equal(output, x.repeat_interleave(scale, 2).repeat_interleave(scale, 3))

    def test_an_untrained_network_is_close_to_its_skip(self, scale, channels, head):
        border = signature(scale, channels)
        x = picture(channels)
        for skip in ("nearest", "bicubic"):
            genotype = chain(MobileSpace(border), ["conv3"] * 4, head=head, skip=skip)
            with torch.no_grad():
                difference = build(genotype, border)(x) - silent(genotype, border)(x)
            assert 0 < difference.square().mean().sqrt() < 0.03


@pytest.mark.parametrize("head", ["plain", "s2d", "s2d4"])
@pytest.mark.parametrize("channels", [1, 3])
def test_at_scale_1_the_skip_is_the_input(channels, head):
    border = signature(1, channels)
    x = picture(channels)
    with torch.no_grad():
        assert torch.equal(silent(chain(MobileSpace(border), ["conv3"], head=head), border)(x), x)


def test_the_bicubic_kernel_is_not_trained():
    border = signature()
    network = build(chain(MobileSpace(border), ["conv3"], skip="bicubic"), border)
    assert any(isinstance(module, Bicubic) for module in network.modules())
    assert not any("bicubic" in name for name, _ in network.named_parameters())
    assert not any("bicubic" in name for name in network.state_dict())


CHAINS = [["conv1"], ["conv3"], ["conv5", "conv3"], ["dw3"], ["dw5", "conv1"], ["ib3", "dw5"], ["conv3"] * 4]


@pytest.mark.parametrize("tail", [1, 3, 5])
@pytest.mark.parametrize("ops", CHAINS, ids=" ".join)
@pytest.mark.parametrize(("head", "skip"), list(product(HEADS, SKIPS)))
def test_the_radius_is_reached_and_not_passed(ops, head, skip, tail):
    border = signature(2)
    space = MobileSpace(border)
    genotype = chain(space, ops, head=head, skip=skip, tail=tail)
    radius, step = space.receptive_radius(genotype), space.multiple(genotype)
    network = build(genotype, border).double()
    with torch.no_grad():
        for value in network.parameters():
            value.fill_(0.25)
    side = 2 * radius + 4 * step
    farthest = 0
    for offset in range(step):
        at = radius + offset + step
        x = torch.rand(1, 1, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        other = x.clone()
        other[:, :, at, at] += 1
        with torch.no_grad():
            change = (network(other) - network(x)).abs().amax((0, 1)) > 1e-9
        farthest = max(farthest, int((change.nonzero() // border.scale - at).abs().max()))
    beyond_block = radius > 2  # rounded up: the bicubic reach of 2 is a whole block already
    assert farthest == radius - 1 if head != "plain" and (beyond_block or skip == "nearest") else farthest == radius


@pytest.mark.parametrize(("head", "height", "width"), [("s2d", 7, 8), ("s2d", 8, 7), ("s2d", 7, 7), ("s2d4", 8, 10)])
def test_a_folding_network_refuses_sizes_that_do_not_divide(head, height, width):
    border = signature()
    network = build(chain(MobileSpace(border), ["conv3"], head=head), border)
    with pytest.raises(DataError, match=f"{width}×{height}"):
        network(torch.rand(1, 1, height, width))


def test_inputs_are_joined_and_the_picture_alone_is_skipped():
    border = Signature("denoise", 1, "rgb", (Port("input", 3), Port("noise", 1)), Port("output", 3))
    for head in HEADS:
        network = silent(chain(MobileSpace(border), ["conv3"], head=head), border)
        x, noise = picture(3), picture(1)
        with torch.no_grad():
            assert torch.equal(network(x, noise), x)


def test_more_outputs_than_inputs_have_no_skip():
    border = Signature("jdd", 1, "rgb", (Port("input", 1),), Port("output", 3))
    with pytest.raises(UsageError, match="no global skip"):
        build(MobileSpace(border).smallest(), border)
