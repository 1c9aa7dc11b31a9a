"""Batches as tensors on the device, in the order of the network's inputs."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import torch
from torch import Tensor

from pixsearch.signature import Signature
from pixsearch.tasks.base import Batch
from pixsearch.train.compute import Compute

Fed = tuple[list[Tensor], Tensor]

TOGETHER = 8  # batches drawn at once on a processor: between two steps its caches hold the network, and a lone draw takes twice as long


class Draws(Protocol):
    """Where batches come from; the same step always gives the same batch (`data.patches.Patches`)."""

    def draw(self, step: int) -> Batch:
        """The batch of step number `step`."""


class Feed:
    """Draws batches for a training; use it as a context manager.

    With `ahead` the next batch is drawn by a thread while a step computes, which pays where steps run on a GPU; on a
    processor it slows the step down by more than it saves, and a few batches are drawn in a row instead.
    """

    def __init__(self, patches: Draws, signature: Signature, compute: Compute, *, ahead: bool) -> None:
        self._patches, self._names, self._compute = patches, [port.name for port in signature.inputs], compute
        self._pool = ThreadPoolExecutor(1, "batches") if ahead else None
        self._next: tuple[int, Future[Batch]] | None = None
        self._drawn: dict[int, Batch] = {}

    def draw(self, step: int) -> Fed:
        """The network's inputs and the truth of step number `step`, on the device."""
        batch = self._taken(step)
        inputs = [self._compute.move(torch.from_numpy(batch.inputs[name])) for name in self._names]
        return inputs, self._compute.move(torch.from_numpy(batch.truth))

    def _taken(self, step: int) -> Batch:
        if self._pool is None:
            if step not in self._drawn:
                self._drawn = {number: self._patches.draw(number) for number in range(step, step + TOGETHER)}
            return self._drawn.pop(step)
        drawn = self._next[1].result() if self._next is not None and self._next[0] == step else self._patches.draw(step)
        self._next = step + 1, self._pool.submit(self._patches.draw, step + 1)
        return drawn

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
