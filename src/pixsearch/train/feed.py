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
AHEAD = 2  # batches on their way while a GPU computes a step: one draw may take longer than a step, not all of them


def taken(batch: Batch, signature: Signature) -> Fed:
    """What a network with this signature is given of a batch, in the order of its inputs, and what it is to answer."""
    inputs, truth = [torch.from_numpy(batch.inputs[port.name]) for port in signature.inputs], torch.from_numpy(batch.truth)
    return narrowed(inputs, truth, signature)


def narrowed(inputs: list[Tensor], truth: Tensor, signature: Signature) -> Fed:
    """Of a batch for a signature that takes as many frames or more, what a network with this one is given."""
    if signature.state:
        return inputs, truth
    first = [planes[:, : port.channels] for port, planes in zip(signature.inputs, inputs, strict=True)]
    return first, truth[:, : signature.out_channels]


class Draws(Protocol):
    """Where batches come from; the same step always gives the same batch (`data.patches.Patches`)."""

    def draw(self, step: int) -> Batch:
        """The batch of step number `step`."""


class Feed:
    """Draws batches for a training; use it as a context manager.

    Of a sequence of frames, a network without a state is given the first, as many as it takes, and the truth of the first alone.

    With `ahead` a thread draws the next batches and puts them into pinned memory while a step computes, which pays where steps
    run on a GPU; on a processor it slows the step down by more than it saves, and a few batches are drawn in a row instead.
    """

    def __init__(self, patches: Draws, signature: Signature, compute: Compute, *, ahead: bool) -> None:
        self._patches, self._signature, self._compute = patches, signature, compute
        self._pool = ThreadPoolExecutor(1, "batches") if ahead else None
        self._coming: dict[int, Future[Fed]] = {}
        self._drawn: dict[int, Fed] = {}

    def draw(self, step: int) -> Fed:
        """The network's inputs and the truth of step number `step`, on the device."""
        inputs, truth = self._row(step) if self._pool is None else self._ahead(step, self._pool)
        return [self._compute.move(planes) for planes in inputs], self._compute.move(truth)

    def _row(self, step: int) -> Fed:
        if step not in self._drawn:
            self._drawn = {number: self._ready(number) for number in range(step, step + TOGETHER)}
        return self._drawn.pop(step)

    def _ahead(self, step: int, pool: ThreadPoolExecutor) -> Fed:
        wanted = range(step, step + AHEAD + 1)
        self._coming = {number: self._coming.get(number) or pool.submit(self._ready, number) for number in wanted}
        return self._coming.pop(step).result()

    def _ready(self, step: int) -> Fed:
        inputs, truth = taken(self._patches.draw(step), self._signature)
        planes = [self._compute.pin(planes) for planes in (*inputs, truth)]
        return planes[:-1], planes[-1]

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
