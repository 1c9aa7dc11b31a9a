"""Branched convolutions equal their branches computed one by one, at borders too, and merge into one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixsearch.nn.build import build, deploy, merged
from pixsearch.nn.ops import build_layer, start
from pixsearch.nn.reparam import LAPLACIAN, SOBEL_X, SOBEL_Y, EdgeBlock, LinearBlock, convolution
from pixsearch.signature import Port, Signature
from pixsearch.space.chain import ACTS, OPS
from pixsearch.space.mobile import Layer, MobileSpace

SR = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))
WIDTHS = [(6, 6), (3, 5)]


def shake(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return module.double()


def picture(channels: int) -> Tensor:
    return torch.rand(2, channels, 9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.5


def one_by_one(block: EdgeBlock, x: Tensor) -> Tensor:
    """The branches as ECBSR computes them: a first 1×1's output is padded with its bias."""
    k = block.kernel

    def first(weight: Tensor, bias: Tensor, margin: int) -> Tensor:
        inner = F.conv2d(x, weight[:, :, None, None], bias)
        padded = bias.view(1, -1, 1, 1).expand(len(x), -1, x.shape[2] + 2 * margin, x.shape[3] + 2 * margin).clone()
        padded[:, :, margin:-margin, margin:-margin] = inner
        return padded

    total = F.conv2d(x, block.weight, block.bias, padding=k // 2)
    total = total + F.conv2d(first(block.squeeze_weight, block.squeeze_bias, k // 2), block.after_weight)
    for number, edge in enumerate((SOBEL_X, SOBEL_Y, LAPLACIAN)):
        kernel = torch.tensor(edge, dtype=x.dtype) * block.edge_scale[number].view(-1, 1, 1)
        inner = first(block.edge_weight[number], torch.arange(block.outputs).to(x), 1)  # any bias: edges do not see it
        total = total + F.conv2d(inner, kernel[:, None], groups=block.outputs)
    return total + x if block.identity else total


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("inputs", "outputs"), WIDTHS)
def test_edge_blocks_equal_their_branches(inputs, outputs, kernel):
    block, x = shake(EdgeBlock(inputs, outputs, kernel, identity=True)), picture(inputs)
    assert block.identity == (inputs == outputs)
    assert torch.allclose(block(x), one_by_one(block, x), atol=1e-12)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize(("inputs", "outputs"), WIDTHS)
def test_linear_blocks_equal_their_branches(inputs, outputs, kernel):
    block, x = shake(LinearBlock(inputs, outputs, kernel, identity=True)), picture(inputs)
    expected = F.conv2d(F.conv2d(x, block.expand, padding=kernel // 2), block.factor * block.project[:, :, None, None], block.bias)
    assert torch.allclose(block(x), expected + x if inputs == outputs else expected, atol=1e-12)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("branches", ["linear", "ecb"])
def test_all_branches_learn(branches, kernel):
    block, x = shake(convolution(4, 4, kernel, branches)), picture(4)
    block(x).square().sum().backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in block.parameters())


@pytest.mark.parametrize("branches", ["linear", "ecb"])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("inputs", "outputs"), WIDTHS)
def test_merged_blocks_are_plain_convolutions(branches, kernel, inputs, outputs):
    block, x = shake(convolution(inputs, outputs, kernel, branches)).float(), picture(inputs).float()
    conv = merged(block)
    assert type(conv) is nn.Conv2d
    assert (conv(x) - block(x)).abs().max() <= 1e-5


def test_a_1x1_has_no_edges():
    assert type(convolution(4, 4, 1, "ecb")) is nn.Conv2d


@pytest.mark.parametrize("branches", ["none", "linear", "ecb"])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("inputs", "outputs", "scale"), [(24, 24, 1.4), (24, 40, 1.4), (24, 40, 0.01)])
def test_every_form_starts_at_the_size_asked_for(branches, kernel, inputs, outputs, scale):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv = convolution(inputs, outputs, kernel, branches)
        start(conv, scale)
        x = torch.randn(2, inputs, 40, 40)
    with torch.no_grad():
        size = conv(x)[:, :, 4:-4, 4:-4].std().item()
    assert size == pytest.approx(scale, rel=0.12)


@pytest.mark.parametrize("branches", ["none", "linear", "ecb"])
@pytest.mark.parametrize("inputs", [1, 3])
def test_a_first_layer_starts_blind_to_brightness(branches, inputs):
    layer = build_layer(Layer("conv3", 8, "relu"), inputs, branches, first=True)
    flat, edge = torch.ones(1, inputs, 9, 9), torch.ones(1, inputs, 9, 9)
    edge[..., 4:] = 0
    with torch.no_grad():
        assert layer(flat)[..., 1:-1, 1:-1].abs().max() < 1e-5
        assert layer(edge)[..., 1:-1, 1:-1].abs().max() > 0.1


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("branches", ["linear", "ecb"])
def test_every_operator_merges(op, branches):
    space = MobileSpace(SR)
    layers = [{"op": op, "width": 6, "act": act, **({"hidden": 9, "residual": True} if op == "ib3" else {})} for act in ACTS]
    network = shake(build(space.parse({"layers": layers}), SR, branches=branches)).float()
    plain = deploy(network)
    x = picture(1).float()
    with torch.no_grad():
        expected = network(x)
        assert (plain(x) - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)
    assert plain.branches == "none"
    assert {type(module) for module in plain.modules()}.isdisjoint({LinearBlock, EdgeBlock})


def test_deploying_leaves_the_training_form_alone():
    network = build(MobileSpace(SR).smallest(), SR, branches="linear")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for value in deploy(network).parameters():
        value.data.zero_()
    assert network.branches == "linear"
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
