"""Chains of the `video` space as torch modules: a window of frames as channels, or one frame at a time with a state."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.nn.body import Body, check_skip
from pixsearch.nn.mobile import build_layers
from pixsearch.nn.ops import start
from pixsearch.nn.reparam import Branches, convolution
from pixsearch.signature import Signature
from pixsearch.space.cost import tail
from pixsearch.space.sequence import in_time
from pixsearch.space.video import KERNEL, VideoGenotype

CALM = 0.2  # how loud the state starts: a louder one comes back louder still, and learns more slowly (0.2 dB after 300 steps)


class Recurrent(Body):
    """A chain that hands a state on from frame to frame.

    `step` is what is exported and streamed. `forward` runs a whole sequence, which training does: its frames are channels in the order of
    `space.sequence`, and so are its outputs.
    """

    def __init__(self, genotype: VideoGenotype, border: Signature, branches: Branches) -> None:
        chain = genotype.chain
        super().__init__(build_layers(chain, border, branches), tail(chain, border), chain, border, branches)
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


def build_video(genotype: VideoGenotype, signature: Signature, branches: Branches) -> Body:
    """The network with weights freshly drawn from torch's generator; `signature` is its own border."""
    check_skip(signature, "video")
    chain = genotype.chain
    if genotype.form == "recurrent":
        return Recurrent(genotype, signature, branches)
    return Body(build_layers(chain, signature, branches), tail(chain, signature), chain, signature, branches)
