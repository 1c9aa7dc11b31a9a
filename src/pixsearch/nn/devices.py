"""Where networks compute: the device, the memory layout and the precision that suit it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import nn

from pixsearch.errors import MachineError, UsageError

M = TypeVar("M", bound=nn.Module)


def pick_device(name: str | None = None) -> torch.device:
    """The device called `name` (`cpu`, `cuda`, `cuda:1`, `mps`), or the fastest there is.

    `UsageError` for a name torch does not know, `MachineError` for a device the machine lacks.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"`{name}` is no device. Write `cpu`, `cuda` or `cuda:1`.") from None
    if not _present(device):
        raise MachineError(f"This machine has no device `{name}` that torch can use. Leave `--device` out or choose `cpu`.")
    return device


def _present(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"


def place(network: M, device: torch.device) -> M:
    """`network` moved to `device`; on a GPU its kernels are laid out channels-last, as tensor cores want them."""
    if device.type == "cuda":
        return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    return network.to(device)


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision (bfloat16, which needs no loss scaling) where the GPU has it; full precision elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
