"""A toy space whose quality is a formula, so that strategies and the engine are tested in milliseconds, in any process."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pixsearch.errors import DataError
from pixsearch.search.bounds import closed_form
from pixsearch.search.evaluators.base import Evaluator, RecordedLatency
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.signature import Port, Signature
from pixsearch.space.base import BlockSpace, Decision, Genotype, SequentialSpace

LATENCY = "latency@local/1280x720/float/1t"
SIGNATURE = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))


@dataclass(frozen=True)
class Word(Genotype):
    """A few digits, each 0 … top."""

    space: ClassVar[str] = "toy"
    digits: tuple[int, ...]

    def genes(self) -> dict[str, Any]:
        return {"digits": list(self.digits)}


class ToySpace(BlockSpace[Word], SequentialSpace[Word]):
    """Digits whose squares cost and whose logarithms pay, unevenly: digit i is worth 1 / (1 + i). They are even or odd.

    A decision is a digit with its place.
    """

    name = "toy"
    kinds: ClassVar[tuple[str, ...]] = ("even", "odd")

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

    def kinds_of(self, genotype: Word) -> tuple[str, ...]:
        return tuple(self.kinds[digit % 2] for digit in genotype.digits)

    def exchange(self, genotype: Word, position: int, kind: str, rng: np.random.Generator) -> Word:
        digits = list(genotype.digits)
        digits[position] += 0 if kind == self.kinds[digits[position] % 2] else 1 if digits[position] % 2 == 0 else -1
        return Word(tuple(digits))

    def decisions(self, genotype: Word) -> tuple[Decision, ...]:
        return tuple(enumerate(genotype.digits))

    def following(self, last: Any) -> Sequence[Decision]:
        place = 0 if last is None else last[0] + 1
        return [(place, digit) for digit in range(self.top + 1)] if place < self.length else []

    def draw_following(self, last: Decision | None, rng: np.random.Generator) -> Decision:
        following = self.following(last)
        return following[int(rng.integers(len(following)))]

    def written(self, decisions: Any, fits: Callable[[Word], bool]) -> Word:
        return Word(tuple(digit for _, digit in decisions))

    def density(self, genotype: Word) -> float:
        return 1.0

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


class Perilous(Formula):
    """Does something bad to the process that evaluates the genotype `victim`."""

    def __init__(self, space: ToySpace, victim: str, peril: Callable[[], None]) -> None:
        super().__init__(space)
        self.victim, self.peril = victim, peril

    def evaluate(self, genotype: Word, fidelity: Fidelity, measured: Mapping[str, float]) -> Scored:
        if genotype.id == self.victim:
            self.peril()
        return super().evaluate(genotype, fidelity, measured)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    time.sleep(600)


def eat() -> None:
    eaten = []
    for _ in range(100):
        eaten.append(b"x" * 2**26)
        time.sleep(0.05)


class Quiet(Formula):
    """Measures a latency, and counts with each how many evaluations were going on meanwhile, by files in `folder`."""

    def __init__(self, space: ToySpace, folder: Path) -> None:
        super().__init__(space)
        self.folder = folder
        self.going_on: list[int] = []

    def measure(self, genotype: Word, recorded: RecordedLatency) -> dict[str, float]:
        return {LATENCY: recorded(genotype, LATENCY, lambda: self._watch(genotype))}

    def _watch(self, genotype: Word) -> float:
        seen = set()
        for _ in range(5):
            seen |= set(self.folder.iterdir())
            time.sleep(0.002)
        self.going_on.append(len(seen))
        return float(1 + sum(genotype.digits))

    def evaluate(self, genotype: Word, fidelity: Fidelity, measured: Mapping[str, float]) -> Scored:
        mark = self.folder / genotype.id
        mark.touch()
        time.sleep(0.01)
        scored = super().evaluate(genotype, fidelity, measured)
        mark.unlink()
        return Scored(genotype, {**scored.figures, **measured})


class Learner(Formula):
    """Quality grows with the steps, and how much depends on the genotype, so that rungs rank differently."""

    def evaluate(self, genotype: Word, fidelity: Fidelity, measured: Mapping[str, float]) -> Scored:
        scored = super().evaluate(genotype, fidelity, measured)
        lag = (int(genotype.id, 16) % 100) / 20 / fidelity.steps
        return Scored(genotype, {**scored.figures, "psnr": scored.figures["psnr"] - lag})
