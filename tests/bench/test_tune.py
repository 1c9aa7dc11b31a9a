"""Session options: what is tried really reaches ONNX Runtime, and only a gain that shows twice is called one."""

from __future__ import annotations

import json

import onnxruntime as ort
import pytest

from pixsearch.bench import tune
from pixsearch.bench.config import BenchConfig
from pixsearch.bench.measure import noise
from pixsearch.bench.session import bench_stage
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.subjects import open_subjects
from pixsearch.bench.targets.base import Repeat, open_target
from pixsearch.bench.worker import set_option
from pixsearch.data.progress import silent
from pixsearch.errors import DataError, UsageError
from pixsearch.events import read_events
from pixsearch.infer.session import OnnxModel
from pixsearch.rundir import Stage


def test_every_choice_is_an_option_of_the_session():
    for choice in tune.CHOICES:
        options = ort.SessionOptions()
        for name, value in choice.items():
            if "." in name:
                set_option(options, name, value)
                assert options.get_session_config_entry(name) == value
            else:
                before = getattr(options, name)
                set_option(options, name, value)
                assert getattr(options, name) != before


def test_options_reach_the_process_that_runs_the_model(model):
    """Under options that change no result the output is the usual one; a value that ONNX Runtime has not is its process's error."""
    inputs, run = noise(OnnxModel.open(model).card.signature, 24, 32), Repeat(warmup=0, count=1)
    with open_target("local").prepare_with(model, 1, {"graph_optimization_level": "ORT_DISABLE_ALL"}) as prepared:
        output = prepared.run(inputs, run, want_outputs=True).outputs["output"]
    assert output == pytest.approx(OnnxModel.open(model).run(inputs), abs=1e-5)
    with pytest.raises(DataError, match="ORT_ENABLE_MAGIC"):
        open_target("local").prepare_with(model, 1, {"graph_optimization_level": "ORT_ENABLE_MAGIC"})


def test_a_gain_is_paired_turn_by_turn():
    """The machine slows down threefold meanwhile; what one saves in every turn stays the same."""
    default = [10.0, 12.0, 20.0, 30.0, 25.0, 11.0]
    found = tune.gain(default, [0.9 * value for value in default])
    assert found.share == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1)
    mixed = tune.gain(default, [9.0, 13.0, 21.0, 28.0, 27.0, 10.9])
    assert mixed.low < 0 < mixed.high


def told(times, monkeypatch, model):
    """What `tune` makes of the given medians of its two passes; only the clock is replaced."""
    passes = iter(times)
    monkeypatch.setattr(tune, "in_turns", lambda *_: next(passes))
    (subject,) = open_subjects([model], silent)
    return tune.tune(subject, open_target("local"), LatencySpec("local", 96, 128), "")


def test_gains_are_joined_and_measured_anew(monkeypatch, model):
    default = [10.0 + turn % 3 for turn in range(12)]
    first = [default, *([0.95 * ms for ms in default] if place in (0, 3) else default for place in range(len(tune.CHOICES)))]
    found = told([first, [default, [0.9 * ms for ms in default]]], monkeypatch, model)
    assert found["options"] == {**tune.CHOICES[0], **tune.CHOICES[3]}
    assert found["gain"] == pytest.approx(0.1)
    assert found["best_ms"] == pytest.approx(0.9 * found["default_ms"])


def test_a_gain_that_does_not_come_again_is_none(monkeypatch, model):
    default = [10.0 + turn % 3 for turn in range(12)]
    first = [default, *([0.95 * ms for ms in default] for _ in tune.CHOICES)]
    found = told([first, [default, [ms + (-1) ** turn for turn, ms in enumerate(default)]]], monkeypatch, model)
    assert found["options"] == {}
    assert found["joined"]


def test_bench_records_what_it_found(monkeypatch, model, photos, tmp_path):
    monkeypatch.setattr(tune, "TURNS", 2)
    monkeypatch.setattr(tune, "CHOICES", tune.CHOICES[:1])
    config = BenchConfig(images=(photos,), size="128x96", repeats=2, rounds=1, warmup=0, crops=0, target_pictures=0, tune=True)
    with Stage(tmp_path, "bench", config) as stage:
        record = bench_stage([model], config, stage)
    assert json.loads((tmp_path / "bench" / "bench.json").read_text()) == json.loads(json.dumps(record))
    (found,) = record["rows"][-1]["tuned"]
    assert found["tried"][0]["options"] == tune.CHOICES[0]
    assert found["default_ms"] > 0
    assert [event["tuned"] for event in read_events(tmp_path / "bench" / "events.jsonl") if event["kind"] == "session-tuned"] == [found]


def test_other_targets_are_refused(model, photos, tmp_path):
    config = BenchConfig(images=(photos,), target="arm64:a76", tune=True)
    with Stage(tmp_path, "bench", config) as stage, pytest.raises(UsageError, match="`local` alone"):
        bench_stage([model], config, stage)
