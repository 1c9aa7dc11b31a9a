"""What a training does: it learns, the same way every time, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from pixsearch import interrupt
from pixsearch.data.open import Data
from pixsearch.data.patches import Patches
from pixsearch.errors import DataError, Interrupted, UsageError
from pixsearch.nn.build import Network
from pixsearch.tasks.base import Batch
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import TOGETHER
from pixsearch.train.loop import fit, is_due
from pixsearch.train.ranks import Ranks
from pixsearch.train.schedule import rate_share
from pixsearch.train.trainee import AVERAGE_OVER
from pixsearch.train.validate import score_baseline, validate

from .conftest import Notes

Build = Callable[..., Network]
Settings = Callable[..., TrainConfig]


def weights(network: Network) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def same(first: Network, second: Network) -> bool:
    mine, other = weights(first), weights(second)
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}, {"loss": "l2"}, {"loss": "charbonnier"}, {"branches": "linear"}])
def test_a_short_training_beats_the_baseline(
    settings: dict[str, Any], network: Build, data: Data, task: SuperResolution, config: Settings
) -> None:
    patches = Patches(data.train, task, batch=8, patch=24, seed=0)
    trained = fit(network("plain-m2c8", settings.get("branches", "none")), patches, config(steps=400, batch=8, patch=24, **settings))
    gain = validate(trained, data.val, task)["psnr_db"] - score_baseline(data.val, task)["psnr_db"]
    assert gain > 0.3


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "adam"}, {"optimizer": "sgd"}, {"precision": "bfloat16"}, {"precision": "float16", "steps": 5}]
)
def test_the_same_seed_gives_the_same_weights(settings: dict[str, Any], network: Build, patches: Patches, config: Settings) -> None:
    first, second = (fit(network(), patches, config(**settings)) for _ in range(2))
    assert same(first, second)
    assert not same(first, network())


def test_every_setting_of_learning_counts(network: Build, patches: Patches, config: Settings) -> None:
    """None is only written down."""
    usual = fit(network(), patches, config())
    changes = [{"rate": 1e-3}, {"warmup": 0.5}, {"loss": "l2"}, {"ema": 0.1}, {"optimizer": "adam"}, {"precision": "bfloat16"}]
    for change in changes:
        assert not same(usual, fit(network(), patches, config(**change))), change


def test_generators_and_threads_are_left_as_they_were(network: Build, patches: Patches, config: Settings) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(network(), patches, config(threads=threads + 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_average_follows_the_weights(network: Build, patches: Patches, config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the recursion written out, on the raw weights after 1, 2, 3 … steps."""
    monkeypatch.setattr("pixsearch.train.feed.TOGETHER", 1)
    steps, start = 12, weights(network())
    expected = start
    for step in range(1, steps + 1):
        raw = network()
        fit_for(raw, patches, config(steps=steps), until=step)
        decay = step / (step + AVERAGE_OVER)
        expected = {name: decay * expected[name] + (1 - decay) * value for name, value in weights(raw).items()}
    averaged = fit(network(), patches, config(steps=steps))
    for name, value in weights(averaged).items():
        torch.testing.assert_close(value, expected[name])


def fit_for(network: Network, patches: Patches, config: TrainConfig, until: int) -> None:
    """Train in place and break off after `until` steps."""

    class Enough(Exception):
        pass

    class Broken:
        def draw(self, step: int) -> Batch:
            if step == until:
                raise Enough
            return patches.draw(step)

    with contextlib.suppress(Enough):
        fit(network, Broken(), config)


def test_the_result_is_ready_to_use_and_to_train_on(network: Build, patches: Patches, config: Settings) -> None:
    trained = fit(network("plain-m1c4", "linear"), patches, config())
    assert trained.branches == "linear"
    assert all(weight.requires_grad and weight.is_contiguous() and weight.device.type == "cpu" for weight in trained.parameters())
    fit(copy.deepcopy(trained), patches, config(steps=2))


def test_batches_of_a_step_reach_the_network(network: Build, patches: Patches, config: Settings) -> None:
    drawn: list[int] = []

    class Listening:
        def draw(self, step: int) -> Batch:
            drawn.append(step)
            return patches.draw(step)

    fit(network(), Listening(), config(steps=9))
    assert drawn[:9] == list(range(9))
    assert len(drawn) == len(set(drawn)) < 9 + TOGETHER


