"""A toy space whose quality is a formula, so that strategies and the engine are tested in milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pixsearch.config import Config
from pixsearch.errors import DataError
from pixsearch.events import read_events
from pixsearch.registry import STRATEGIES
from pixsearch.rundir import Stage
from pixsearch.search.bounds import closed_form, fits_bounds
from pixsearch.search.deaths import Witness
from pixsearch.search.engine import Budget, Engine
from pixsearch.search.evaluators.base import Evaluator
from pixsearch.search.executors.inprocess import InProcess
from pixsearch.search.objectives import Objective, parse_objectives
from pixsearch.search.record import Record
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.search.strategies.operators import spread_sampler
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

    def evaluate(self, genotype: Word, fidelity: Fidelity) -> Scored:
        self.evaluated.append(genotype.id)
        figures = {"psnr": quality(genotype), "ssim": 0.9, **closed_form(self.space, genotype)}
        return Scored(genotype, self.hook(genotype, figures) if self.hook else figures)


class Nothing(Config):
    """A stage without settings."""


@dataclass
class Toy:
    """Everything of a toy search, made on demand."""

    folder: Path
    space: ToySpace
    objectives: tuple[Objective, ...]
    strategy: str = "nsga2"
    seed: int = 0
    population: int = 8
    offspring: int = 4
    budget: Budget = field(default_factory=lambda: Budget(evaluations=40))
    fidelity: Fidelity = field(default_factory=lambda: Fidelity(1, 1, 8))

    def but(self, objectives: str | None = None, **changes: Any) -> Toy:
        if objectives:
            changes["objectives"] = parse_objectives(objectives.split())
        return replace(self, **changes)

    def make_strategy(self) -> Strategy:
        fits = fits_bounds(self.space, self.objectives)
        sample = spread_sampler(self.space, self.objectives, fits)
        settings = {"seed": self.seed, "population": self.population, "offspring": self.offspring}
        strategy: Strategy = STRATEGIES.load(self.strategy)(self.space, self.objectives, fits, sample, **settings)
        return strategy

    def run(self, evaluator: Evaluator | None = None, *, resume: bool = False, **settings: Any) -> list[Scored]:
        with Stage(self.folder, "search", Nothing(), resume=resume) as stage, Witness(stage.path) as witness:
            past = read_events(stage.path / "events.jsonl")
            record = Record(past, stage.note, self.space, self.objectives, witness=witness, **settings)
            engine = Engine(
                self.make_strategy(),
                evaluator or Formula(self.space),
                InProcess(),
                record,
                self.fidelity,
                self.budget,
                on_generation=lambda number, scored: record.generation(number, scored, scored[:1], 0.0),
                how_to_go_on="Resume.",
            )
            return engine.run()

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in read_events(self.folder / "search" / "events.jsonl") if event["kind"] == kind]

    def formula(self, hook: Callable[[Word, dict[str, float]], dict[str, float]] | None = None) -> Formula:
        return Formula(self.space, hook)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "run", ToySpace(), parse_objectives(["psnr", "macs_720p<=300M"]))


@pytest.fixture
def tiny(toy: Toy) -> Toy:
    """A toy space of 16 members."""
    return toy.but(objectives="psnr macs_720p", space=ToySpace(2, 3))


@pytest.fixture(scope="session")
def pieces(tmp_path_factory: pytest.TempPathFactory, sample_images: Path) -> tuple[Path, Path]:
    """Folders of small pieces of real photos: three to train on, two others to select by."""
    from pixsearch.pixels.files import read_picture, write_picture

    folder = tmp_path_factory.mktemp("pieces")
    for side, names in {"photos": ("coffee", "flower", "china"), "val": ("chelsea", "rocket")}.items():
        (folder / side).mkdir()
        for name in names:
            picture = read_picture(sample_images / f"{name}.png")
            height, width = (side // 2 - 48 for side in picture.shape[:2])
            write_picture(folder / side / f"{name}.png", picture[height : height + 96, width : width + 96])
    return folder / "photos", folder / "val"
