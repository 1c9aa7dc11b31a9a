"""How many different cells there are."""

from __future__ import annotations

from functools import cache
from itertools import combinations, permutations, product
from math import comb

from pixsearch.space.dag import MAX_NODES, OPS


@cache
def count_cells(ops: tuple[str, ...] = OPS, most: int = MAX_NODES) -> int:
    """How many cells of at most `most` nodes there are, each counted once.

    Two ways to write a cell differ in the order of its nodes. For each shape (what each node reads) the ways to put operators on it
    are counted up to the shape's symmetries (Burnside), and shapes up to their order.
    """
    free = len(ops) - 1
    colours = {"single": free, "pair": comb(free + 1, 2), "edge": free + 1}
    return sum(_count_labels(shape, colours) for nodes in range(1, most + 1) for shape in _shapes(nodes))


Shape = tuple[tuple[int, ...], ...]
"""The sources of each node; one that is read by two edges stands twice."""


def _shapes(nodes: int) -> set[Shape]:
    """Each shape once: the least of its orders."""
    choices = [[(s,) for s in range(i)] + [(s, s) for s in range(i)] + list(combinations(range(i), 2)) for i in range(1, nodes + 1)]
    return {min(_orders(shape)) for shape in product(*choices)}


def _orders(shape: Shape) -> list[Shape]:
    """All ways to write a shape, one for each order of its nodes that is a valid one."""
    return [moved for order in permutations(range(len(shape))) if (moved := _moved(shape, order)) is not None]


def _moved(shape: Shape, order: tuple[int, ...]) -> Shape | None:
    place = {0: 0, **{old + 1: new for new, old in enumerate(order, start=1)}}
    moved = tuple(tuple(sorted(place[source] for source in shape[old])) for old in order)
    return moved if all(source <= number for number, sources in enumerate(moved) for source in sources) else None


def _count_labels(shape: Shape, colours: dict[str, int]) -> int:
    """Ways to put operators on a shape, up to its symmetries."""
    symmetries = [order for order in permutations(range(len(shape))) if _moved(shape, order) == shape]
    return sum(_fixed(shape, order, colours) for order in symmetries) // len(symmetries)


def _fixed(shape: Shape, order: tuple[int, ...], colours: dict[str, int]) -> int:
    """Labellings that a symmetry leaves as they are: one choice for each cycle of slots."""
    place = {0: 0, **{old + 1: new for new, old in enumerate(order, start=1)}}
    slots: dict[tuple[int, int], str] = {}
    for number, sources in enumerate(shape, start=1):
        single = "single" if len(sources) == 1 else "pair" if len(set(sources)) == 1 else "edge"
        slots |= {(number, source): single for source in sources}
    seen: set[tuple[int, int]] = set()
    total = 1
    for slot, kind in slots.items():
        if slot in seen:
            continue
        total *= colours[kind]
        while slot not in seen:
            seen.add(slot)
            slot = place[slot[0]], place[slot[1]]
    return total
