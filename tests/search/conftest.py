"""Toy searches that take milliseconds, small photos for real ones, and the one Ray cluster that all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pixsearch.config import Config
from pixsearch.events import read_events
from pixsearch.registry import EXECUTORS, STRATEGIES
from pixsearch.rundir import Stage
from pixsearch.search.bounds import fits_bounds
from pixsearch.search.deaths import Witness
from pixsearch.search.engine import Budget, Engine
from pixsearch.search.evaluators.base import Evaluator
from pixsearch.search.executors.base import Crew
from pixsearch.search.objectives import Objective, parse_objectives
from pixsearch.search.record import Record
from pixsearch.search.rungs import Rungs
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.search.strategies.operators import spread_sampler

sys.path.insert(0, str(Path(__file__).parent))  # workers look for the toys there too

from toys import Formula, ToySpace, Word


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
    steps: tuple[int, ...] = (1,)
    executor: str = "inprocess"
    crew: Crew = field(default_factory=lambda: Crew(workers=2))

    @property
    def fidelity(self) -> Fidelity:
        return Fidelity(self.steps[-1], 1, 8)

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
        with (
            Stage(self.folder, "search", Nothing(), resume=resume) as stage,
            Witness(stage.path) as witness,
            closing(EXECUTORS.load(self.executor)(self.crew)) as executor,
        ):
            past = read_events(stage.path / "events.jsonl")
            record = Record(past, stage.note, self.space, self.objectives, witness=witness, **settings)
            engine = Engine(
                self.make_strategy(),
                evaluator or Formula(self.space),
                executor,
                record,
                Rungs(tuple(Fidelity(steps, 1, 8) for steps in self.steps), self.objectives, seed=self.seed),
                self.budget,
                on_generation=lambda number, tries, judged: record.generation(number, tries, judged[:1], 0.0),
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


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """One cluster on this computer for all tests; executors find it and leave it running."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (`pip install pixsearch[ray]`): its executor is NOT tested")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        yield
        ray.shutdown()


@pytest.fixture(params=EXECUTORS.names())
def executor_name(request: pytest.FixtureRequest) -> str:
    """Each executor in turn, with what it needs."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return str(request.param)


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
