from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixsearch.bench.modelled import calibrate as room
from pixsearch.bench.modelled.calibrate import calibrate, left_out, mean_error, read_lines, scale_of, spearman
from pixsearch.bench.modelled.devices import device_named
from pixsearch.errors import DataError, UsageError

times = st.lists(st.floats(0.1, 1e4), min_size=2, max_size=12)


@given(times, st.floats(0.05, 20))
def test_a_constant_factor_is_found_and_leaves_no_error(modelled, factor):
    measured = [value * factor for value in modelled]
    assert scale_of(modelled, measured) == pytest.approx(factor)
    assert mean_error(left_out(modelled, measured), measured) == pytest.approx(0, abs=1e-9)


@given(times)
def test_a_model_is_fitted_without_itself(modelled):
    """However far off one measurement is, its own fit does not know."""
    measured = [value * 2 for value in modelled]
    measured[0] *= 1000
    assert left_out(modelled, measured)[0] == pytest.approx(modelled[0] * 2)


def test_the_scale_is_the_geometric_mean():
    assert scale_of([1.0, 1.0], [2.0, 8.0]) == pytest.approx(4.0)


def test_rank_correlation():
    assert spearman([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert spearman([1, 2, 3], [30, 20, 10]) == pytest.approx(-1)
    assert spearman([1, 1, 2], [5, 6, 7]) == pytest.approx(math.sqrt(3) / 2)


def test_faults_of_the_file_are_all_named(tmp_path, model):
    file = tmp_path / "measured.csv"
    file.write_text(f"model,latency_ms,size\n{model},12.5,640x360\nnone.onnx,3,\n{model},-1,\n{model},3,huge\n")
    with pytest.raises(DataError, match="3 lines") as raised:
        read_lines(file, "1280x720")
    assert all(f"line {number}" in str(raised.value) for number in (3, 4, 5))
    file.write_text("name,ms\na,1\n")
    with pytest.raises(DataError, match="`model`, `latency_ms`"):
        read_lines(file, "1280x720")


def test_a_device_is_calibrated_and_kept(tmp_path, export, monkeypatch):
    """With modelled times given, what is fitted, shown and kept."""
    monkeypatch.setenv("PIXSEARCH_DEVICES", str(tmp_path / "devices.yaml"))
    files = [export(seed=seed) for seed in (1, 2, 3)]
    given = dict(zip(files, (10.0, 20.0, 40.0), strict=True))
    monkeypatch.setattr(room, "model_line", lambda line, target: given[line.model] * target.device.scale)
    table = tmp_path / "measured.csv"
    table.write_text("model,latency_ms\n" + "".join(f"{path},{ms * 1.5}\n" for path, ms in given.items()))
    result = calibrate(table, "raspberry-pi-4", size="128x96", write=True, say=lambda line: None)
    assert result["scale"] == pytest.approx(1.5)
    assert result["error"] == pytest.approx(1 / 3)
    assert result["left_out_error"] == pytest.approx(0)
    assert device_named("raspberry-pi-4").scale == pytest.approx(1.5)
    assert device_named("raspberry-pi-4").validation.networks == 3
    with pytest.raises(UsageError, match="a core, not a device"):
        calibrate(table, "a76", size="128x96", write=False, say=lambda line: None)
