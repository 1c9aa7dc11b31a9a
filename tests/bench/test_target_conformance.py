"""What every registered target must do; a new target adds one line to `EXAMPLES`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pixsearch.bench.measure import noise
from pixsearch.bench.targets.base import Measurement, Repeat, Target, open_target
from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.infer.session import OnnxModel
from pixsearch.registry import TARGETS

from .machines import require

EXAMPLES = ("local", "arm64", "ssh", "adb")
"""Every registered target; the fixture of that name opens it on the machine that runs the tests."""

ONCE = Repeat(warmup=0, count=1)


def test_every_registered_target_is_put_to_the_test():
    assert set(EXAMPLES) == set(TARGETS.names())


@pytest.fixture(params=EXAMPLES)
def target(request) -> Target:
    return request.getfixturevalue(request.param)


@pytest.fixture
def local() -> Target:
    return open_target("local")


@pytest.fixture
def arm64() -> Target:
    require("arm64")
    return open_target("arm64:a76")


@pytest.fixture
def ssh(ssh_options, monkeypatch) -> Target:
    monkeypatch.setenv("PIXSEARCH_SSH_OPTIONS", ssh_options)
    return open_target("ssh:127.0.0.1")


@pytest.fixture
def adb(adb_program, monkeypatch) -> Target:
    monkeypatch.setenv("PATH", f"{adb_program.parent}:{os.environ['PATH']}")
    return open_target("adb:127.0.0.1:5555")


@pytest.fixture
def inputs(model):
    return noise(OnnxModel.open(model).card.signature, 24, 32)


class TestTarget:
    def test_it_says_what_it_is(self, target):
        assert target.label.partition(":")[0].split()[0] == target.name
        assert len(target.label) > len(target.name)
        assert isinstance(target.modelled, bool)

    def test_outputs_are_the_models(self, target, model, inputs):
        with target.prepare(model, 1) as prepared:
            measured = prepared.run(inputs, ONCE, want_outputs=True)
        wanted = OnnxModel.open(model).run(inputs)
        assert list(measured.outputs) == ["output"]
        np.testing.assert_allclose(measured.outputs["output"], wanted, atol=1e-5)

    def test_outputs_stay_away_unless_wanted(self, target, model, inputs):
        with target.prepare(model, 1) as prepared:
            assert prepared.run(inputs, ONCE).outputs == {}

    def test_counts_and_units(self, target, model, inputs):
        with target.prepare(model, 1) as prepared:
            measured = prepared.run(inputs, Repeat(warmup=2, count=7))
        assert isinstance(measured, Measurement)
        assert len(measured.latencies_ms) == 7
        assert all(0 < value < 60_000 for value in measured.latencies_ms)
        assert (measured.modelled is not None) is target.modelled
        assert measured.load_ms is None if target.modelled else 0 < measured.load_ms < 60_000
        assert measured.provider
        assert measured.runtime
        assert measured.threads == 1

    def test_memory_is_the_models_own(self, target, model, inputs):
        with target.prepare(model, 1) as prepared:
            small = prepared.run(inputs, ONCE)
            if small.peak_bytes is None:
                pytest.skip(f"{target.label} cannot tell its memory")
            large = prepared.run(noise(OnnxModel.open(model).card.signature, 720, 1280), ONCE)
        assert small.runtime_bytes <= small.peak_bytes < large.peak_bytes
        # The large frame's four-channel activations alone are 2 × 14.7 MB.
        assert large.peak_bytes - small.peak_bytes > 20e6

    def test_inputs_may_be_kept(self, target, model, inputs):
        with target.prepare(model, 1) as prepared:
            first = prepared.run(inputs, ONCE, want_outputs=True)
            again = prepared.run(None, ONCE, want_outputs=True)
            other = prepared.run({name: planes[..., ::-1] for name, planes in inputs.items()}, ONCE, want_outputs=True)
        np.testing.assert_array_equal(first.outputs["output"], again.outputs["output"])
        assert not np.array_equal(first.outputs["output"], other.outputs["output"])

    def test_a_time_box_ends_it_but_not_before_the_least(self, target, model, inputs):
        with target.prepare(model, 1) as prepared:
            assert len(prepared.run(inputs, Repeat(warmup=0, count=50, least=4, box_s=0.0)).latencies_ms) == 4

    def test_a_settled_median_ends_it(self, target, model, inputs):
        with target.prepare(model, 1) as prepared:
            assert len(prepared.run(inputs, Repeat(warmup=0, count=50, least=5, spread=1e9)).latencies_ms) == 5
            unsettled = len(prepared.run(inputs, Repeat(warmup=0, count=12, least=5, spread=0.0)).latencies_ms)
        assert 5 <= unsettled <= 12 if target.modelled else unsettled == 12  # modelled runs may be alike to the last instruction

    def test_several_may_be_open_and_take_turns(self, target, export):
        files = [export(seed=1), export(seed=2)]
        inputs = noise(OnnxModel.open(files[0]).card.signature, 24, 32)
        with target.prepare(files[0], 1) as one, target.prepare(files[1], 1) as other:
            outputs = [p.run(inputs, ONCE, want_outputs=True).outputs["output"] for p in (one, other, one, other)]
        np.testing.assert_array_equal(outputs[0], outputs[2])
        np.testing.assert_array_equal(outputs[1], outputs[3])
        assert not np.array_equal(outputs[0], outputs[1])

    def test_it_frees_what_it_holds_and_says_so(self, target, model, inputs):
        prepared = target.prepare(model, 1)
        prepared.close()
        prepared.close()
        with pytest.raises(MachineError, match="was closed"):
            prepared.run(inputs, ONCE)

    def test_a_refused_run_is_told_and_the_next_one_works(self, target, model, inputs):
        with target.prepare(model, 1) as prepared:
            with pytest.raises(MachineError, match=model.name):
                prepared.run({"nonsense": next(iter(inputs.values()))}, ONCE)
            assert len(prepared.run(inputs, ONCE).latencies_ms) == 1

    @pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x08\x12\x07pytorch" * 40])
    def test_files_that_are_no_models(self, target, tmp_path, content):
        file = tmp_path / "broken.onnx"
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"broken\.onnx"):
            target.prepare(file, 1)

    def test_a_file_that_is_not_there(self, target, tmp_path):
        with pytest.raises(DataError, match="There is no file"):
            target.prepare(tmp_path / "nothing.onnx", 1)

    def test_a_cut_off_model(self, target, model, tmp_path):
        file = tmp_path / "cut.onnx"
        file.write_bytes(model.read_bytes()[: Path(model).stat().st_size // 2])
        with pytest.raises(DataError, match=r"cut\.onnx"):
            target.prepare(file, 1)

    def test_threads_it_does_not_have(self, target, model):
        with pytest.raises(UsageError, match="1000000"):
            target.prepare(model, 1_000_000)


def test_targets_are_opened_by_name():
    with pytest.raises(UsageError, match="Did you mean `local`"):
        open_target("locall")
