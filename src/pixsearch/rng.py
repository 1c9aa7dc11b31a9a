"""Named random streams: the same seed and names give the same numbers, whatever was drawn before or elsewhere.

A stream is opened where it is used, by what it is for (`stream(seed, "batch", step)`), so a resumed run draws what
the unbroken one would have drawn and no generator state has to be saved.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on `seed` and every name in order."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for this seed and these names."""
    return np.random.default_rng(derive(seed, *names))
