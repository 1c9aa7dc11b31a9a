"""Settings of a training: what is refused, what is filled in."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pixsearch.config import validate
from pixsearch.errors import UsageError
from pixsearch.train.config import RATES, TrainConfig


@pytest.mark.parametrize("settings", [{}, {"steps": 100, "budget_s": 60}])
def test_exactly_one_length_is_asked_for(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="exactly one of `steps` and `budget_s`"):
        validate(TrainConfig, settings, "recipe.yaml")


def test_budgets_are_written_as_people_do() -> None:
    assert TrainConfig(budget_s="1.5m").budget_s == 90  # type: ignore[arg-type]


def test_all_faults_are_told_at_once() -> None:
    wrong = {"steps": 0, "budgets": 3, "loss": "l3", "patch": 2}
    with pytest.raises(UsageError, match="4 faults") as caught:
        validate(TrainConfig, wrong, "recipe.yaml")
    assert "Did you mean `budget_s`?" in str(caught.value)


def test_each_optimizer_has_its_own_rate_unless_one_is_given() -> None:
    assert TrainConfig(steps=1, optimizer="adam").rate == RATES["adam"]
    assert TrainConfig(steps=1).rate == RATES["muon"]
    assert TrainConfig(steps=1, optimizer="adam", rate=1e-4).rate == 1e-4


def test_settings_survive_their_record() -> None:
    config = TrainConfig(budget_s=60, optimizer="adam", rate=1e-3)
    assert validate(TrainConfig, config.to_json(), "record") == config


def test_settings_are_read_without_torch() -> None:
    code = "import sys, pixsearch.train.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
