"""Which channels of a network go first: the order in which each group can be made narrower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from pixsearch.prune.anatomy import QUARTERS, Anatomy, Bundling, Group, Kept, Place, Strand
from pixsearch.prune.channels import Scores
from pixsearch.space.base import Genotype

LEAST = 2  # channels a strand keeps, whatever is asked

Counts = tuple[int, ...]
"""How many slots stay of each group, in the order of the anatomy's `groups`."""


@dataclass(frozen=True)
class Plan:
    """What pruning leaves: the genotype, and the channels that stay, in order, at each place of the network it is cut from."""

    genotype: Genotype
    kept: Kept


class Ranking:
    """The slots of every group, the best first: by the `scores` of channels, slots of several channels by the sum of theirs.

    A slot is what a group loses at a time: of a strand of its own one channel, where one gene counts several strands a channel of
    each, where channels go in bundles alone such a bundle.
    """

    def __init__(self, anatomy: Anatomy, scores: Scores) -> None:
        self.anatomy = anatomy
        bundles = {strand: ranked(scores[strand], anatomy.bundling[strand]) for strand in anatomy.strands}
        self._channels = {strand: [channels for _, channels in found] for strand, found in bundles.items()}
        self.scores = [self._summed(group, bundles) for group in anatomy.groups]
        self.sizes: Counts = tuple(anatomy.slots(group) for group in anatomy.groups)
        self.least: Counts = tuple(self._least(group, size) for group, size in zip(anatomy.groups, self.sizes, strict=True))

    def kept(self, counts: Sequence[int]) -> Kept:
        """The channels that stay, so many slots of each group, by place."""
        found: dict[Place, list[int]] = {}
        for group, size, count in zip(self.anatomy.groups, self.sizes, counts, strict=True):
            for strand in group:
                bundles = self._channels[strand]
                channels = sorted(channel for bundle in bundles[: len(bundles) // size * count] for channel in bundle)
                found |= dict.fromkeys(strand, channels)
        return found

    def genotype(self, counts: Sequence[int]) -> Genotype:
        """The genotype with so many slots of each group."""
        return self.anatomy.with_slots(counts)

    def plan(self, counts: Sequence[int]) -> Plan:
        """Both."""
        return Plan(self.genotype(counts), self.kept(counts))

    def _summed(self, group: Group, bundles: dict[Strand, list[tuple[float, list[int]]]]) -> list[float]:
        slots = self.anatomy.slots(group)
        each = {strand: len(bundles[strand]) // slots for strand in group}
        return [
            sum(score for strand, many in each.items() for score, _ in bundles[strand][slot * many : (slot + 1) * many])
            for slot in range(slots)
        ]

    def _least(self, group: Group, size: int) -> int:
        """Slots that hold `LEAST` channels of every strand, or what there is."""
        narrowest = min(self.anatomy.sizes[strand[0]] // size for strand in group)
        return min(size, -(-LEAST // narrowest))


def ranked(scores: Tensor, bundling: Bundling) -> list[tuple[float, list[int]]]:
    """Bundles of channels that can go one by one, with the sums of their scores, the best first; the earlier of equals."""
    values, size = scores.tolist(), len(scores)
    match bundling:
        case "one":
            bundles = [[channel] for channel in range(size)]
        case "quarters":
            quarters = [range(at * size // QUARTERS, (at + 1) * size // QUARTERS) for at in range(QUARTERS)]
            orders = [sorted(quarter, key=lambda channel: -values[channel]) for quarter in quarters]
            bundles = [list(bundle) for bundle in zip(*orders, strict=True)]
        case "fours":
            bundles = [list(range(first, first + QUARTERS)) for first in range(0, size, QUARTERS)]
        case "whole":
            bundles = [list(range(size))]
    summed = [(sum(values[channel] for channel in bundle), bundle) for bundle in bundles]
    return sorted(summed, key=lambda one: -one[0])
