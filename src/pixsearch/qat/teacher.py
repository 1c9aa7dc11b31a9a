"""Batches whose truth is what the float model makes of them: rounding is all that is left to learn (Hinton et al. 2015)."""

from __future__ import annotations

from dataclasses import replace

import torch

from pixsearch.nn.build import Network, deploy
from pixsearch.tasks.base import Batch
from pixsearch.train.compute import Compute
from pixsearch.train.feed import Draws


class Taught:
    """The batches of `patches` with the outputs of `teacher` for truth, (N, C, H·scale, W·scale), not clipped.

    A photo's own truth pulls the weights about by what no such network can know of it; after a short training that costs more
    than rounding does.
    """

    def __init__(self, patches: Draws, teacher: Network, compute: Compute) -> None:
        self._patches, self._compute = patches, compute
        self._teacher = compute.place(deploy(teacher)).eval()

    def draw(self, step: int) -> Batch:
        """The same batch for the same step, always."""
        batch = self._patches.draw(step)
        inputs = [self._compute.move(torch.from_numpy(batch.inputs[port.name])) for port in self._teacher.signature.inputs]
        with torch.no_grad():
            output = self._teacher(*inputs).to("cpu", memory_format=torch.contiguous_format)
        return replace(batch, truth=output.numpy())
