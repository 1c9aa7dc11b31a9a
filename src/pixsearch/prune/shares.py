"""Which channels stay so that a share of the multiply-adds is left: by importance, or the same share of every layer by magnitude."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pixsearch.errors import InfeasibleError
from pixsearch.nn.build import Network
from pixsearch.prune.anatomy import anatomy_of
from pixsearch.prune.channels import magnitude
from pixsearch.prune.ranking import LEAST, Counts, Ranking
from pixsearch.space.base import Space

Price = Callable[[Sequence[int]], float]


def by_scores(ranking: Ranking, space: Space[Any], keep_macs: float) -> Counts:
    """How much of each group to keep so that at most a share `keep_macs` (0…1) of the multiply-adds is left, by the ranking's scores.

    The slot with the least score for each multiply-add it saves goes first, until the bound holds; then slots
    come back, the highest scores first, as long as the bound allows. Every strand keeps `LEAST` channels (or what it has).
    `InfeasibleError` when even that is too much.
    """
    macs = pricing(ranking, space)
    counts, bound = list(ranking.sizes), keep_macs * macs(ranking.sizes)
    removed: list[int] = []
    while macs(counts) > bound:
        group = _next(counts, ranking, macs)
        if group is None:
            raise too_little(ranking, space, keep_macs)
        counts[group] -= 1
        removed.append(group)
    for group, _ in sorted(_slots(removed, counts), key=lambda slot: -ranking.scores[slot[0]][slot[1]]):
        wider = [count + (place == group) for place, count in enumerate(counts)]
        counts = wider if macs(wider) <= bound else counts
    return tuple(counts)


def _next(counts: Sequence[int], ranking: Ranking, macs: Price) -> int | None:
    """The group that loses the least importance for each multiply-add saved; None when every one is down to its least."""
    now, prices = macs(counts), {}
    for group, count in enumerate(counts):
        if count > ranking.least[group]:
            narrower = [one - (place == group) for place, one in enumerate(counts)]
            prices[group] = ranking.scores[group][count - 1] / (now - macs(narrower))
    return min(prices, key=lambda group: prices[group]) if prices else None


def _slots(removed: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The slots that are gone, by group and number."""
    for group in sorted(set(removed), key=removed.index):
        yield from ((group, slot) for slot in range(counts[group], counts[group] + removed.count(group)))


def uniform(network: Network, space: Space[Any], keep_macs: float) -> Counts:
    """The same share of every group, so that at most `keep_macs` is left.

    The share is the greatest that the bound allows; groups then get one slot more, from the first on, where there is room.
    `InfeasibleError` as in `by_scores`; `network` in its deploy form.
    """
    ranking = by_magnitude(network)
    macs, sizes, least = pricing(ranking, space), ranking.sizes, ranking.least
    bound = keep_macs * macs(sizes)
    shares = sorted({count / size for size in sizes for count in range(size + 1)}, reverse=True)
    ladder = (tuple(max(low, math.floor(share * size + 1e-9)) for low, size in zip(least, sizes, strict=True)) for share in shares)
    counts = next((counts for counts in ladder if macs(counts) <= bound), None)
    if counts is None:
        raise too_little(ranking, space, keep_macs)
    for group, size in enumerate(sizes):
        wider = tuple(min(size, count + 1) if place == group else count for place, count in enumerate(counts))
        counts = wider if macs(wider) <= bound else counts
    return counts


def by_magnitude(network: Network) -> Ranking:
    """The ranking by the weights of a network in its deploy form."""
    return Ranking(anatomy_of(network.genotype, network.signature), magnitude(network))


def pricing(ranking: Ranking, space: Space[Any]) -> Price:
    """What the network costs with so many slots of each group: multiply-adds an output pixel."""
    return lambda counts: space.macs_per_pixel(ranking.genotype(counts))


def too_little(ranking: Ranking, space: Space[Any], keep_macs: float) -> InfeasibleError:
    """The error for a bound under what is left at the least."""
    macs = pricing(ranking, space)
    share = macs(ranking.least) / macs(ranking.sizes)
    return InfeasibleError(
        f"`--keep-macs {keep_macs:g}` cannot be reached: with {LEAST} channels a layer, or as few as can go, {share:.3f} of the "
        f"multiply-adds are left. Ask for {math.ceil(share * 1000) / 1000:g} or more, or train a smaller architecture."
    )
