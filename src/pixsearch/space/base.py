"""What every space of architectures offers: genotypes, the operators that vary them, and their costs in closed form."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from pixsearch.errors import DataError, InfeasibleError
from pixsearch.registry import SPACES
from pixsearch.signature import Signature

REPAIR_TRIES = 200
TRIES = 10  # likely steps that are tried before all small ones are
FRAME = (720, 1280)
BYTES = 4  # of a float32 value


@dataclass(frozen=True)
class Genotype(ABC):
    """One architecture: frozen, hashable, JSON, with a short id that is stable across runs and machines."""

    space: ClassVar[str]

    @abstractmethod
    def genes(self) -> dict[str, Any]:
        """The genes as plain JSON values, without the name of the space."""

    def to_json(self) -> dict[str, Any]:
        """The genes and the name of their space."""
        return {"space": self.space, **self.genes()}

    @property
    def id(self) -> str:
        """Eight hexadecimal digits of a hash of the genes."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


G = TypeVar("G", bound=Genotype)


class Space(ABC, Generic[G]):
    """A family of architectures for one signature.

    Operators return members of the space in canonical form (two genotypes that build the same network are equal), draw
    only from the generator they are given and never change their arguments. Costs are exact: a test compares them with
    the counted network. They hold for float32. A space that is not `searchable` holds hand-made networks only: its
    operators raise `UsageError`.
    """

    name: ClassVar[str]
    searchable: ClassVar[bool] = True

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> G:
        """A random member."""

    @abstractmethod
    def mutate(self, genotype: G, rng: np.random.Generator) -> G:
        """A member that differs from `genotype` in one or a few genes."""

    @abstractmethod
    def crossover(self, first: G, second: G, rng: np.random.Generator) -> G:
        """A member made of genes of both parents."""

    @abstractmethod
    def shrink(self, genotype: G, rng: np.random.Generator) -> G:
        """A cheaper member near `genotype`; the smallest member returns itself."""

    @abstractmethod
    def smallest(self) -> G:
        """The member with the fewest multiply-adds."""

    @abstractmethod
    def largest(self) -> G:
        """The member with the most multiply-adds."""

    @abstractmethod
    def size(self) -> int:
        """How many genotypes there are."""

    @abstractmethod
    def macs_per_pixel(self, genotype: G) -> float:
        """Counted multiply-adds an output pixel (convolutions only, as the field counts them)."""

    def macs_per_picture(self, genotype: G) -> int:
        """Counted multiply-adds of a whole picture beside those of its pixels: what is computed once, whatever its size."""
        del genotype
        return 0

    @abstractmethod
    def params(self, genotype: G) -> int:
        """Trainable values of the deploy form."""

    @abstractmethod
    def memory_bytes(self, genotype: G) -> int:
        """Peak bytes of float32 activations alive at once for one 1280×720 output frame."""

    @abstractmethod
    def multiple(self, genotype: G) -> int:
        """Input height and width must be multiples of this."""

    @abstractmethod
    def receptive_radius(self, genotype: G) -> int:
        """Input pixels to each side that an output pixel can depend on (rounded up to `multiple`)."""

    @abstractmethod
    def parse(self, genes: dict[str, Any]) -> G:
        """The genotype with these genes; `DataError` naming the gene that is wrong."""

    @abstractmethod
    def describe(self, genotype: G) -> str:
        """One line for people: `conv3 16 relu ×5, skip bicubic`."""

    def border(self, genotype: G) -> Signature:
        """What the network of `genotype` takes and gives, of what the space's signature offers it."""
        del genotype
        return self.signature

    def frozen(self, genotype: G) -> G:
        """The static member that one with dynamic layers is with its coefficients fixed; a static one is its own."""
        return genotype

    def blended_macs_720p(self, genotype: G) -> float:
        """`macs_720p` when dynamic layers run all their experts and blend what they give, predictor included."""
        return self.macs_720p(genotype)

    def price(self, genotype: G) -> tuple[float, int]:
        """What makes a member cheap: multiply-adds a pixel, then parameters."""
        return self.macs_per_pixel(genotype), self.params(genotype)

    def input_frame(self, genotype: G) -> tuple[int, int]:
        """(height, width) of the input for a 1280×720 output, rounded up to whole pixels and to `multiple`."""
        multiple = self.multiple(genotype)
        height, width = (-(-side // (self.signature.scale * multiple)) * multiple for side in FRAME)
        return height, width

    def leanest(self) -> G:
        """The member with the fewest trained values, which mostly is the one with the fewest multiply-adds."""
        return self.smallest()

    def macs_720p(self, genotype: G) -> float:
        """Counted multiply-adds for a 1280×720 output."""
        return self.macs_per_pixel(genotype) * FRAME[0] * FRAME[1] + self.macs_per_picture(genotype)

    def repair(self, genotype: G, fits: Callable[[G], bool], rng: np.random.Generator) -> G:
        """The nearest member for which `fits` holds, by shrinking step by step, or an end; `InfeasibleError` if none is found."""
        current = genotype
        for _ in range(REPAIR_TRIES):
            if fits(current):
                return current
            smaller = self.shrink(current, rng)
            if smaller == current:
                break
            current = smaller
        for end in (self.smallest(), self.leanest()):
            if fits(end):
                return end
        raise InfeasibleError(f"No member of the space `{self.name}` near `{genotype.id}` fits the bounds. Loosen a bound.")


class SteppedSpace(Space[G]):
    """A space whose members are varied and made cheaper by small steps that may come to nothing.

    Steps are given, and taken, in canonical form.
    """

    @abstractmethod
    def vary(self, genotype: G, rng: np.random.Generator) -> G:
        """One random step."""

    @abstractmethod
    def lighten(self, genotype: G, rng: np.random.Generator) -> G:
        """One step that is likely to cost less."""

    @abstractmethod
    def lighter(self, genotype: G) -> Iterator[G]:
        """Neighbours in small steps; one at least costs less, unless nothing in the space does."""

    def mutate(self, genotype: G, rng: np.random.Generator) -> G:
        """A member that differs from `genotype` by one or a few steps."""
        child = genotype
        while child == genotype:
            for _ in range(int(rng.geometric(0.7))):
                child = self.vary(child, rng)
        return child

    def shrink(self, genotype: G, rng: np.random.Generator) -> G:
        """A neighbour with fewer multiply-adds, or as many and fewer parameters; `genotype` itself when there is none."""
        price = self.price(genotype)
        for _ in range(TRIES):
            child = self.lighten(genotype, rng)
            if self.price(child) < price:
                return child
        smaller = [neighbour for neighbour in self.lighter(genotype) if self.price(neighbour) < price]
        return smaller[int(rng.choice(len(smaller)))] if smaller else genotype


class BlockSpace(Space[G]):
    """A space whose genotypes are chains of blocks, each of a kind, that can be exchanged one by one.

    `kinds` are the kinds a block can be. Positions count from 0 at the input.
    """

    kinds: ClassVar[tuple[str, ...]]

    @abstractmethod
    def kinds_of(self, genotype: G) -> tuple[str, ...]:
        """The kind of the block at each position."""

    @abstractmethod
    def exchange(self, genotype: G, position: int, kind: str, rng: np.random.Generator) -> G:
        """A member with a block of `kind` at `position`; what else such a block needs is drawn, or kept where both have it."""


Decision = Hashable
"""One of the decisions that a genotype of a `SequentialSpace` is made by."""


class SequentialSpace(Space[G]):
    """A space whose genotypes are written decision by decision; what can follow one depends on that one alone.

    Some genes may be left open: they say how large the network is.
    """

    @abstractmethod
    def decisions(self, genotype: G) -> tuple[Decision, ...]:
        """The decisions that write `genotype` in canonical form, from the first to the last one."""

    @abstractmethod
    def following(self, last: Decision | None) -> Sequence[Decision]:
        """All that can follow `last` (None: at the start); nothing follows the last decision of a genotype."""

    @abstractmethod
    def draw_following(self, last: Decision | None, rng: np.random.Generator) -> Decision:
        """One of those, as likely as `sample` draws it."""

    @abstractmethod
    def written(self, decisions: Sequence[Decision], fits: Callable[[G], bool]) -> G | None:
        """The largest member with these decisions that `fits`, the smallest when none does; None when they make no member."""

    @abstractmethod
    def density(self, genotype: G) -> float:
        """Edges over nodes of the genotype's graph."""


def read_genotype(data: dict[str, Any], signature: Signature) -> tuple[Space[Any], Any]:
    """The space and the genotype in a JSON object with a key `space`."""
    if not isinstance(data, dict) or "space" not in data:
        raise DataError("An architecture is a JSON object with a key `space`. Take one from a run's front.json.")
    space: Space[Any] = SPACES.load(data["space"])(signature)
    return space, space.parse({key: value for key, value in data.items() if key != "space"})