def test_a_budget_ends_a_training(network: Build, patches: Patches, config: Settings, notes: Notes, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "")
    fit(network(), patches, config(steps=None, budget_s=0.3), checkpoints=kept, note=notes)
    packed = kept.latest()
    assert packed is not None
    assert packed.values["progress"]["step"] > 3
    assert packed.values["progress"]["elapsed_s"] >= 0.3


def test_validations_are_evenly_spaced_and_the_last_is_the_caller_s(
    network: Build, patches: Patches, config: Settings, notes: Notes
) -> None:
    figures = {"psnr_db": 30.0, "ssim": 0.9, "pictures": {}}
    seen: list[int] = []

    def look(_average: Network, step: int) -> dict[str, Any]:
        seen.append(step)
        return figures

    fit(network(), patches, config(steps=30, validations=4), validate=look, note=notes)
    assert seen == [8, 15, 23]
    events = notes.of("validation")
    assert [event["step"] for event in events] == seen
    assert events[1]["progress"] == 0.5
    assert events[0]["psnr_db"] == 30.0
    assert events[0].keys() >= {"seconds", "elapsed_s", "ssim", "pictures"}


def test_validating_changes_no_weight(network: Build, patches: Patches, config: Settings, data: Data, task: SuperResolution) -> None:
    quiet = fit(network(), patches, config())
    watched = fit(network(), patches, config(validations=5), validate=lambda average, _step: validate(average, data.val, task))
    assert same(quiet, watched)


@pytest.mark.parametrize(
    ("before", "now", "due"), [(0.0, 0.09, False), (0.09, 0.1, True), (0.1, 0.19, False), (0.5, 0.95, True), (0.9, 1.0, False)]
)
def test_is_due_once_in_each_tenth(before: float, now: float, due: bool) -> None:
    assert is_due(before, now, 10) is due


def test_patience_ends_a_training_early(network: Build, patches: Patches, config: Settings, notes: Notes, tmp_path: Path) -> None:
    scores = iter([30.0, 31.0, 31.0, 30.9, 40.0])

    def look(_average: Network, _step: int) -> dict[str, Any]:
        return {"psnr_db": next(scores), "ssim": 0.9}

    kept = Checkpoints(tmp_path, "")
    settings = config(steps=100, validations=10, patience=2)
    fit(network(), patches, settings, validate=look, checkpoints=kept, note=notes)
    (event,) = notes.of("early_stop")
    assert event["step"] == 40
    fit(network(), patches, settings, validate=look, checkpoints=kept, note=notes)
    assert len(notes.of("validation")) == 4, "what ended early stays ended when it is resumed"
    scores = iter([32.0] * 20)
    fit(network(), patches, config(steps=200, validations=10, patience=2), validate=look, checkpoints=kept, note=notes)
    assert [event["step"] for event in notes.of("early_stop")] == [40, 100], "a longer one gets another chance"


