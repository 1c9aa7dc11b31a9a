"""What networks of several spaces have around their insides: folding, tail, global skip and pixel-shuffle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixsearch.errors import DataError, UsageError
from pixsearch.nn.ops import start
from pixsearch.nn.reparam import Branches, convolution
from pixsearch.signature import Signature
from pixsearch.space.chain import Ends, block, nearest_sources
from pixsearch.space.cost import BICUBIC, Conv, has_bicubic

QUIET = 0.01  # how loud the tail starts: the untrained network is close to its global skip


class Nearest(nn.Module):
    """Each input pixel repeated for each of its sub-pixels (ECBSR), as channels in the order pixel-shuffle takes them."""

    def __init__(self, signature: Signature, side: int = 1) -> None:
        super().__init__()
        self.sources = nearest_sources(signature, side)

    def forward(self, folded: Tensor) -> Tensor:
        """One channel is left as it is: adding repeats it."""
        if len(set(self.sources)) == 1:
            return folded[:, : self.sources[0] + 1]
        if self.sources == list(range(folded.shape[1])):
            return folded
        channels = torch.split(folded, 1, dim=1)
        return torch.cat([channels[source] for source in self.sources], dim=1)


class Bicubic(nn.Module):
    """Bicubic up-scaling as a fixed convolution, as channels in the order pixel-shuffle takes them; `side` input pixels make a block.

    Equal to `pixels.resize` but for the border, which repeats the outermost pixel where MATLAB mirrors two.
    """

    kernel: Tensor

    def __init__(self, signature: Signature, side: int = 1) -> None:
        super().__init__()
        self.channels, self.block = signature.out_channels, side
        kernel = torch.from_numpy(bicubic_kernel(signature.scale, side)).repeat(self.channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Channel by channel of the unfolded input."""
        padded = F.pad(x[:, : self.channels], (BICUBIC,) * 4, mode="replicate")
        return F.conv2d(padded, self.kernel, stride=self.block, groups=self.channels)


def bicubic_kernel(scale: int, side: int) -> npt.NDArray[np.float32]:
    """The weights of every sub-pixel of a block of `side`×`side` input pixels, row by row: (k, 1, s, s), s = side + 4.

    Cubic convolution with a = −0.5 (Keys 1981).
    """
    position = (np.arange(side * scale) + 0.5) / scale - 0.5
    distance = np.abs(position[:, None] - (np.arange(side + 2 * BICUBIC) - BICUBIC))
    inner = 1.5 * distance**3 - 2.5 * distance**2 + 1
    outer = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps = np.where(distance <= 1, inner, np.where(distance <= 2, outer, 0.0))
    kernel = taps[:, None, :, None] * taps[None, :, None, :]
    return kernel.reshape(-1, 1, *kernel.shape[2:]).astype(np.float32)


class Body(nn.Module):
    """A network that is `layers` between its ends: (N, C, H, W) → (N, out channels, H·scale, W·scale), not clipped."""

    def __init__(self, layers: nn.ModuleList, last: Conv, genotype: Ends, signature: Signature, branches: Branches) -> None:
        super().__init__()
        self.block, self.up = block(genotype), block(genotype) * signature.scale
        self.layers = layers
        self.tail = convolution(last.inputs, last.outputs, last.kernel, branches, identity=False)
        start(self.tail, QUIET)
        self.bicubic = Bicubic(signature, self.block) if has_bicubic(genotype, signature) else None
        self.nearest = None if self.bicubic else Nearest(signature, self.block)

    def forward(self, x: Tensor) -> Tensor:
        """Behind a space-to-depth head the layers run at a share of the size; `DataError` for sizes that do not divide."""
        folded = self.head(x)
        return self.answer(x, folded, self.features(folded))

    def answer(self, x: Tensor, folded: Tensor, features: Tensor) -> Tensor:
        """The output for what the tail sees: (N, out channels, H·scale, W·scale)."""
        out = self.tail(features) + self.skip(x, folded)
        return F.pixel_shuffle(out, self.up) if self.up > 1 else out

    def head(self, x: Tensor) -> Tensor:
        """What the first layer sees: the input, or its blocks folded into channels."""
        return fold(x, self.block) if self.block > 1 else x

    def features(self, folded: Tensor) -> Tensor:
        """What the tail sees: (N, width, H, W), at a share of the size behind a space-to-depth head."""
        out = folded
        for layer in self.layers:
            out = layer(out)
        return out

    def skip(self, x: Tensor, folded: Tensor) -> Tensor:
        """What is added to the tail's output, channels in the order pixel-shuffle takes them; one channel stands for all."""
        if self.bicubic is not None:
            upscaled: Tensor = self.bicubic(x)
            return upscaled
        assert self.nearest is not None
        repeated: Tensor = self.nearest(folded)
        return repeated


def fold(x: Tensor, side: int) -> Tensor:
    """Space to depth: (N, C, H, W) → (N, side²·C, H/side, W/side), channels ordered by row and column in the block, then C.

    That is ONNX's order, so an export holds the one operator (torch's pixel-unshuffle orders otherwise and exports as a
    transposition in six dimensions, 13 times as slow). `DataError` when the height or width is no multiple of `side`.
    """
    count, channels, height, width = x.shape
    if torch.onnx.is_in_onnx_export():
        shape = (count, side**2 * channels, height // side, width // side)
        folded: Tensor = torch.onnx.ops.symbolic("SpaceToDepth", (x,), {"blocksize": side}, dtype=x.dtype, shape=shape, version=13)
        return folded
    check_multiple(x, side, f"folds {side}×{side} pixels into one")
    blocks = x.reshape(count, channels, height // side, side, width // side, side)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(count, side**2 * channels, height // side, width // side)


def check_multiple(x: Tensor, side: int, does: str) -> None:
    """`DataError` when the height or width of `x` (N, C, H, W) is no multiple of `side`, for a network that `does` what needs that."""
    height, width = x.shape[2:]
    if not torch.onnx.is_in_onnx_export() and (height % side or width % side):
        raise DataError(
            f"The input is {width}×{height}, but this network {does}: both must be multiples of {side}. "
            f"Pad the input to the `multiple` on the model's card, {side}."
        )


def check_skip(signature: Signature, space: str) -> None:
    """`UsageError` for a task that no global skip of `space` fits."""
    if signature.in_channels < signature.out_channels:
        raise UsageError(
            f"The task `{signature.task}` has {signature.in_channels} input channels and {signature.out_channels} output channels, "
            f"so the space `{space}` has no global skip for it. Choose another space."
        )
