"""What every space's network keeps to: the closed-form costs, the reach, the memory and the deploy form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.cost import count_macs, count_params
from pixsearch.nn.dynamic import predictors
from pixsearch.registry import SPACES
from pixsearch.signature import Port, Signature
from pixsearch.space.base import Space
from pixsearch.space.reference import NAMES

SHAPES = [(2, "y"), (3, "rgb"), (4, "y"), (2, "rgb"), (1, "rgb"), (1, "y")]


def signature(scale: int, color: str, space: str = "mobile") -> Signature:
    """What the space called `space` is offered: five frames by a task of clips, or one picture."""
    channels = 1 if color == "y" else 3
    if space == "video":
        frames = (Port("frames", 5 * channels),)
        return Signature("video-sr", scale, color, frames, Port("output", channels), settings={"window": 5, "length": 5})
    return Signature("sr", scale, color, (Port("input", channels),), Port("output", channels))


def spaces() -> list[Space]:
    return [SPACES.load(name)(signature(*shape, name)) for name in SPACES.names() for shape in SHAPES]


def name_of(space: Space) -> str:
    return f"{space.name}-x{space.signature.scale}-{space.signature.color}"


def members(space: Space, count: int) -> list[Any]:
    if not space.searchable:
        return [space.parse({"name": name}) for name in NAMES]
    rng = np.random.default_rng(5)
    return [space.mutate(space.sample(rng), rng) for _ in range(count)]


def shake(network: Network, seed: int = 0) -> Network:
    """Weights as after training: no zero biases, no quiet tail, slopes that differ."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.1)
    return network.eval()


def planes(network: Network, height: int, width: int, **kind: Any) -> Tensor:
    return torch.rand(1, network.signature.in_channels, height, width, generator=torch.Generator().manual_seed(1), **kind)


@pytest.mark.parametrize("space", spaces(), ids=name_of)
class TestNetworks:
    def test_costs_in_closed_form_equal_the_counted_network(self, space):
        for genotype in members(space, 25):
            network, up = build(genotype, space.signature), space.signature.scale**2
            for height, width in [(8, 12), (20, 8)]:
                closed = space.macs_per_pixel(genotype) * height * width * up + space.macs_per_picture(genotype)
                assert closed == pytest.approx(round(closed), rel=1e-12)  # scale 3 divides by 9
                assert count_macs(network, height, width) == round(closed)
            assert count_params(network) == space.params(genotype)

    def test_outputs_are_scaled_inputs(self, space):
        scale = space.signature.scale
        for genotype in members(space, 5):
            step = space.multiple(genotype)
            with torch.no_grad():
                output = (network := build(genotype, space.signature))(planes(network, 7 * step, 9 * step))
            assert output.shape == (1, space.signature.out_channels, 7 * step * scale, 9 * step * scale)

    @pytest.mark.parametrize("branches", ["none", "linear", "ecb"])
    def test_the_deploy_form_agrees_everywhere(self, space, branches):
        for genotype in members(space, 8):
            network = shake(build(genotype, space.signature, branches=branches)).double()
            x = planes(network, 8, 12, dtype=torch.float64)
            with torch.no_grad():
                expected, found = network(x), deploy(network)(x)
            assert (expected - found).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)
            assert count_params(network) == space.params(genotype) == sum(p.numel() for p in deploy(network).parameters())

    def test_no_output_depends_on_pixels_beyond_the_radius(self, space):
        near = [genotype for genotype in members(space, 30) if space.receptive_radius(genotype) <= 40]  # others take minutes
        assert len(near) >= len(members(space, 6)) / 2
        for genotype in near[:6]:
            radius, step = space.receptive_radius(genotype), space.multiple(genotype)
            side = 2 * radius + 5 * step
            side += side % step
            network = shake(build(genotype, space.signature)).double()
            for offset in {0, step - 1}:
                at = radius + step + offset
                assert reach(network, planes(network, side, side, dtype=torch.float64), at) <= radius

    def test_memory_is_what_a_forward_pass_holds(self, space):
        for genotype in members(space, 12):
            step = space.multiple(genotype)
            height, width = (-(-side // (space.signature.scale * step)) * step for side in (720, 1280))
            network = build(genotype, space.signature).to("meta").eval()
            own = network.signature
            sizes = [(own.in_channels, height, width), *((port.channels, height // step, width // step) for port in own.state)]
            arrays = [torch.empty((1, *size), device="meta") for size in sizes]
            with Trace(arrays) as trace, torch.no_grad():
                trace.hand_out(network(*arrays))
            assert space.memory_bytes(genotype) == 4 * trace.peak()


def reach(network: Network, x: Tensor, at: int) -> int:
    """How far from the input pixel (at, at) the outputs lie that it changes, in input pixels; coefficients stay."""
    for predictor in predictors(network):
        predictor.statistics = torch.rand(1, predictor.linear.in_features, dtype=x.dtype)
    other = x.clone()
    other[:, :, at, at] += 1.0
    with torch.no_grad():
        before = network(x)
        change = (network(other) - before).abs().amax((0, 1)) > 1e-13 * before.abs().max()
    touched = change.nonzero() // network.signature.scale
    return int((touched - at).abs().max())


class Trace(TorchDispatchMode):
    """Every operator of a forward pass, what it reads and writes; activations and sums write over an operand unless it is read later."""

    IN_PLACE = ("relu", "leaky_relu", "_prelu_kernel", "hardswish", "hardtanh", "tanh", "add")
    PARTLY = ("sigmoid", "_softmax", "sub")  # write over a part of what they read

    def __init__(self, arrays: list[Tensor]) -> None:
        super().__init__()
        self.kept = [*arrays]
        self.owner = {x.untyped_storage()._cdata: number for number, x in enumerate(arrays)}
        self.sizes, self.born, self.died = [x.numel() for x in arrays], [0] * len(arrays), [0] * len(arrays)
        self.over: dict[int, list[int]] = {}
        self.time = 0

    def hand_out(self, outputs: Any) -> None:
        """What a pass gives stays to its end."""
        self.time += 1
        for result in tensors([outputs]):
            self.died[self.owner[result.untyped_storage()._cdata]] = self.time

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        read = [self.owner[key] for t in tensors(args) if (key := t.untyped_storage()._cdata) in self.owner]
        if read:
            self.time += 1
            for number in read:
                self.died[number] = self.time
            for result in tensors([output]):
                self.write(func.overloadpacket.__name__, result, read)
        return output

    def write(self, name: str, result: Tensor, read: list[int]) -> None:
        key = result.untyped_storage()._cdata
        if key in self.owner:
            return
        self.kept.append(result)
        if name in self.PARTLY:
            self.owner[key] = read[0]
            return
        if name in self.IN_PLACE:
            self.over[len(self.sizes)] = [number for number in read if self.sizes[number] == result.numel()]
        self.owner[key] = len(self.sizes)
        self.sizes.append(result.numel())
        self.born.append(self.time)
        self.died.append(self.time)

    def peak(self) -> int:
        died = list(self.died)
        for number, operands in self.over.items():
            if free := [operand for operand in operands if died[operand] == self.born[number]]:
                died[free[0]] -= 1
        spans = list(zip(self.sizes, self.born, died, strict=True))
        return max(sum(size for size, born, died in spans if born <= time <= died) for time in range(self.time + 1))


def tensors(values: Any) -> list[Tensor]:
    """All tensors in nested lists."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += tensors(value)
    return found
