"""What the plugin counted between two marks: instructions by class, bytes moved, and the blocks of code that were executed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pixsearch.errors import MachineError

Words = tuple[str, ...]
"""A block's instructions, each eight hexadecimal digits."""


@dataclass(frozen=True)
class Counts:
    """Totals over the region, in instructions and bytes, and `blocks`: (executions, instructions), heaviest first.

    `memory_bytes` is what a cache of the asked size would have moved from and to memory, beginning cold.
    """

    instructions: int
    loaded_bytes: int
    stored_bytes: int
    memory_bytes: int
    classes: dict[str, int]
    blocks: tuple[tuple[int, Words], ...]

    def heaviest(self, share: float) -> Iterator[tuple[int, Words]]:
        """The fewest blocks that make up `share` of all executed instructions."""
        seen = 0
        for executions, words in self.blocks:
            if seen >= share * self.instructions:
                return
            seen += executions * len(words)
            yield executions, words


def read_counts(path: Path) -> Counts:
    """The file that the plugin wrote; `MachineError` when there is none, for then qemu did not run the plugin."""
    try:
        head, *lines = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise MachineError("qemu-aarch64 counted nothing: it runs no plugins of version 1. Install qemu-user 6.0 to 8.1.") from error
    blocks = tuple((int(executions), tuple(words)) for executions, *words in map(str.split, lines))
    return Counts(**json.loads(head), blocks=blocks)
