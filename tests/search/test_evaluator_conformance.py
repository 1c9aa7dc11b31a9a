"""What every evaluator keeps: true costs, cheap bounds first, and figures that depend on genotype and fidelity alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.search.bounds import closed_form
from pixsearch.search.evaluators.base import Evaluator
from pixsearch.search.evaluators.standalone import StandaloneTraining
from pixsearch.search.evaluators.supernet import SharedTraining, SupernetPlan
from pixsearch.search.objectives import growth, parse_objectives
from pixsearch.search.scored import Fidelity
from pixsearch.search.windows import Selection
from pixsearch.space.mobile import MobileSpace
from pixsearch.space.vary import Limits
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.config import TrainConfig

FIDELITY = Fidelity(3, 2, 16)
KINDS = {"standalone": StandaloneTraining, "supernet": SharedTraining}


class SmallSpace(MobileSpace):
    """The space up to few and narrow layers."""

    limits = Limits(depth=(1, 3), width=(4, 12), hidden=(4, 24))


TASK = TaskConfig().make()
SPACE = SmallSpace(TASK.signature)
Make = Callable[..., Any]


def sample(rng: np.random.Generator) -> Any:
    return SPACE.sample(rng)


def members(count: int) -> list[Any]:
    rng = np.random.default_rng(4)
    return [SPACE.sample(rng) for _ in range(count)]


@pytest.fixture(scope="module")
def data(pieces: tuple[Path, Path]) -> Data:
    photos, val = pieces
    return open_data(DataConfig(photos=(photos,), val=(val,)), TASK)


@pytest.fixture
def make(data: Data) -> Make:
    def make(kind: str, objectives: str = "psnr macs_720p", branches: Any = "none", **more: Any) -> Any:
        settings = TrainConfig(steps=3, batch=2, patch=16, threads=1, validations=1, branches=branches)
        patches = Patches(data.train, TASK, batch=2, patch=16, seed=3)
        val = Selection(data.val, TASK, pictures=1, window=64)
        if kind == "supernet":
            more = {"sample": sample, "plan": SupernetPlan(6, 0.0, 4), **more}
        rooms = (SPACE, parse_objectives(objectives.split()), TASK, patches, val, settings)
        return KINDS[kind](*rooms, seed=1, **more)

    return make


def judge(evaluator: Evaluator, genotypes: list[Any], parents: list[Any] | None = None, latency: Any = None) -> list[dict[str, float]]:
    """The figures of one generation."""
    evaluator.begin(parents or [])
    evaluator.prepare(genotypes)
    fidelity = replace(FIDELITY, weights=evaluator.weights)
    measured = [evaluator.measure(genotype, latency or (lambda _genotype, _name, measure: measure())) for genotype in genotypes]
    return [evaluator.evaluate(genotype, fidelity, one).figures for genotype, one in zip(genotypes, measured, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
class TestEvaluator:
    def test_figures_are_true_costs_and_qualities(self, make: Make, kind: str) -> None:
        for genotype, figures in zip(members(3), judge(make(kind), members(3)), strict=True):
            assert closed_form(SPACE, genotype).items() <= figures.items()
            assert 10 < figures["psnr"] < 60
            assert 0 < figures["ssim"] <= 1

    def test_neither_order_nor_company_matters(self, make: Make, kind: str) -> None:
        first, second, third = members(3)
        some, others = judge(make(kind), [first, second]), judge(make(kind), [third, second, first])
        assert some == [others[2], others[1]]

    def test_what_breaks_a_cheap_bound_is_not_judged_further(self, make: Make, kind: str) -> None:
        measured: list[str] = []

        def latency(_genotype: Any, name: str, _measure: Any) -> float:
            measured.append(name)
            return 5.0

        (figures,) = judge(make(kind, "psnr params<=1 latency@local<=9ms"), members(1), latency=latency)
        assert measured == []
        (slow,) = judge(make(kind, "psnr latency@local<=1ms latency@local/64x64<=9ms"), members(1), latency=latency)
        assert len(measured) == 1
        assert "psnr" not in figures
        assert "psnr" not in slow


class TestSharedTraining:
    """The shared weights: versions, growth, and states that are taken up to the bit."""

    def test_each_generation_has_a_version_and_the_weights_move_with_it(self, make: Make) -> None:
        evaluator = make("supernet")
        evaluator.begin([])
        assert replace(FIDELITY, weights=evaluator.weights).name == "supernet-v0"
        evaluator.prepare([])
        assert (evaluator.version, evaluator.step) == (0, 6)
        evaluator.begin(members(2))
        assert evaluator.weights == "supernet-v1"
        assert evaluator.step == 6  # nothing is trained before a candidate asks for it
        evaluator.prepare(members(2))
        assert (evaluator.version, evaluator.step) == (1, 10)

    def test_growth_is_what_a_version_brought(self, make: Make) -> None:
        evaluator, plain = make("supernet"), make("supernet", plan=SupernetPlan(6, 0.0, 4, protection=False))
        old, new = members(3)[:2], members(3)
        before = judge(evaluator, old)
        after = judge(evaluator, new, old)
        for early, late in zip(before, after, strict=False):
            assert late[growth("psnr")] == pytest.approx(late["psnr"] - early["psnr"])
        assert growth("ssim") in after[2]
        judge(plain, old)
        assert [{k: v for k, v in one.items() if not k.endswith("_growth")} for one in after] == judge(plain, new, old)

    @pytest.mark.parametrize("branches", ["none", "ecb"])
    def test_taken_up_from_a_checkpoint_or_from_nothing_it_says_the_same(self, make: Make, tmp_path: Path, branches: str) -> None:
        old, new = members(3)[:2], members(4)
        kept = Checkpoints(tmp_path / "kept", "Resume.")
        whole = make("supernet", branches=branches, checkpoints=kept)
        judge(whole, old)
        expected = judge(whole, new, old)
        for checkpoints in (kept, Checkpoints(tmp_path / "lost", "Resume."), None):
            again = make("supernet", branches=branches, checkpoints=checkpoints)
            again.begin([])  # the first generation is in the record
            assert judge(again, new, old) == expected

    def test_the_weights_left_behind_are_those_candidates_were_judged_by(self, make: Make, tmp_path: Path) -> None:
        from pixsearch.nn.supernetfile import inherited
        from pixsearch.train.validate import validate

        evaluator = make("supernet")
        genotype = members(1)[0]
        (figures,) = judge(evaluator, [genotype])
        evaluator.keep(tmp_path / "supernet.safetensors")
        network, version = inherited(tmp_path / "supernet.safetensors", genotype, "none")
        assert version == "supernet-v0"
        assert validate(network, evaluator.val.as_cache(), TASK)["psnr_db"] == figures["psnr"]

    def test_training_makes_members_better(self, make: Make) -> None:
        few, many = (make("supernet", plan=SupernetPlan(steps, 0.0, 1)) for steps in (2, 150))
        fitted = [genotype for genotype in members(12) if genotype.head != "s2d4"]  # whose tail these small pieces are too few to fit
        scores = [np.mean([figures["psnr"] for figures in judge(evaluator, fitted)]) for evaluator in (few, many)]
        assert scores[1] > scores[0] + 0.01
