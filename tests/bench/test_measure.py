from __future__ import annotations

import numpy as np
import pytest

from pixsearch.bench.measure import frame, measure_latency, merged, noise, quick, take_turns
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.base import Measurement, Prepared, Repeat, Target
from pixsearch.errors import DataError, UsageError
from pixsearch.infer.session import OnnxModel
from pixsearch.signature import Port, Signature

SMALL = LatencySpec("local", 96, 128)


class Recorder(Prepared):
    """Notes every call in a shared diary and answers with made-up timings."""

    def __init__(self, name, diary):
        self.name, self.diary = name, diary

    def run(self, inputs, repeat, *, want_outputs=False):
        self.diary.append((self.name, inputs, repeat))
        n = len(self.diary)
        return Measurement((float(n),) * repeat.count, (0.5,) * repeat.count, 1, 2.0, 100 + n, 50, "CPU", "ort", False)

    def close(self):
        pass


def turns(repeat, rounds, names="abc"):
    diary = []
    between = []
    inputs = {name: {"input": np.zeros((1, 1, 2, 2), np.float32)} for name in names}
    results = take_turns({name: Recorder(name, diary) for name in names}, inputs, repeat, rounds, lambda: between.append(1))
    assert len(between) == len(diary)
    return diary, results


def test_models_take_turns_and_the_order_turns_about():
    diary, _ = turns(Repeat(count=6), 3)
    assert "".join(name for name, *_ in diary) == "abccbaabc"


def test_all_repeats_are_made_and_kept():
    diary, results = turns(Repeat(count=11), 3)
    assert [repeat.count for name, _, repeat in diary if name == "a"] == [3, 4, 4]
    assert all(len(m.latencies_ms) == len(m.waited_ms) == 11 for m in results.values())


def test_warm_up_is_whole_at_first_and_short_later_and_inputs_go_over_once():
    diary, _ = turns(Repeat(warmup=5, count=3, box_s=9.0), 3)
    assert [(repeat.warmup, inputs is not None, repeat.box_s) for name, inputs, repeat in diary if name == "b"] == [
        (5, True, 3.0),
        (1, False, 3.0),
        (1, False, 3.0),
    ]


def test_merging_keeps_the_highest_peak():
    one = Measurement((1.0,), (0.0,), 1, 2.0, 900, 50, "CPU", "ort", False)
    other = Measurement((2.0,), (0.1,), 1, 2.0, 800, 50, "CPU", "ort", False)
    both = merged([one, other])
    assert (both.latencies_ms, both.waited_ms, both.peak_bytes) == ((1.0, 2.0), (0.0, 0.1), 900)


def test_noise_fills_each_port_s_range_and_is_always_the_same():
    signature = Signature("t", 1, "rgb", (Port("a", 3), Port("b", 1, -2.0, 6.0)), Port("output", 3))
    planes = noise(signature, 40, 30)
    assert planes["a"].shape == (1, 3, 40, 30)
    assert planes["b"].dtype == np.float32
    assert -2 <= planes["b"].min() < -1.9
    assert 5.9 < planes["b"].max() <= 6
    np.testing.assert_array_equal(planes["b"], noise(signature, 40, 30)["b"])


def test_the_frame_gives_the_size_asked_for(model):
    opened = OnnxModel.open(model)
    inputs = frame(opened.card, LatencySpec("local", 120, 200))
    assert opened.run(inputs).shape[-2:] == (120, 200)


def test_a_latency_is_a_number_of_milliseconds_that_grows_with_the_frame(model):
    small, large = measure_latency(model, SMALL), measure_latency(model, LatencySpec("local", 960, 1280))
    assert 0 < small < large < 60_000


def test_waiting_for_a_core_is_no_latency(model):
    class Crowded(Target):
        name, modelled, label = "crowded", False, "crowded"

        def prepare(self, model, threads):
            return Waiting("w", [])

    class Waiting(Recorder):
        def run(self, inputs, repeat, *, want_outputs=False):
            return Measurement((30.0, 80.0, 12.0), (20.0, 70.0, 2.0), 1, 2.0, 1, 1, "CPU", "ort", False)

    assert measure_latency(model, SMALL, Crowded()) == 10.0


def test_quick_stops_early_but_never_before_five_runs(model):
    assert 5 <= len(quick(model, SMALL).latencies_ms) <= 15


def test_precision_must_be_the_one_asked_for(model):
    with pytest.raises(UsageError, match="is float, but `local/128x96/int8/1t` is a latency of int8"):
        measure_latency(model, LatencySpec("local", 96, 128, "int8"))


def test_a_file_without_a_card(model, tmp_path):
    import onnx

    proto = onnx.load(model)
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "bare.onnx")
    with pytest.raises(DataError, match="carries no pixsearch card"):
        measure_latency(tmp_path / "bare.onnx", SMALL)
