"""Channel pruning: slices equal masks exactly, the bound is met as nearly as it can be, and what matters least goes first."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pixsearch.errors import InfeasibleError
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.cost import count_macs, count_params
from pixsearch.prune.anatomy import anatomy_of
from pixsearch.prune.channels import importance, magnitude
from pixsearch.prune.ranking import LEAST, Plan, Ranking
from pixsearch.prune.shares import by_scores
from pixsearch.prune.slicing import slice_network
from pixsearch.signature import Port, Signature
from pixsearch.space.chain import ACTS
from pixsearch.space.mobile import MobileGenotype, MobileSpace
from pixsearch.space.video import VideoSpace

few = settings(max_examples=12, deadline=None, database=None)


def signature(channels: int = 1) -> Signature:
    return Signature("sr", 2, "y" if channels == 1 else "rgb", (Port("input", channels),), Port("output", channels))


def plan(network: Network, members: MobileSpace | VideoSpace, keep_macs: float, inputs: list[Tensor]) -> Plan:
    """What goes by importance."""
    ranking = Ranking(anatomy_of(network.genotype, network.signature), importance(network, inputs))
    return ranking.plan(by_scores(ranking, members, keep_macs))


def space(channels: int = 1) -> MobileSpace:
    return MobileSpace(signature(channels))


def layer(op: str, width: int = 6, act: str = "prelu", **more: Any) -> dict[str, Any]:
    return {"op": op, "width": width, "act": act, **more}


def block(width: int = 6, hidden: int = 9, residual: bool = True, act: str = "prelu") -> dict[str, Any]:
    return layer("ib3", width, act, hidden=hidden, residual=residual)


def dynamic(op: str, width: int = 6, experts: int = 4, attention: str = "sigmoid") -> dict[str, Any]:
    return layer(op, width, experts=experts, attention=attention)


CHAINS = {
    "convolutions": [layer("conv1"), layer("conv3", 5), layer("conv5", 7)],
    "separable": [layer("conv3"), layer("dw3", 5), layer("dw5", 7)],
    "separable first": [layer("dw5"), layer("conv3")],
    "bottleneck": [layer("conv3"), block(5, residual=False), block(7, residual=False)],
    "residual": [layer("conv3"), block(), block(), layer("dw3", 5), block(5)],
    "residual first": [block(4), block(4), layer("conv3")],
    "dynamic": [layer("conv3"), dynamic("dynconv3", 5), dynamic("dyndw3", 7), layer("conv3"), dynamic("dynconv3", 4, attention="softmax")],
    "dynamic first": [dynamic("dyndw3"), block(), dynamic("dynconv3")],
    "biases show": [layer(op, 6, "hardswish") for op in ("conv3", "dw3")] + [block(6, 9, act="hardswish")],
}
CASES = [(name, head, channels) for name, head, channels in product(CHAINS, ("plain", "s2d", "s2d4"), (1, 3))]


def shaken(genotype: MobileGenotype, border: Signature, branches: Any = "none") -> Network:
    """Weights as after training: no zero biases, slopes that differ."""
    network = build(genotype, border, branches=branches)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.2)
    return network.eval()


def pixel_macs(mobile: MobileSpace, network: Network) -> int:
    """Counted multiply-adds, but for those of a picture as a whole."""
    return count_macs(network, 8, 8) - mobile.macs_per_picture(network.genotype)


def picture(channels: int, count: int = 2, side: int = 12) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def some_kept(genotype: MobileGenotype, seed: int) -> dict[tuple[int, str], list[int]]:
    """Random channels of every group, at least one."""
    rng = np.random.default_rng(seed)
    kept: dict[tuple[int, str], list[int]] = {(i, "out"): list(range(one.width)) for i, one in enumerate(genotype.layers)}
    anatomy = anatomy_of(genotype, signature())
    for strand in anatomy.strands:
        size = anatomy.sizes[strand[0]]
        channels = sorted(rng.choice(size, int(rng.integers(1, size + 1)), replace=False).tolist())
        kept |= dict.fromkeys(strand, channels)
    return kept


def masked(network: Network, kept: dict[tuple[int, str], list[int]]) -> Network:
    """The whole network, with the channels that are not kept set to zero behind their activations."""
    network = deploy(network)

    def mask(channels: list[int]):
        def hook(_module, _inputs, output):
            factor = torch.zeros(output.shape[1])
            factor[channels] = 1
            return output * factor.view(1, -1, 1, 1)

        return hook

    for (number, what), channels in kept.items():
        name = f"layers.{number}" if what == "out" else f"layers.{number}.0.act2"
        network.body.get_submodule(name).register_forward_hook(mask(channels))
    return network


@pytest.mark.parametrize(("name", "head", "channels"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_a_slice_equals_the_masked_network(name, head, channels, seed):
    genotype = space(channels).parse({"layers": CHAINS[name], "head": head})
    network = shaken(genotype, signature(channels))
    kept, x = some_kept(genotype, seed), picture(channels)
    sliced = slice_network(network, kept)
    with torch.no_grad():
        expected = masked(network, kept)(x)
        assert (sliced(x) - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)
    assert space(channels).parse(sliced.genotype.genes()) == sliced.genotype
    assert count_params(sliced) == space(channels).params(sliced.genotype)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("form", [{"form": "recurrent", "state": 5}, {"form": "stacked", "window": 3}])
@pytest.mark.parametrize("head", ["plain", "s2d"])
def test_a_slice_of_a_video_network_equals_the_masked_one(name, form, head):
    frames = Signature("video-sr", 2, "y", (Port("frames", 5),), Port("output", 1), settings={"window": 5, "length": 5})
    members = VideoSpace(frames)
    genotype = members.parse({"layers": CHAINS[name], "head": head, **form})
    network = shaken(genotype, frames)
    kept, x = some_kept(genotype.chain, 0), picture(5 if genotype.state else 3)
    sliced = slice_network(network, kept)
    with torch.no_grad():
        expected = masked(network, kept)(x)
        # rounding grows from frame to frame
        assert (sliced(x) - expected).abs().max() <= 1e-4 * expected.abs().max().clamp(min=1)
    assert members.parse(sliced.genotype.genes()) == sliced.genotype
    chosen = plan(network, members, 0.8, [x])
    assert members.macs_per_pixel(chosen.genotype) <= 0.8 * members.macs_per_pixel(genotype)
    assert (chosen.genotype.form, chosen.genotype.state, chosen.genotype.window) == (genotype.form, genotype.state, genotype.window)


@few
@given(seed=st.integers(0, 2**32 - 1))
def test_any_member_can_be_sliced(seed):
    rng = np.random.default_rng(seed)
    genotype = space().mutate(space().sample(rng), rng)
    network, kept = shaken(genotype, signature()), some_kept(genotype, seed % 1000)
    sliced = slice_network(network, kept)
    x = picture(1, 1, 8)
    with torch.no_grad():
        expected = masked(network, kept)(x)
        assert (sliced(x) - expected).abs().max() <= 1e-4 * expected.abs().max().clamp(min=1)
    assert space().parse(sliced.genotype.genes()) == sliced.genotype


@pytest.mark.parametrize("branches", ["linear", "ecb"])
def test_a_training_form_is_merged_first(branches):
    genotype = space().parse({"layers": CHAINS["residual"]})
    network, kept = shaken(genotype, signature(), branches), some_kept(genotype, 0)
    sliced = slice_network(network, kept)
    with torch.no_grad():
        expected = masked(network, kept)(picture(1))
        assert (sliced(picture(1)) - expected).abs().max() <= 1e-4 * expected.abs().max().clamp(min=1)
    assert sliced.branches == "none"


def test_the_network_itself_is_left_alone():
    genotype = space().parse({"layers": CHAINS["residual"]})
    network = shaken(genotype, signature())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = plan(network, space(), 0.5, [picture(1)])
    slice_network(network, found.kept)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(value.grad is None for value in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


class TestGroups:
    def test_residuals_tie_widths(self):
        genotype = space().parse({"layers": CHAINS["residual"]})
        assert set(anatomy_of(genotype, signature()).strands) == {
            ((0, "out"), (1, "out"), (2, "out")),
            ((3, "out"), (4, "out")),
            ((1, "hidden"),),
            ((2, "hidden"),),
            ((4, "hidden"),),
        }

    def test_channels_tied_to_the_input_stay(self):
        genotype = space().parse({"layers": CHAINS["residual first"], "head": "s2d"})
        assert set(anatomy_of(genotype, signature()).strands) == {((2, "out"),), ((0, "hidden"),), ((1, "hidden"),)}


@pytest.mark.parametrize(("name", "head", "channels"), CASES)
@pytest.mark.parametrize("keep_macs", [0.9, 0.7])
def test_the_bound_is_met_and_no_channel_more_would_fit(name, head, channels, keep_macs):
    mobile = space(channels)
    genotype = mobile.parse({"layers": CHAINS[name], "head": head})
    network = shaken(genotype, signature(channels))
    found = plan(network, mobile, keep_macs, [picture(channels)])
    sliced = slice_network(network, found.kept)
    bound = keep_macs * pixel_macs(mobile, network)
    assert sliced.genotype == found.genotype
    assert pixel_macs(mobile, sliced) <= bound
    anatomy = anatomy_of(genotype, signature(channels))
    for strand in anatomy.strands:
        missing = sorted(set(range(anatomy.sizes[strand[0]])) - set(found.kept[strand[0]]))
        assert len(found.kept[strand[0]]) >= LEAST
        if missing:
            wider = {**found.kept, **{place: sorted([*found.kept[place], missing[0]]) for place in strand}}
            assert mobile.macs_per_pixel(anatomy.narrowed(wider)) > keep_macs * mobile.macs_per_pixel(genotype)


def test_the_same_again_gives_the_same_plan():
    network = shaken(space().parse({"layers": CHAINS["residual"]}), signature())
    assert plan(network, space(), 0.6, [picture(1)]) == plan(network, space(), 0.6, [picture(1)])


def test_what_cannot_be_reached_is_said_with_what_can():
    network = shaken(space().parse({"layers": [layer("conv3", 8)] * 2}), signature())
    with pytest.raises(InfeasibleError, match="`--keep-macs 0.001`") as caught:
        plan(network, space(), 0.001, [picture(1)])
    least = float(str(caught.value).split("Ask for ")[1].split(" ")[0])
    assert {len(channels) for channels in plan(network, space(), least, [picture(1)]).kept.values()} == {LEAST}


class TestImportance:
    def test_channels_nobody_listens_to_go_first(self):
        genotype = space().parse({"layers": [layer("conv3", 8), layer("conv3", 8)]})
        network = shaken(genotype, signature())
        deaf = [1, 4, 6]
        with torch.no_grad():
            network.body.layers[1][0].weight[:, deaf] = 0
        scores = importance(network, [picture(1)])
        assert (scores[((0, "out"),)][deaf] == 0).all()
        found = plan(network, space(), 0.8, [picture(1)])
        assert set(range(8)) - set(found.kept[0, "out"]) <= set(deaf)
        with torch.no_grad():
            assert torch.allclose(slice_network(network, found.kept)(picture(1)), network(picture(1)), atol=1e-5)

    @pytest.mark.parametrize("act", ["leaky", "relu"])
    def test_it_is_the_change_of_the_output_where_the_network_is_linear(self, act):
        """Behind the last layer nothing bends, so there the first order is all: scores equal measured changes."""
        genotype = space().parse({"layers": [layer("conv3", 6, act), layer("conv3", 8, act)]})
        network, x = shaken(genotype, signature()), picture(1, 200, 8)
        scores = importance(network, [x])[((1, "out"),)]
        kept = {(0, "out"): list(range(6)), (1, "out"): list(range(8))}
        with torch.no_grad():
            whole = network(x)
            measured = torch.stack(
                [
                    (masked(network, {**kept, (1, "out"): [c for c in range(8) if c != gone]})(x) - whole).square().mean()
                    for gone in range(8)
                ]
            )
        assert torch.allclose(scores, measured, rtol=0.35)
        assert scores.argsort()[[0, -1]].tolist() == measured.argsort()[[0, -1]].tolist()

    def test_a_residual_group_counts_all_that_goes(self):
        """In a linear network the score of a tied channel is what removing it everywhere does."""
        genotype = space().parse({"layers": [layer("conv3", 5, "leaky"), block(5, 6, act="leaky"), layer("conv1", 4, "leaky")]})
        network, x = shaken(genotype, signature()), picture(1, 200, 8)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.LeakyReLU):
                    module.negative_slope = 1.0
                if isinstance(module, torch.nn.Conv2d) and module is not network.body.layers[0][0] and module.bias is not None:
                    module.bias.zero_()
        group = ((0, "out"), (1, "out"))
        scores = importance(network, [x])[group]
        with torch.no_grad():
            # To first order: each of the two sources of the channel silenced alone, changes added up.
            whole, changes = network(x), []
            for gone in range(5):
                total = torch.zeros_like(whole)
                for name in ("layers.0", "layers.1.0.project"):
                    hooked = deploy(network)
                    hooked.body.get_submodule(name).register_forward_hook(silence(gone))
                    total += hooked(x) - whole
                changes.append(total.square().mean())
        assert torch.allclose(scores, torch.stack(changes), rtol=0.35)

    def test_a_pruned_network_is_closer_than_one_pruned_at_random(self):
        genotype = space().parse({"layers": [layer("conv3", 12, "relu")] * 3})
        network, x = shaken(genotype, signature()), picture(1, 16, 16)
        found = plan(network, space(), 0.6, [x])
        rng = np.random.default_rng(0)
        with torch.no_grad():
            whole = network(x)
            loss = (slice_network(network, found.kept)(x) - whole).square().mean()
            at_random = []
            for _ in range(10):
                kept = {p: sorted(rng.choice(12, len(channels), replace=False).tolist()) for p, channels in found.kept.items()}
                at_random.append((slice_network(network, kept)(x) - whole).square().mean())
        assert loss < 0.6 * torch.stack(at_random).median()


def silence(channel: int):
    def hook(_module, _inputs, output):
        output = output.clone()
        output[:, channel] = 0
        return output

    return hook


@pytest.mark.parametrize("act", ACTS)
def test_every_activation_is_sliced(act):
    genotype = space().parse({"layers": [layer("conv3", 6, act), block(6, 8, act=act)]})
    network, kept = shaken(genotype, signature()), some_kept(genotype, 5)
    with torch.no_grad():
        expected = masked(network, kept)(picture(1))
        assert torch.allclose(slice_network(network, kept)(picture(1)), expected, atol=1e-4)


def test_the_weights_of_a_kernel_that_is_computed_count_with_all_experts():
    space = MobileSpace(signature())
    network = deploy(build(space.parse({"layers": [dynamic("dynconv3")]}), space.signature))
    conv = network.body.layers[0][0]
    with torch.no_grad():
        before = magnitude(network)
        conv.weights[2][3] += 5.0 * conv.weights[2][3].sign()
    (strand,) = before
    moved = magnitude(network)[strand] - before[strand]
    assert moved[3] == pytest.approx(5.0 * conv.weights[2][3].numel(), rel=1e-4)
    assert moved.abs().sum() == pytest.approx(float(moved[3]), rel=1e-4)