@pytest.fixture
def asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Ask to stop when so many steps were taken."""
    calls = {"left": 10**9}

    def asked() -> bool:
        calls["left"] -= 1
        return calls["left"] < 0

    monkeypatch.setattr("pixsearch.train.loop.stop_asked", asked)
    yield lambda steps: calls.update(left=steps)
    assert not interrupt.stop_asked()


def test_a_stop_saves_and_says_how_to_go_on(
    asked_to_stop: Callable[[int], None], network: Build, patches: Patches, config: Settings, notes: Notes, tmp_path: Path
) -> None:
    kept = Checkpoints(tmp_path, "Go on with `pixsearch train --resume runs/x`.")
    asked_to_stop(17)
    with pytest.raises(Interrupted, match=r"after step 17, which is saved\. Go on with `pixsearch train --resume runs/x`"):
        fit(network(), patches, config(), checkpoints=kept, note=notes)
    asked_to_stop(10**9)
    resumed = fit(network(), patches, config(), checkpoints=kept, note=notes)
    other = Checkpoints(tmp_path / "unbroken", "")
    assert same(resumed, fit(network(), patches, config(), checkpoints=other))
    assert numbers(kept) == numbers(other)
    assert [event["step"] for event in notes.of("resume")] == [17]


def numbers(kept: Checkpoints) -> dict[str, Any]:
    packed = kept.latest()
    assert packed is not None
    return {**packed.values["progress"], "elapsed_s": None}


def test_a_stop_without_checkpoints_keeps_nothing_and_says_so(
    asked_to_stop: Callable[[int], None], network: Build, patches: Patches, config: Settings
) -> None:
    asked_to_stop(3)
    with pytest.raises(Interrupted, match="nothing of this training is kept"):
        fit(network(), patches, config())


def test_a_longer_training_goes_on_by_its_own_schedule(
    network: Build, patches: Patches, config: Settings, notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixsearch.train.record.STEP_EVERY_S", 0.0)
    kept = Checkpoints(tmp_path, "")
    short = fit(network(), patches, config(steps=20), checkpoints=kept, note=notes)
    longer = fit(network(), patches, config(steps=400), checkpoints=kept, note=notes)
    (event,) = notes.of("resume")
    assert event["step"] == 20
    assert event["progress"] == 0.05
    assert "now for 400 steps instead of 20 steps: 5% of the new schedule is done, and the rate goes from" in event["text"]
    assert event["rate"] > 0.8 * config().rate
    rates = {event["step"]: event["rate"] for event in notes.of("step")}
    assert rates[21] < 2 * event["rate"] / 20, "from nothing, where it had ended"
    assert max(abs(rates[step + 1] - rates[step]) for step in range(20, 399)) < 0.06 * config().rate
    assert rates[41] == pytest.approx(config().rate * rate_share(40.5 / 400, config().warmup))
    assert not same(short, longer)


def test_a_longer_training_that_is_broken_off_goes_on_by_the_same_schedule(
    asked_to_stop: Callable[[int], None], network: Build, patches: Patches, config: Settings, tmp_path: Path
) -> None:
    broken, whole = Checkpoints(tmp_path / "broken", ""), Checkpoints(tmp_path / "whole", "")
    for kept in (broken, whole):
        fit(network(), patches, config(steps=20), checkpoints=kept)
    asked_to_stop(3)
    with pytest.raises(Interrupted, match="after step 23"):
        fit(network(), patches, config(steps=80), checkpoints=broken)
    asked_to_stop(10**9)
    assert same(*(fit(network(), patches, config(steps=80), checkpoints=kept) for kept in (broken, whole)))
    assert numbers(broken) == numbers(whole)


def test_a_compiled_network_learns_the_same(network: Build, patches: Patches, config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced, but not translated to C++, which takes a minute."""
    monkeypatch.setattr("torch.compile", partial(torch.compile, backend="eager"))
    plain = fit(network(), patches, config(steps=5))
    compiled = fit(network(), patches, config(steps=5, compile=True))
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(compiled)[name], value)


def test_a_finished_training_ends_at_once_when_resumed(network: Build, patches: Patches, config: Settings, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "")
    first = fit(network(), patches, config(), checkpoints=kept)

    class Nothing:
        def draw(self, step: int) -> Batch:
            raise AssertionError(step)

    assert same(first, fit(network(), Nothing(), config(), checkpoints=kept))


def test_a_training_of_several_processes_is_not_taken_up_by_one(network: Build, patches: Patches, config: Settings, tmp_path: Path) -> None:
    class Pair(Ranks):
        size = 2

    kept = Checkpoints(tmp_path, "")
    fit(network(), patches, config(steps=5), checkpoints=kept, ranks=Pair())
    with pytest.raises(UsageError, match=r"begun by 2 processes.*--nproc-per-node 2"):
        fit(network(), patches, config(steps=5), checkpoints=kept)


def test_another_precision_takes_a_training_up(network: Build, patches: Patches, config: Settings, tmp_path: Path) -> None:
    """`auto` may choose another one on another machine."""
    kept = Checkpoints(tmp_path, "")
    for precision in ("float32", "float16", "float32"):
        fit(network(), patches, config(steps=3, precision=precision), checkpoints=kept)
        for path in kept.files():
            path.rename(tmp_path / "step-000000001.safetensors")
    assert kept.latest() is not None


def test_another_network_s_checkpoint_is_refused(network: Build, patches: Patches, config: Settings, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "")
    fit(network(), patches, config(), checkpoints=kept)
    with pytest.raises(DataError, match="checkpoint is of another network"):
        fit(network("plain-m1c5"), patches, config(), checkpoints=kept)


def test_steps_are_told_now_and_then(
    network: Build, patches: Patches, config: Settings, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixsearch.train.record.STEP_EVERY_S", 0.0)
    fit(network(), patches, config(steps=10), note=notes)
    events = notes.of("step")
    assert [event["step"] for event in events] == list(range(1, 11))
    assert events[4]["progress"] == 0.5
    assert all(event["loss"] > 0 and event["samples_per_s"] > 0 and event["eta_s"] >= 0 for event in events)
    assert events[4]["rate"] == pytest.approx(config().rate * 0.5, rel=0.3)
