"""What the channels of a network are: where they come to be, which of them go together, and which tensors they run through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import gcd
from typing import Literal

from pixsearch.registry import ANATOMIES
from pixsearch.signature import Signature
from pixsearch.space.base import Genotype

Place = tuple[int | str, ...]
"""Where channels come to be, named by the network's own parts."""

Lane = tuple[tuple[Place, int], ...]
"""The channels of a value in their order: each by its place and its number there."""

Strand = tuple[Place, ...]
"""Places that hold the same channels, as those that are added up."""

Group = tuple[Strand, ...]
"""Strands of which one gene says how many channels they have, each a choice of its own."""

Kept = Mapping[Place, Sequence[int]]
"""Which channels stay at each place, in order; a place that is not named keeps all."""

Bundling = Literal["one", "quarters", "fours", "whole"]
"""Which channels can only go together: none, one of each quarter, four in a row, or all."""

GIVEN: Place = ("input",)
QUARTERS = 4


@dataclass(frozen=True)
class Heard:
    """The module that hands a place's channels on, or the one that they enter."""

    module: str
    entering: bool = False


@dataclass(frozen=True)
class Anatomy:
    """The channels of one genotype's network in its deploy form.

    `tensors` names the tensors of the body that have channels, with the lane along each of their first dimensions (None: nothing goes
    there); `grouped` those of convolutions in groups, whose second dimension counts within its group. `makers` names the convolution that
    makes each place's channels, `heard` where they can be listened to. `mixing` are the plain convolutions that mix channels, in the order
    they are computed in. `narrow` gives the genotype with other numbers of channels at every place.
    """

    sizes: Mapping[Place, int]
    strands: tuple[Strand, ...]
    groups: tuple[Group, ...]
    bundling: Mapping[Strand, Bundling]
    tensors: Mapping[str, tuple[Lane | None, ...]]
    grouped: Mapping[str, int]
    makers: Mapping[Place, str]
    heard: Mapping[Place, Heard]
    mixing: tuple[str, ...]
    narrow: Callable[[Mapping[Place, int]], Genotype]

    def bundles(self, strand: Strand) -> int:
        """How many bundles of channels a strand has that can go one by one."""
        each = {"one": 1, "quarters": QUARTERS, "fours": QUARTERS, "whole": self.sizes[strand[0]]}
        return self.sizes[strand[0]] // each[self.bundling[strand]]

    def slots(self, group: Group) -> int:
        """How many times a group can be made narrower, and one: with each step all of its strands lose the same share."""
        return gcd(*(self.bundles(strand) for strand in group))

    def narrowed(self, kept: Kept) -> Genotype:
        """The genotype with only the kept channels."""
        return self.narrow({**self.sizes, **{place: len(channels) for place, channels in kept.items()}})

    def with_slots(self, counts: Sequence[int]) -> Genotype:
        """The genotype with so many slots of every group."""
        widths = dict(self.sizes)
        for group, count in zip(self.groups, counts, strict=True):
            slots = self.slots(group)
            widths |= {place: self.sizes[place] // slots * count for strand in group for place in strand}
        return self.narrow(widths)

    def slots_of(self, sizes: Mapping[Place, int]) -> tuple[int, ...]:
        """How many slots of every group there are where places have these sizes."""
        firsts = [(group, group[0][0]) for group in self.groups]
        return tuple(sizes[place] * self.slots(group) // self.sizes[place] for group, place in firsts)


@lru_cache(maxsize=256)
def anatomy_of(genotype: Genotype, signature: Signature) -> Anatomy:
    """The anatomy of the genotype's network; `signature` is the network's own."""
    found: Anatomy = ANATOMIES.load(genotype.space)(genotype, signature)
    return found


@dataclass
class Draft:
    """An anatomy as it is taken down, part by part in the order of computation."""

    _sizes: dict[Place, int] = field(default_factory=dict)
    _same: list[tuple[Place, Place]] = field(default_factory=list)
    _alike: list[tuple[Place, Place]] = field(default_factory=list)
    _bundled: dict[Place, set[Bundling]] = field(default_factory=dict)
    tensors: dict[str, tuple[Lane | None, ...]] = field(default_factory=dict)
    grouped: dict[str, int] = field(default_factory=dict)
    makers: dict[Place, str] = field(default_factory=dict)
    heard: dict[Place, Heard] = field(default_factory=dict)
    mixing: list[str] = field(default_factory=list)

    def given(self, size: int) -> Lane:
        """The channels of the network's input, which stay."""
        self._sizes[GIVEN] = size
        return lane(GIVEN, size)

    def place(self, place: Place, size: int, maker: str, heard: Heard | None = None) -> Lane:
        """New channels that the convolution `maker` makes; they are `heard` there unless something else hands them on."""
        self._sizes[place], self.makers[place], self.heard[place] = size, maker, heard or Heard(maker)
        return lane(place, size)

    def conv(self, name: str, inputs: Lane | None, outputs: Lane | None, *, groups: int = 1) -> None:
        """A plain convolution from some channels to others (None: to or from what stays)."""
        self.tensors |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
        self.mixing.append(name)
        if groups > 1:
            self.grouped[f"{name}.weight"] = groups

    def along(self, name: str, channels: Lane) -> None:
        """A module that treats each channel alone: an activation, or a depthwise convolution."""
        self.tensors |= {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}

    def same(self, first: Lane, second: Lane) -> None:
        """Two values are added up: their channels go together."""
        self._same.append((first[0][0], second[0][0]))

    def alike(self, places: Iterable[Place]) -> None:
        """One gene says how many channels all of these have."""
        first, *others = places
        self._alike += [(first, other) for other in others]

    def bundle(self, channels: Lane, bundling: Bundling) -> None:
        """Channels of a value can go in bundles alone."""
        self._bundled.setdefault(channels[0][0], set()).add(bundling)

    def done(self, narrow: Callable[[Mapping[Place, int]], Genotype]) -> Anatomy:
        """The anatomy; strands that hold channels of the input can lose none and are left out."""
        strands = [tuple(one) for one in _joined(self._sizes, self._same)]
        free = [strand for strand in strands if GIVEN not in strand]
        sets = _joined(self._sizes, [*self._same, *self._alike])
        groups = [tuple(strand for strand in free if strand[0] in one) for one in sets if GIVEN not in one]
        return Anatomy(
            sizes=self._sizes,
            strands=tuple(free),
            groups=tuple(groups),
            bundling={strand: self._bundling(strand) for strand in free},
            tensors=self.tensors,
            grouped=self.grouped,
            makers=self.makers,
            heard=self.heard,
            mixing=tuple(self.mixing),
            narrow=narrow,
        )

    def _bundling(self, strand: Strand) -> Bundling:
        found: set[Bundling] = set().union(*(self._bundled.get(place, set()) for place in strand))
        if len(found) > 1:
            return "whole"
        return next(iter(found), "one")


def lane(place: Place, size: int) -> Lane:
    """All channels of a place."""
    return tuple((place, channel) for channel in range(size))


def positions(channels: Lane, kept: Kept) -> list[int]:
    """Where in a value the channels are that stay."""
    staying = {place: set(numbers) for place, numbers in kept.items()}
    return [at for at, (place, channel) in enumerate(channels) if place not in staying or channel in staying[place]]


def _joined(places: Iterable[Place], pairs: Iterable[tuple[Place, Place]]) -> list[list[Place]]:
    """The places in sets that pairs hold together, in the order of their first ones."""
    home: dict[Place, list[Place]] = {place: [place] for place in places}
    for first, second in pairs:
        ours, theirs = home[first], home[second]
        if ours is not theirs:
            ours.extend(theirs)
            home |= dict.fromkeys(theirs, ours)
    order = {place: at for at, place in enumerate(home)}
    different = {id(one): one for one in home.values()}
    return sorted((sorted(one, key=order.__getitem__) for one in different.values()), key=lambda one: order[one[0]])
