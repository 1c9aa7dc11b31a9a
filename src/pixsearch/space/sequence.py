"""The order in which frames of a clip are stacked: the one that is answered first, then those around it by their distance."""

from __future__ import annotations


def offsets(count: int) -> list[int]:
    """The frames of a stack of `count` (odd) by their distance in time: 0, −1, 1, −2, 2 …

    The frame that is answered comes first, so that a shorter stack is the beginning of a longer one, and a global skip adds it.
    """
    return sorted(range(-(count // 2), count // 2 + 1), key=lambda offset: (abs(offset), offset))


def in_time(count: int) -> list[int]:
    """The places of a stack's frames in the order of time: 3, 1, 0, 2, 4 of five."""
    return sorted(range(count), key=offsets(count).__getitem__)
