"""The networks that one can be cut down to, as a space that a strategy searches: its own layers with fewer channels each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pixsearch.nn.build import Network
from pixsearch.prune.anatomy import anatomy_of
from pixsearch.prune.ranking import Counts, Ranking
from pixsearch.prune.shares import by_scores, uniform
from pixsearch.search.bounds import Fits
from pixsearch.space.base import Genotype, Space

SPREAD = 0.25  # of the logarithm of a group's slots when it is varied
CROSSOVER = 0.5  # share of children that have two parents
MOVED = 0.5  # chance that one more group is varied
ELSEWHERE = 0.2  # share of children that go for another of several shares
SLIM = 0.3  # share of members that stay well under their share, where another cost is sought too


class Cuts(Space[Any]):
    """What `network` (in its deploy form) can be cut down to by removing channels, the least important ones of each group.

    A member is a genotype of the network's own space, `inner`, whose costs it has; so it says how many channels stay, and with the
    `ranking` which. `shares` are the bounds on the multiply-adds that are asked for, as shares of the network's; every
    member that is drawn or bred keeps the greatest of them and `fits`, and most have no room for one channel more under one of them.
    With `slim` some stay well under it, for a front over another cost.
    """

    def __init__(self, network: Network, inner: Space[Any], ranking: Ranking, shares: Sequence[float], fits: Fits, *, slim: bool) -> None:
        super().__init__(inner.signature)
        self.name = inner.name  # type: ignore[misc]
        self.inner, self.ranking, self.network, self.whole = inner, ranking, network, network.genotype
        self.fits, self.slim = fits, slim
        self.sizes, self.least = ranking.sizes, ranking.least
        self.shares = tuple(sorted(shares, reverse=True))
        self._starts = [
            *(by_scores(ranking, inner, share) for share in self.shares),
            *(uniform(network, inner, share) for share in self.shares),
        ]
        self._given = 0

    def counts(self, genotype: Genotype) -> Counts:
        """How many slots a member has of each group."""
        return self.ranking.anatomy.slots_of(anatomy_of(genotype, self.network.signature).sizes)

    def sample(self, rng: np.random.Generator) -> Genotype:
        """A member: at first those that importance and magnitude ask for, in order; then such by importance, varied in every group."""
        number, self._given = self._given, self._given + 1
        if number < len(self._starts):
            return self._settled(self._starts[number], self.shares[number % len(self.shares)], (), rng)
        place = int(rng.integers(len(self.shares)))
        noise = np.exp(rng.normal(0.0, SPREAD, len(self.sizes)))
        return self._settled(np.asarray(self._starts[place]) * noise, self._under(self.shares[place], rng), (), rng)

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Genotype:
        """More or fewer channels in some groups, which others make up for."""
        counts = np.asarray(self.counts(genotype), dtype=float)
        moved = rng.permutation(len(counts))[: int(rng.geometric(1 - MOVED))]
        for group in moved:
            by = rng.normal(0.0, SPREAD)
            counts[group] = counts[group] * np.exp(by) + np.sign(by)
        return self._settled(counts, self._aim(genotype, rng), tuple(map(int, moved)), rng)

    def crossover(self, first: Genotype, second: Genotype, rng: np.random.Generator) -> Genotype:
        """Each group as wide as in one of the two."""
        ours, theirs = np.asarray(self.counts(first)), np.asarray(self.counts(second))
        return self._settled(np.where(rng.random(len(ours)) < 0.5, ours, theirs), self._aim(first, rng), (), rng)

    def breed(self, first: Genotype, second: Genotype, rng: np.random.Generator) -> Genotype:
        """A child of both parents, or of the first alone, varied."""
        return self.mutate(self.crossover(first, second, rng) if rng.random() < CROSSOVER else first, rng)

    def shrink(self, genotype: Genotype, rng: np.random.Generator) -> Genotype:
        """A channel less in one group; the smallest member returns itself."""
        counts = self.counts(genotype)
        wide = [group for group, count in enumerate(counts) if count > self.least[group]]
        return self.ranking.genotype(_with(counts, int(rng.choice(wide)), -1)) if wide else genotype

    def smallest(self) -> Genotype:
        """As few channels as may be."""
        return self.ranking.genotype(self.least)

    def largest(self) -> Genotype:
        """The network as it is."""
        return self.whole

    def size(self) -> int:
        """How many members there are, whatever they cost."""
        found = 1
        for least, size in zip(self.least, self.sizes, strict=True):
            found *= size - least + 1
        return found

    def share(self, genotype: Genotype) -> float:
        """The share of the network's multiply-adds that a member has."""
        return self.inner.macs_per_pixel(genotype) / self.inner.macs_per_pixel(self.whole)

    def _aim(self, genotype: Genotype, rng: np.random.Generator) -> float:
        """The share that a child of `genotype` goes for: its own, or another one."""
        own = next((share for share in reversed(self.shares) if self.holds(genotype, share)), self.shares[0])
        other = len(self.shares) > 1 and rng.random() < ELSEWHERE
        return self._under(float(rng.choice(self.shares)) if other else own, rng)

    def _under(self, share: float, rng: np.random.Generator) -> float:
        return share * float(rng.uniform(0.5, 1.0)) if self.slim and rng.random() < SLIM else share

    def holds(self, genotype: Genotype, share: float) -> bool:
        """Whether a member keeps this share of the multiply-adds, and `fits`."""
        within = self.inner.macs_per_pixel(genotype) <= share * self.inner.macs_per_pixel(self.whole)
        return within and self.fits(genotype)

    def _settled(
        self, wanted: Sequence[float] | np.ndarray[Any, Any], share: float, held: Sequence[int], rng: np.random.Generator
    ) -> Genotype:
        """The member near `wanted` slots that keeps `share` and has no room for more; groups in `held` give way last."""
        ends = zip(wanted, self.least, self.sizes, strict=True)
        counts: Counts = tuple(int(min(max(round(float(count)), low), high)) for count, low, high in ends)
        while not self.holds(self.ranking.genotype(counts), share):
            wide = [group for group, count in enumerate(counts) if count > self.least[group]]
            if not wide:
                break
            free = [group for group in wide if group not in held] or wide
            counts = _with(counts, int(rng.choice(free)), -1)
        while room := [group for group in range(len(counts)) if group not in held and self._has_room(counts, group, share)]:
            counts = _with(counts, int(rng.choice(room)), 1)
        return self.ranking.genotype(counts)

    def _has_room(self, counts: Counts, group: int, share: float) -> bool:
        return counts[group] < self.sizes[group] and self.holds(self.ranking.genotype(_with(counts, group, 1)), share)

    def macs_per_pixel(self, genotype: Genotype) -> float:
        """As in the network's own space; so are the figures below."""
        return self.inner.macs_per_pixel(genotype)

    def macs_per_picture(self, genotype: Genotype) -> int:
        """See `Space`."""
        return self.inner.macs_per_picture(genotype)

    def params(self, genotype: Genotype) -> int:
        """See `Space`."""
        return self.inner.params(genotype)

    def memory_bytes(self, genotype: Genotype) -> int:
        """See `Space`."""
        return self.inner.memory_bytes(genotype)

    def multiple(self, genotype: Genotype) -> int:
        """See `Space`."""
        return self.inner.multiple(genotype)

    def receptive_radius(self, genotype: Genotype) -> int:
        """See `Space`."""
        return self.inner.receptive_radius(genotype)

    def parse(self, genes: dict[str, Any]) -> Genotype:
        """See `Space`."""
        member: Genotype = self.inner.parse(genes)
        return member

    def describe(self, genotype: Genotype) -> str:
        """See `Space`."""
        return self.inner.describe(genotype)


def _with(counts: Counts, group: int, more: int) -> Counts:
    return tuple(count + more * (place == group) for place, count in enumerate(counts))
