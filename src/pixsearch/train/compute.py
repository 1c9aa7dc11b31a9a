"""What a training computes on: device, precision, memory layout and threads, chosen once and put back afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from pixsearch.nn.devices import pick_device
from pixsearch.train.config import Precision, TrainConfig
from pixsearch.train.ranks import ALONE, Ranks

M = TypeVar("M", bound=nn.Module)

NATIVE = ("avx512_bf16", "amx_bf16")
"""Names of processor features that multiply bfloat16 faster than float32; emulated, it is slower."""


@dataclass(frozen=True)
class Compute:
    """Where and how a training computes.

    Weights, their updates, averages and losses are float32 always; `dtype` is what convolutions multiply in. Kernels and
    batches lie channels-last: small networks train 1.4 to 1.8 times as fast that way on processors too.
    """

    device: torch.device
    dtype: torch.dtype
    threads: int

    @property
    def precision(self) -> str:
        """`float32`, `bfloat16` or `float16`."""
        return str(self.dtype).removeprefix("torch.")

    def place(self, network: M) -> M:
        """`network` on the device, channels-last."""
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def pin(self, planes: Tensor) -> Tensor:
        """`planes` (N, C, H, W) in memory that a GPU can copy from by itself; as they are when none is used."""
        if self.device.type != "cuda":
            return planes
        with torch.cuda.device(self.device):  # a thread begins on the first GPU and would take memory there
            return planes.pin_memory()

    def move(self, planes: Tensor) -> Tensor:
        """Planes (N, C, H, W) on the device, channels-last; the copy of pinned ones goes on in the background."""
        return planes.to(self.device, non_blocking=True, memory_format=torch.channels_last)

    def autocast(self) -> AbstractContextManager[object]:
        """Within it convolutions compute in `dtype`."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(self.device.type, self.dtype)

    @contextmanager
    def in_charge(self) -> Iterator[None]:
        """Within it torch uses `threads` threads, and `device` if it is a GPU; afterwards as before."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext():
                yield
        finally:
            torch.set_num_threads(before)


def choose(config: TrainConfig, ranks: Ranks = ALONE) -> Compute:
    """What `config` asks for, with this machine's best for what it leaves open; the ranks of one machine share it out."""
    device = ranks.own_device(pick_device(config.device))
    threads = config.threads or max(1, default_threads() // ranks.local_size)
    return Compute(device, _dtype(config.precision, device), threads)


def default_threads() -> int:
    """Half of the cores this process may use, at least one: a thread that waits for a busy core makes all others wait."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)


def _dtype(precision: Precision, device: torch.device) -> torch.dtype:
    if precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    if device.type == "cuda":  # an older GPU emulates bfloat16, and multiplies float16 natively
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and multiplies_bfloat16()
    if device.type == "cuda" and not native:
        return torch.float16
    return torch.bfloat16 if native else torch.float32


def multiplies_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively; False where torch cannot tell."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in NATIVE)
