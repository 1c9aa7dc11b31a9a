"""The formats that a layer can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Format = Literal["int8", "int16", "int32", "float"]
"""How a layer computes. `int8` takes and gives 8 bits. `int32` takes 8 bits, and the sums of its products become floats unrounded.

`int16` takes and gives 16 bits, with weights of 8; `float` computes in float, weights and all. Where neighbours disagree on a tensor
between them, it is stored in the fewest bits that one of them takes or gives.
"""

EVERY: tuple[Format, ...] = ("int8", "int32", "float", "int16")
Mixture = tuple[Format, ...]
"""A format for each layer, in the order they are computed in."""

BITS: dict[Format, tuple[int | None, int | None]] = {"int8": (8, 8), "int16": (16, 16), "int32": (8, None), "float": (None, None)}
"""What a layer takes, and what it gives; None for floats."""


def shares(mixture: Mapping[str, str] | Sequence[str]) -> str:
    """`4 int32, 2 float`: how many layers have which format."""
    chosen = list(mixture.values()) if isinstance(mixture, Mapping) else list(mixture)
    return ", ".join(f"{chosen.count(one)} {one}" for one in EVERY if one in chosen)
