"""Hand-made networks that are not chains of `mobile`, by name: FSRCNN (Dong et al. 2016) and ESPCN (Shi et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

import numpy as np

from pixsearch.errors import DataError, UsageError
from pixsearch.registry import closest
from pixsearch.signature import Signature
from pixsearch.space.base import FRAME, Genotype, Space
from pixsearch.space.cost import Conv
from pixsearch.space.genes import check_keys, integer

FSRCNN = {"d": 56, "s": 12, "m": 4, "kernel": 9}
ESPCN = (64, 32)
NAMES = ("fsrcnn", "espcn")
TITLES = {"fsrcnn": "FSRCNN (d 56, s 12, m 4)", "espcn": "ESPCN (64-32, tanh)"}


@dataclass(frozen=True)
class ReferenceGenotype(Genotype):
    """A hand-made network: its name says it all, unless it is pruned.

    Then `widths` are the channels of all convolutions but the last, in turn; empty when they are as published.
    """

    space: ClassVar[str] = "reference"
    name: str
    widths: tuple[int, ...] = ()

    def genes(self) -> dict[str, Any]:
        """The name, and the widths of a pruned network."""
        return {"name": self.name, **({"widths": list(self.widths)} if self.widths else {})}


def published(name: str) -> tuple[int, ...]:
    """The widths of a network as in its paper."""
    d, s, m = FSRCNN["d"], FSRCNN["s"], FSRCNN["m"]
    return ESPCN if name == "espcn" else (d, s, *[s] * m, d)


def widths_of(genotype: ReferenceGenotype) -> tuple[int, ...]:
    """The channels of all convolutions but the last."""
    return genotype.widths or published(genotype.name)


def canonical(genotype: ReferenceGenotype) -> ReferenceGenotype:
    """The one way to write this network."""
    return replace(genotype, widths=()) if genotype.widths == published(genotype.name) else genotype


def convolutions(genotype: ReferenceGenotype, signature: Signature) -> list[Conv]:
    """The network's convolutions in turn; FSRCNN's last one is transposed and so computed at its input's size."""
    inputs, outputs = signature.in_channels, signature.out_channels
    if genotype.name == "espcn":
        first, second = widths_of(genotype)
        return [Conv(inputs, first, 5), Conv(first, second, 3), Conv(second, outputs * signature.scale**2, 3)]
    widths, kernels = widths_of(genotype), (5, 1, *[3] * FSRCNN["m"], 1)
    plan = [Conv(before, after, kernel, act=after) for before, after, kernel in zip((inputs, *widths), widths, kernels, strict=False)]
    return [*plan, Conv(widths[-1], outputs, FSRCNN["kernel"])]


class ReferenceSpace(Space[ReferenceGenotype]):
    """The hand-made networks: they are built, trained and compared with, but not searched."""

    name: ClassVar[str] = "reference"
    searchable: ClassVar[bool] = False

    def __init__(self, signature: Signature) -> None:
        if signature.task != "sr":
            raise UsageError(f"`fsrcnn` and `espcn` are made for super-resolution, not for the task `{signature.task}`. Use `plain-m4c16`.")
        super().__init__(signature)

    def _refuse(self) -> NoReturn:
        raise UsageError("The hand-made networks of the space `reference` cannot be searched. Search the space `mobile`.")

    def sample(self, rng: np.random.Generator) -> ReferenceGenotype:
        """Refused."""
        del rng
        self._refuse()

    def mutate(self, genotype: ReferenceGenotype, rng: np.random.Generator) -> ReferenceGenotype:
        """Refused."""
        del genotype, rng
        self._refuse()

    def crossover(self, first: ReferenceGenotype, second: ReferenceGenotype, rng: np.random.Generator) -> ReferenceGenotype:
        """Refused."""
        del first, second, rng
        self._refuse()

    def shrink(self, genotype: ReferenceGenotype, rng: np.random.Generator) -> ReferenceGenotype:
        """Refused."""
        del genotype, rng
        self._refuse()

    def smallest(self) -> ReferenceGenotype:
        """The network with the fewest multiply-adds."""
        return min(self._members(), key=self.macs_per_pixel)

    def largest(self) -> ReferenceGenotype:
        """The network with the most multiply-adds."""
        return max(self._members(), key=self.macs_per_pixel)

    def size(self) -> int:
        """How many networks there are."""
        return len(NAMES)

    def macs_per_pixel(self, genotype: ReferenceGenotype) -> float:
        """Counted multiply-adds an output pixel; FSRCNN's paper counts its transposed convolution at the output's size instead."""
        return sum(conv.weights for conv in convolutions(genotype, self.signature)) / self.signature.scale**2

    def params(self, genotype: ReferenceGenotype) -> int:
        """Trained values, biases and slopes included (the papers leave them out)."""
        return sum(conv.params for conv in convolutions(genotype, self.signature))

    def memory_bytes(self, genotype: ReferenceGenotype) -> int:
        """Peak bytes of float32 activations for one 1280×720 output: the largest input and output of one operator."""
        height, width = (-(-side // self.signature.scale) for side in FRAME)
        convs = convolutions(genotype, self.signature)
        result = self.signature.out_channels * self.signature.scale**2
        pairs = [(conv.inputs, conv.outputs) for conv in convs[:-1]] + [(convs[-1].inputs, result)]
        if genotype.name == "espcn":
            pairs.append((result, result))
        return 4 * height * width * max(a + b for a, b in pairs)

    def multiple(self, genotype: ReferenceGenotype) -> int:
        """Any size will do."""
        del genotype
        return 1

    def receptive_radius(self, genotype: ReferenceGenotype) -> int:
        """Input pixels to each side that an output pixel can depend on."""
        convs = convolutions(genotype, self.signature)
        if genotype.name == "espcn":
            return sum(conv.kernel // 2 for conv in convs)
        # The farthest sub-pixel of an input pixel lies `scale - 1` on, and takes from half a kernel around it.
        last = (self.signature.scale - 1 + FSRCNN["kernel"] // 2) // self.signature.scale
        return sum(conv.kernel // 2 for conv in convs[:-1]) + last

    def parse(self, genes: dict[str, Any]) -> ReferenceGenotype:
        """The network of this name; `DataError` when there is none, or for widths that it cannot have."""
        check_keys(genes, ["name", "widths"], set(), "an architecture")
        name = genes.get("name")
        if name not in NAMES:
            raise DataError(f"There is no hand-made network `{name}`.{closest(str(name), list(NAMES))} Known: {', '.join(NAMES)}.")
        most, widths = published(name), genes.get("widths", [])
        if not isinstance(widths, list | tuple) or len(widths) not in (0, len(most)):
            raise DataError(f"`widths` is `{widths}`; `{name}` has {len(most)} of them.")
        found = (integer(f"widths[{at}]", width, 1, high) for at, (width, high) in enumerate(zip(widths, most, strict=False)))
        return canonical(ReferenceGenotype(name, tuple(found)))

    def describe(self, genotype: ReferenceGenotype) -> str:
        """Its title, and the widths of a pruned network."""
        pruned = f", pruned to {'-'.join(map(str, genotype.widths))}" if genotype.widths else ""
        return TITLES[genotype.name] + pruned

    def _members(self) -> list[ReferenceGenotype]:
        return [ReferenceGenotype(name) for name in NAMES]
