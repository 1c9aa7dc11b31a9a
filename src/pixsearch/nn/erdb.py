"""Efficient residual dense blocks (Song et al., AAAI 2020) and the network they make, as torch modules."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixsearch.nn.body import QUIET, Bicubic, Nearest, check_multiple, check_skip
from pixsearch.nn.ops import LOUDER, start
from pixsearch.nn.reparam import Branches, Folded, convolution
from pixsearch.signature import Signature
from pixsearch.space.cost import has_bicubic
from pixsearch.space.dense import Block, ErdbGenotype, block_inputs, groups_of, paths_of
from pixsearch.space.dense_cost import REPEATS, tail

RELU_GAIN = math.sqrt(2)  # what a kernel is raised by to make up for the ReLU behind it (He et al. 2015)
FAINT = 0.1  # how loud what a block adds to its shortcut starts: a deep chain begins close to a shallow one


class Dense(nn.Module):
    """What the three kinds of block share: entry, shortcut, and the first 3×3 and last 1×1 of a chain of joined outputs."""

    def __init__(self, block: Block, inputs: int, branches: Branches) -> None:
        super().__init__()
        self.block, self.paths = block, paths_of(block, inputs)
        growth = block.growth
        self.entry = _conv(inputs, growth, 1, branches, 1.0) if self.paths.entry else None
        self.dense = nn.ModuleList(self._dense(number, branches) for number in range(block.convs))
        self.shrink = nn.ModuleList(_conv((i + 2) * growth, growth, 1, branches, 1.0) for i in range(self._shrinks()))
        self.last = _conv(self._joined(), block.width, 1, branches, FAINT)
        self.match = _conv(inputs, block.width, 1, branches, 1.0) if self.paths.shortcut == "match" else None

    def _dense(self, number: int, branches: Branches) -> nn.Conv2d | Folded:
        del number
        return _conv(self.block.growth, self.block.growth, 3, branches, RELU_GAIN)

    def _shrinks(self) -> int:
        """How many 1×1 there are between the 3×3 convolutions."""
        return self.block.convs - 1

    def _joined(self) -> int:
        """Channels that enter the last 1×1."""
        return (self.block.convs + 1) * self.block.growth

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, width, H, W)."""
        inner = x if self.entry is None else self.entry(x)
        out = self.inside(inner)
        if self.match is not None:
            matched: Tensor = self.match(x)
            return out + matched
        added: Tensor = x if self.paths.shortcut == "input" else inner
        return added + out

    def inside(self, inner: Tensor) -> Tensor:
        """(N, growth, H, W) → (N, width, H, W)."""
        raise NotImplementedError


class Shrink(Dense):
    """SRDB: a 1×1 behind every dense convolution."""

    def inside(self, inner: Tensor) -> Tensor:
        """See `Dense.inside`."""
        joined = current = inner
        for dense, shrink in zip(self.dense, [*self.shrink, self.last], strict=True):
            joined = torch.cat([joined, F.relu(dense(current))], 1)
            current = shrink(joined)
        return current


class Group(Dense):
    """GRDB: grouped convolutions of all before them, the channels shuffled so that every group sees a part of each."""

    def _dense(self, number: int, branches: Branches) -> nn.Conv2d | Folded:
        groups, growth = groups_of(number), self.block.growth
        if groups == 1:
            return _conv(growth, growth, 3, branches, RELU_GAIN)
        grouped = nn.Conv2d((number + 1) * growth, growth, 3, padding=1, groups=groups)
        start(grouped, RELU_GAIN)
        return grouped

    def _shrinks(self) -> int:
        return 0

    def inside(self, inner: Tensor) -> Tensor:
        """See `Dense.inside`."""
        joined = inner
        for dense in self.dense:
            joined = join_shuffled(joined, F.relu(dense(joined)))
        out: Tensor = self.last(joined)
        return out


class Context(Dense):
    """CRDB: at half the size, every 3×3 three times with the same weights; `DataError` for sizes that do not halve."""

    def _joined(self) -> int:
        return super()._joined() // 4

    def inside(self, inner: Tensor) -> Tensor:
        """See `Dense.inside`."""
        joined = current = F.avg_pool2d(inner, 2)
        for number, dense in enumerate(self.dense):
            if number:
                current = self.shrink[number - 1](joined)
            for _ in range(REPEATS):
                current = F.relu(dense(current))
            joined = torch.cat([joined, current], 1)
        out: Tensor = self.last(F.pixel_shuffle(joined, 2))
        return out


def join_shuffled(joined: Tensor, made: Tensor) -> Tensor:
    """Both quarter by quarter: what a channel shuffle and joining come to, up to the order within a group, in one copy."""
    if torch.onnx.is_in_onnx_export():  # as Split and Concat, for any size
        return torch.cat([part for pair in zip(joined.chunk(4, 1), made.chunk(4, 1), strict=True) for part in pair], 1)
    quarters = [x.permute(0, 2, 3, 1).reshape(*x.shape[:1], *x.shape[2:], 4, -1) for x in (joined, made)]  # a view, channels last
    return torch.cat(quarters, 4).flatten(3).permute(0, 3, 1, 2)


def _conv(inputs: int, outputs: int, kernel: int, branches: Branches, scale: float) -> nn.Conv2d | Folded:
    conv = convolution(inputs, outputs, kernel, branches, identity=False)
    start(conv, scale)
    return conv


KINDS: dict[str, type[Dense]] = {"shrink": Shrink, "group": Group, "context": Context}


class Erdb(nn.Module):
    """The network of an `erdb` genotype: (N, C, H, W) → (N, out channels, H·scale, W·scale), not clipped."""

    def __init__(self, genotype: ErdbGenotype, signature: Signature, branches: Branches) -> None:
        super().__init__()
        width, self.scale = genotype.width, signature.scale
        self.even = any(block.kind == "context" for block in genotype.blocks)
        self.head = convolution(signature.in_channels, width, 3, branches)
        start(self.head, LOUDER, blind=True)
        pairs = zip(genotype.blocks, block_inputs(genotype), strict=True)
        self.blocks = nn.ModuleList(KINDS[block.kind](block, inputs, branches) for block, inputs in pairs)
        self.fuse = _conv(sum(block.width for block in genotype.blocks), width, 1, branches, 1.0)
        self.smooth = _conv(width, width, 3, branches, 1.0)
        last = tail(genotype, signature)
        self.tail = _conv(last.inputs, last.outputs, last.kernel, branches, QUIET)
        self.skip = Bicubic(signature) if has_bicubic(genotype, signature) else Nearest(signature)

    def forward(self, x: Tensor) -> Tensor:
        """A network with context blocks takes even sizes alone; `DataError` for others."""
        if self.even:
            check_multiple(x, 2, "takes the mean of 2×2 pixels")
        first = current = self.head(x)
        outputs = []
        for block in self.blocks:
            current = block(current)
            outputs.append(current)
        fused = self.smooth(self.fuse(torch.cat(outputs, 1) if len(outputs) > 1 else current))
        out = self.tail(first + fused)
        out = out + self.skip(x)
        return F.pixel_shuffle(out, self.scale) if self.scale > 1 else out


def build_erdb(genotype: ErdbGenotype, signature: Signature, branches: Branches) -> nn.Module:
    """The network with weights freshly drawn from torch's generator; `UsageError` for a task that no global skip fits."""
    check_skip(signature, "erdb")
    return Erdb(genotype, signature, branches)
