"""Where networks compute: a device by name, or the fastest there is."""

from __future__ import annotations

import torch

from pixsearch.errors import MachineError, UsageError


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
