"""Checkpoints: the whole state of a training in one safetensors file, written beside and renamed, the last two kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from pixsearch.data.progress import Note, silent
from pixsearch.errors import DataError, MachineError
from pixsearch.rundir import write_atomic
from pixsearch.train.trainee import Packed

KEEP = 2
VALUES, DIGEST = "values", "digest"


class Checkpoints:
    """The checkpoints in one folder, which nobody else writes; `how_to_resume` ends the messages of errors and stops."""

    def __init__(self, folder: Path, how_to_resume: str) -> None:
        self.folder, self.how_to_resume = folder, how_to_resume

    def save(self, packed: Packed) -> Path:
        """Write a state, then remove all but the newest two; `MachineError` when it cannot be written, and the older ones stay."""
        path = self.folder / f"step-{packed.values['progress']['step']:09d}.safetensors"
        metadata = {VALUES: json.dumps(packed.values), DIGEST: _digest(packed.tensors)}
        write_atomic(path, safetensors.torch.save(packed.tensors, metadata))
        for old in [*self.files()[KEEP:], *self.folder.glob(".step-*.part")]:  # a kill may leave a part behind
            with contextlib.suppress(OSError):
                old.unlink()
        return path

    def latest(self, note: Note = silent) -> Packed | None:
        """The newest state that is whole, None when there is none; each damaged file is told as a `warning`."""
        for path in self.files():
            try:
                return _read(path)
            except DataError as error:
                note("warning", text=f"{error} The one before it is used.")
        return None

    def files(self) -> list[Path]:
        """The files, newest first."""
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)


def _read(path: Path) -> Packed:
    """The state in a file, every byte of it checked."""
    try:
        data = path.read_bytes()
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        metadata: dict[str, Any] = json.loads(data[8 : 8 + length])["__metadata__"]
        values = json.loads(metadata[VALUES])
    except OSError as error:
        raise MachineError(f"The checkpoint `{path}` cannot be read ({error.strerror}). Mend the permissions, then resume.") from error
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"The checkpoint `{path.name}` is damaged ({error}).") from error
    if metadata[DIGEST] != _digest(tensors):
        raise DataError(f"The checkpoint `{path.name}` is damaged (its content has changed).")
    return Packed(tensors, values)


def _digest(tensors: dict[str, Tensor]) -> str:
    """A hash over all values, as they lie in memory."""
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].numpy().tobytes())
    return total.hexdigest()
