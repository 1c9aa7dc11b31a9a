"""Chains of the `video` space as torch modules: a window of frames as channels, or one frame at a time with a state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixsearch.nn.body import check_skip
from pixsearch.nn.mobile import Chain
from pixsearch.nn.ops import start
from pixsearch.nn.reparam import Branches, balance, convolution
from pixsearch.signature import Signature
from pixsearch.space.sequence import in_time
from pixsearch.space.video import KERNEL, VideoGenotype

CALM = 0.2  # how loud the state starts: a louder one comes back louder still, and learns more slowly (0.2 dB after 300 steps)
BESIDE = 0.2  # how loud frames around the answered one start, so that a stacked network begins as one of a single frame


class Recurrent(Chain):
    """A chain that hands a state on from frame to frame.

    `step` is what is exported and streamed. `forward` runs a whole sequence, which training does: its frames are channels in the order of
    `space.sequence`, and so are its outputs.
    """

    def __init__(self, genotype: VideoGenotype, border: Signature, branches: Branches) -> None:
        super().__init__(genotype.chain, border, branches)
        self.frame, self.held = border.in_channels, genotype.state
        self.state = convolution(genotype.chain.layers[-1].width, genotype.state, KERNEL, branches, identity=False)
        start(self.state, CALM)

    def step(self, frame: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One frame (N, C, H, W) and the state (N, S, h, w) → the output (N, O, H·scale, W·scale) and the next state, in −1…1."""
        folded = self.head(frame)
        features = self.features(torch.cat([folded, state], 1))
        following = F.hardtanh(self.state(features))  # before the output, which takes more memory than the features
        return self.answer(frame, folded, features), following

    def forward(self, x: Tensor) -> Tensor:
        """(N, L·C, H, W) → (N, L·O, H·scale, W·scale), from an empty state on."""
        frames = torch.split(x, self.frame, 1)
        outputs: list[Tensor] = [x] * len(frames)
        state = empty_state(x, self.held, self.block)
        for place in in_time(len(frames)):
            outputs[place], state = self.step(frames[place], state)
        return torch.cat(outputs, 1) if len(outputs) > 1 else outputs[0]


def empty_state(frame: Tensor, channels: int, multiple: int) -> Tensor:
    """The state that a first frame (N, C, H, W) is given: zeros (N, channels, H / multiple, W / multiple)."""
    height, width = (side // multiple for side in frame.shape[2:])
    return frame.new_zeros((len(frame), channels, height, width))


def build_video(genotype: VideoGenotype, signature: Signature, branches: Branches) -> Chain:
    """The network with weights freshly drawn from torch's generator; `signature` is its own border."""
    check_skip(signature, "video")
    if genotype.form == "recurrent":
        return Recurrent(genotype, signature, branches)
    chain = Chain(genotype.chain, signature, branches)
    if genotype.window > 1:
        favour_answered(chain, genotype.window)
    return chain


@torch.no_grad()
def favour_answered(chain: Chain, window: int) -> None:
    """Let the first dense convolution hear the answered frame as if it were alone, and those around it at `BESIDE` of that.

    Drawn alike, frames that have moved drown the one to be answered, and a first layer that is blind to brightness is so only to
    that of all frames together. Convolutions in several branches stay as they are drawn.
    """
    conv = next((conv for conv in chain.layers[0].modules() if isinstance(conv, nn.Conv2d) and conv.groups == 1), None)
    if conv is None:
        return
    channels = torch.arange(conv.in_channels) % (conv.in_channels // chain.block**2)
    answered = channels < conv.in_channels // chain.block**2 // window
    blind = conv.weight[0].numel() >= 4 and bool(conv.weight.sum((1, 2, 3)).abs().max() < 1e-4)
    for part, loud in ((answered, 1.0), (~answered, BESIDE)):
        weight = conv.weight[:, part] * (loud * math.sqrt(window))
        if blind:
            balance(weight)
        conv.weight[:, part] = weight
