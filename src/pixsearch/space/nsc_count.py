"""How many different blocks there are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations

from pixsearch.space.nsc_code import KERNELS, MAX_LAYERS, PAIRS, orders

Shape = tuple[tuple[int, ...], ...]
"""What each layer that computes reads."""


@cache
def count_blocks(most: int = MAX_LAYERS) -> int:
    """How many blocks of at most `most` layers there are, each counted once.

    Two ways to write a block differ in the order of its layers. For each shape (what each layer reads) the ways to put types on it, and
    to hand some layers on by identities, are counted up to the shape's symmetries (Burnside), and shapes up to their order.
    """
    shapes: set[Shape] = {()}
    total = 0
    for count in range(1, most + 1):
        shapes = {_least((*shape, read)) for shape in shapes for read in _reads(count)}
        total += sum(_count_written(shape, most - count) for shape in shapes)
    return total


def _reads(number: int) -> Iterator[tuple[int, ...]]:
    """What a layer at place `number` can read."""
    yield from ((source,) for source in range(number))
    yield from combinations(range(number), 2)


def _least(shape: Shape) -> Shape:
    """The least of a shape's orders."""
    return min(_moved(shape, order) for order in orders([""] * len(shape), shape))


def _moved(shape: Shape, order: tuple[int, ...]) -> Shape:
    place = {0: 0, **{old: new for new, old in enumerate(order, start=1)}}
    return tuple(tuple(sorted(place[source] for source in shape[old - 1])) for old in order)


def _count_written(shape: Shape, room: int) -> int:
    """Ways to put types on a shape and up to `room` identities behind what its layers read, up to its symmetries."""
    symmetries = [order for order in orders([""] * len(shape), shape) if _moved(shape, order) == shape]
    return sum(_fixed(shape, order, room) for order in symmetries) // len(symmetries)


def _fixed(shape: Shape, order: tuple[int, ...], room: int) -> int:
    """Ways that a symmetry leaves as they are: one type for each cycle of layers, which are handed on together or not."""
    types = {1: sum(len(kernels) for type, kernels in KERNELS.items() if type not in (*PAIRS, "identity")), 2: len(PAIRS)}
    read = {source for sources in shape for source in sources}
    ways = [1, *[0] * room]  # by the number of identities
    labels = 1
    for cycle in [(0,), *_cycles(order)]:
        if cycle != (0,):
            labels *= types[len(shape[cycle[0] - 1])]
        if cycle[0] in read:
            ways = [ways[used] + (ways[used - len(cycle)] if used >= len(cycle) else 0) for used in range(room + 1)]
    return labels * sum(ways)


def _cycles(order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The cycles of a permutation of 1 … n."""
    left = set(order)
    while left:
        cycle = [min(left)]
        while (following := order[cycle[-1] - 1]) != cycle[0]:
            cycle.append(following)
        left.difference_update(cycle)
        yield tuple(cycle)
