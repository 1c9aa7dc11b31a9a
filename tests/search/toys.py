"""A toy space whose quality is a formula, so that strategies and the engine are tested in milliseconds, in any process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pixsearch.errors import DataError
from pixsearch.search.bounds import closed_form
from pixsearch.search.evaluators.base import Evaluator
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.signature import Port, Signature
from pixsearch.space.base import Genotype, Space

SIGNATURE = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))


@dataclass(frozen=True)
class Word(Genotype):
    """A few digits, each 0 … top."""

    space: ClassVar[str] = "toy"
    digits: tuple[int, ...]

    def genes(self) -> dict[str, Any]:
        return {"digits": list(self.digits)}


class ToySpace(Space[Word]):
    """Digits whose squares cost and whose logarithms pay, unevenly: digit i is worth 1 / (1 + i)."""

    name = "toy"

    def __init__(self, length: int = 8, top: int = 15) -> None:
        super().__init__(SIGNATURE)
        self.length, self.top = length, top

    def sample(self, rng: np.random.Generator) -> Word:
        return Word(tuple(int(v) for v in rng.integers(0, self.top + 1, self.length)))

    def mutate(self, genotype: Word, rng: np.random.Generator) -> Word:
        digits = list(genotype.digits)
        digits[int(rng.integers(self.length))] = int(rng.integers(0, self.top + 1))
        return Word(tuple(digits))

    def crossover(self, first: Word, second: Word, rng: np.random.Generator) -> Word:
        return Word(tuple(a if rng.random() < 0.5 else b for a, b in zip(first.digits, second.digits, strict=True)))

    def shrink(self, genotype: Word, rng: np.random.Generator) -> Word:
        positive = [i for i, v in enumerate(genotype.digits) if v]
        if not positive:
            return genotype
        digits = list(genotype.digits)
        digits[positive[int(rng.integers(len(positive)))]] -= 1
        return Word(tuple(digits))

    def smallest(self) -> Word:
        return Word((0,) * self.length)

    def largest(self) -> Word:
        return Word((self.top,) * self.length)

    def size(self) -> int:
        return (self.top + 1) ** self.length

    def macs_per_pixel(self, genotype: Word) -> float:
        return float(1 + sum(v * v for v in genotype.digits))

    def params(self, genotype: Word) -> int:
        return 10 + sum(genotype.digits)

    def memory_bytes(self, genotype: Word) -> int:
        return 1000 * (1 + max(genotype.digits))

    def multiple(self, genotype: Word) -> int:
        return 1

    def receptive_radius(self, genotype: Word) -> int:
        return 1

    def parse(self, genes: dict[str, Any]) -> Word:
        if set(genes) != {"digits"}:
            raise DataError("`digits` is missing.")
        return Word(tuple(genes["digits"]))

    def describe(self, genotype: Word) -> str:
        return "-".join(map(str, genotype.digits))


def quality(genotype: Word) -> float:
    return 30 + sum(math.log1p(v) / (1 + i) for i, v in enumerate(genotype.digits))


class Formula(Evaluator):
    """Judges by formula; `hook` may raise, or change the figures of a genotype."""

    def __init__(self, space: ToySpace, hook: Callable[[Word, dict[str, float]], dict[str, float]] | None = None) -> None:
        self.space, self.hook = space, hook
        self.evaluated: list[str] = []

    def evaluate(self, genotype: Word, fidelity: Fidelity, measured: Mapping[str, float]) -> Scored:
        self.evaluated.append(genotype.id)
        figures = {"psnr": quality(genotype), "ssim": 0.9, **closed_form(self.space, genotype)}
        return Scored(genotype, self.hook(genotype, figures) if self.hook else figures)
