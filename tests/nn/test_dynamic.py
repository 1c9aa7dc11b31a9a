"""Dynamic convolution: kernels and feature maps fuse to the same, picture by picture; strips see the whole picture; softmaxes cool."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pixsearch.nn.build import Network, build
from pixsearch.nn.dynamic import COOLED, HOTTEST, DynamicConv, cool, freeze, predictors
from pixsearch.signature import Port, Signature
from pixsearch.space.mobile import MobileSpace
from pixsearch.train import validate

BORDER = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))


def layer(op: str, width: int = 6, **more: Any) -> dict[str, Any]:
    return {"op": op, "width": width, "act": "leaky", **more}


def network(*ops: str, head: str = "plain", attention: str = "sigmoid", experts: int = 4) -> Network:
    """A chain of these operators with weights as after training."""
    layers = [layer(op, experts=experts, attention=attention) if op.startswith("dyn") else layer(op) for op in ops]
    found = build(MobileSpace(BORDER).parse({"layers": layers, "head": head}), BORDER)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in found.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.3)
    return found.eval()


def pictures(count: int = 3, height: int = 12, width: int = 16) -> Tensor:
    """Dark and bright ones."""
    noise = torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(1))
    return noise * torch.linspace(0.1, 1, count)[:, None, None, None]


def fuse(found: Network, what: Any) -> Network:
    for module in found.modules():
        if isinstance(module, DynamicConv):
            module.fuses = what
    return found


@pytest.mark.parametrize("attention", ["sigmoid", "softmax"])
@pytest.mark.parametrize("experts", [2, 4, 6])
@pytest.mark.parametrize("ops", [("conv3", "dynconv3", "dynconv3"), ("dyndw3", "conv1", "dynconv3")])
@torch.no_grad()
def test_fused_kernels_equal_fused_features_on_batches(ops, experts, attention):
    found, x = network(*ops, attention=attention, experts=experts), pictures()
    by_features, by_kernels = fuse(found, "features")(x), fuse(found, "kernels")(x)
    assert (by_features - by_kernels).abs().max() <= 1e-5 * by_features.abs().max()
    alone = torch.cat([found(x[n : n + 1]) for n in range(len(x))])
    assert (alone - by_kernels).abs().max() <= 1e-5 * by_features.abs().max()


def test_both_forms_have_the_same_gradients():
    found, x = network("conv3", "dynconv3", "dyndw3").double().train(), pictures().double()
    gradients = []
    for what in ("features", "kernels"):
        found.zero_grad()
        fuse(found, what)(x).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in found.parameters()])
    for first, second in zip(*gradients, strict=True):
        assert torch.allclose(first, second, rtol=1e-9, atol=1e-9)
        assert first.abs().max() > 0


@torch.no_grad()
def test_pictures_get_kernels_of_their_own():
    found = network("conv3", "dynconv3")
    (shares,) = found.body.predictor(found.body.stem(pictures()))
    assert shares.shape == (3, 6, 4)
    assert (shares > 0).all()
    assert (shares < 1).all()
    kernels = found.body.layers[1][0].fused(shares)
    assert (kernels[0] - kernels[2]).abs().max() > 0.01


@torch.no_grad()
def test_softmax_shares_add_up_to_one():
    found = network("conv3", "dynconv3", attention="softmax")
    (shares,) = found.body.predictor(found.body.stem(pictures()))
    assert torch.allclose(shares.sum(2), torch.ones(3, 6))


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sigmoid", "softmax"])
@pytest.mark.parametrize("experts", [2, 6])
def test_a_fresh_network_is_the_static_one_with_the_fixed_kernels(attention, experts):
    layers = [
        layer("conv3"),
        layer("dynconv3", experts=experts, attention=attention),
        layer("dyndw3", experts=experts, attention=attention),
    ]
    found, x = build(MobileSpace(BORDER).parse({"layers": layers}), BORDER), pictures()
    shares = found.body.predictor(found.body.entering(x))
    static = freeze(found, [of_layer[0] for of_layer in shares])
    assert (found(x) - static(x)).abs().max() <= 1e-6
    assert torch.equal(static.body.layers[1][0].weight, found.body.layers[1][0].fixed)
    assert torch.equal(static.body.layers[2][0].depthwise.weight, found.body.layers[2][0].depthwise.fixed)


@torch.no_grad()
def test_a_fresh_layer_keeps_the_size_of_its_input():
    torch.manual_seed(0)
    conv = DynamicConv(32, 32, 3, 4, "sigmoid")
    conv.start(1.0)
    x = torch.randn(4, 32, 24, 24)
    out = conv(x, torch.full((4, 32, 4), 0.5))
    assert float(out[..., 1:-1, 1:-1].std() / x.std()) == pytest.approx(1.0, abs=0.1)


@torch.no_grad()
def test_experts_begin_fainter_than_the_fixed_kernel():
    conv = DynamicConv(16, 16, 3, 4, "sigmoid")
    conv.start(1.0)
    for expert in conv.weights:
        assert expert.std() < 0.5 * conv.fixed.std()


def test_a_softmax_is_hot_at_first_and_cools_in_training_alone():
    found, x = network("conv3", "dynconv3", attention="softmax"), pictures()
    cold = found(x)
    (predictor,) = predictors(found)
    cool([predictor], 0.0)
    assert float(predictor.temperature) == HOTTEST
    assert torch.equal(found(x), cold)
    (decided,) = found.body.predictor(found.body.stem(x))
    (undecided,) = found.train().body.predictor(found.body.stem(x))
    assert (undecided - 0.25).abs().max() < (decided - 0.25).abs().max() / 3
    cool([predictor], COOLED / 2)
    assert float(predictor.temperature) == pytest.approx((HOTTEST + 1) / 2)
    cool([predictor], 0.5)
    assert torch.equal(found(x), cold)
    assert "temperature" not in " ".join(found.state_dict())


@pytest.mark.parametrize("head", ["plain", "s2d"])
@pytest.mark.parametrize("ops", [("conv3", "dynconv3", "dynconv3"), ("dynconv3", "conv1")])
def test_strips_of_a_picture_see_the_whole(ops, head, monkeypatch):
    found = network(*ops, head=head)
    planes = {"input": pictures(1, 61, 32)[0].numpy()}
    planes["input"][:, 40:] *= 0.1
    whole = validate.run_whole(found, planes)
    monkeypatch.setattr(validate, "STRIP_PIXELS", 16 * 32)
    in_strips = validate.run_whole(found, planes)
    assert np.abs(whole - in_strips).max() < 1e-5
    (predictor,) = predictors(found)
    assert predictor.statistics is None
