"""Which channels stay so that a share of the multiply-adds is left: by importance, or the same share of every layer by magnitude."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from pixsearch.errors import InfeasibleError
from pixsearch.nn.build import Network
from pixsearch.prune.channels import Group, Plan, by_place, chain_of, magnitude, narrowed, with_chain
from pixsearch.space.base import Genotype, Space

LEAST = 2  # channels a group keeps, whatever is asked

Channels = Mapping[Group, Sequence[int]]
Price = Callable[[Channels], float]


def by_scores(genotype: Genotype, space: Space[Any], keep_macs: float, scores: Mapping[Group, Tensor]) -> Plan:
    """Which channels to remove so that at most a share `keep_macs` (0…1) of the multiply-adds is left, by their `scores`.

    The channel with the least score for each multiply-add it saves goes first, until the bound holds; then channels
    come back, the highest scores first, as long as the bound allows. Every group keeps `LEAST` channels (or what it has).
    `InfeasibleError` when even that is too much.
    """
    macs, before = pricing(genotype, space), space.macs_per_pixel(genotype)
    kept = {group: list(range(len(score))) for group, score in scores.items()}
    removed: list[tuple[Group, int]] = []
    while macs(kept) > keep_macs * before:
        step = _next(kept, scores, macs)
        if step is None:
            raise too_little(keep_macs, macs(kept) / before)
        group, channel = step
        kept[group].remove(channel)
        removed.append(step)
    for group, channel in sorted(removed, key=lambda step: -float(scores[step[0]][step[1]])):
        wider = {**kept, group: sorted([*kept[group], channel])}
        if macs(wider) <= keep_macs * before:
            kept = wider
    return as_plan(genotype, kept)


def _next(kept: Mapping[Group, list[int]], scores: Mapping[Group, Tensor], macs: Price) -> tuple[Group, int] | None:
    """The removal that costs the least importance for each multiply-add saved; None when every group is down to its least."""
    now, prices = macs(kept), {}
    for group, channels in kept.items():
        if len(channels) > LEAST:
            channel = min(channels, key=lambda c: float(scores[group][c]))
            prices[group, channel] = float(scores[group][channel]) / (now - macs({**kept, group: channels[1:]}))
    return min(prices, key=lambda step: prices[step]) if prices else None


def uniform(network: Network, space: Space[Any], keep_macs: float) -> Plan:
    """The same share of the channels of every group, those of the greatest magnitude, so that at most `keep_macs` is left.

    The share is the greatest that the bound allows; groups then get one channel more, from the first on, where there is room.
    `InfeasibleError` as in `by_scores`; `network` in its deploy form.
    """
    genotype, scores = network.genotype, magnitude(network)
    macs, bound = pricing(genotype, space), keep_macs * space.macs_per_pixel(genotype)
    sizes = {group: len(score) for group, score in scores.items()}

    def of(counts: Mapping[Group, int]) -> dict[Group, list[int]]:
        return {group: strongest(scores[group], count) for group, count in counts.items()}

    shares = sorted({count / size for size in sizes.values() for count in range(size + 1)}, reverse=True)
    ladder = ({group: max(min(LEAST, size), math.floor(share * size + 1e-9)) for group, size in sizes.items()} for share in shares)
    counts = next((counts for counts in ladder if macs(of(counts)) <= bound), None)
    if counts is None:
        least = {group: min(LEAST, size) for group, size in sizes.items()}
        raise too_little(keep_macs, macs(of(least)) / space.macs_per_pixel(genotype))
    for group, size in sizes.items():
        wider = {**counts, group: min(size, counts[group] + 1)}
        counts = wider if macs(of(wider)) <= bound else counts
    return as_plan(genotype, of(counts))


def strongest(score: Tensor, count: int) -> list[int]:
    """The `count` channels of the greatest score, in their order; the earlier of equals."""
    ranked = sorted(range(len(score)), key=lambda channel: -float(score[channel]))
    return sorted(ranked[:count])


def pricing(genotype: Genotype, space: Space[Any]) -> Price:
    """What the network costs with these channels of each group: multiply-adds an output pixel."""
    chain = chain_of(genotype)
    return lambda channels: space.macs_per_pixel(with_chain(genotype, narrowed(chain, by_place(chain, channels))))


def as_plan(genotype: Genotype, kept: Channels) -> Plan:
    """The plan that keeps these channels of each group."""
    chain = chain_of(genotype)
    places = by_place(chain, kept)
    return Plan(with_chain(genotype, narrowed(chain, places)), places)


def too_little(keep_macs: float, share: float) -> InfeasibleError:
    """The error for a bound under what is left at the least: a share `share`."""
    return InfeasibleError(
        f"`--keep-macs {keep_macs:g}` cannot be reached: with {LEAST} channels a layer {share:.3f} of the multiply-adds are left. "
        f"Ask for {math.ceil(share * 1000) / 1000:g} or more, or train a smaller architecture."
    )
