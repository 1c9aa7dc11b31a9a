from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pixsearch.bench.modelled.cores import CORES
from pixsearch.bench.modelled.devices import device_named, devices, own_file, save
from pixsearch.errors import UsageError


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXSEARCH_DEVICES", str(tmp_path / "own" / "devices.yaml"))


def test_nine_are_shipped_and_every_core_is_among_them():
    assert len(devices()) == 9
    assert {device.core for device in devices().values()} == set(CORES)


def test_scales_and_errors_are_those_of_the_comparison():
    """What `make benchmark-arm-ncnn` recorded."""
    record = json.loads((Path(__file__).parents[3] / "benchmarks" / "results" / "arm_ncnn.json").read_text())["devices"]
    assert set(record) == set(devices())
    for name, device in devices().items():
        found, wanted = device.validation, record[name]
        assert device.scale == pytest.approx(wanted["scale"], abs=5e-4)
        assert found.error_percent == pytest.approx(wanted["error"] * 100, abs=0.05)
        assert found.left_out_error_percent == pytest.approx(wanted["left_out_error"] * 100, abs=0.05)
        assert found.spearman == pytest.approx(wanted["spearman"], abs=0.005)
        assert found.networks == len(wanted["modelled_ms"])


def test_a_core_is_no_device_and_a_typing_error_is_told():
    assert device_named("a76") is None
    with pytest.raises(UsageError, match="Did you mean `raspberry-pi-4`"):
        device_named("raspbery-pi-4")


def test_a_user_s_device_is_added_and_goes_over_a_shipped_one():
    faster = device_named("raspberry-pi-4").model_copy(update={"clock_ghz": 2.2})
    save("raspberry-pi-4", faster)
    save("mine", faster)
    assert device_named("raspberry-pi-4").clock_ghz == 2.2
    assert device_named("mine") == faster
    assert len(devices()) == 10


def test_every_fault_of_the_user_s_file_is_named():
    own_file().parent.mkdir()
    own_file().write_text(yaml.safe_dump({"mine": {"core": "a99", "clock_ghz": 0, "memory_gb_per_s": 10, "cache_byte": 1 << 20}}))
    with pytest.raises(UsageError, match="device `mine`") as raised:
        devices()
    for word in ("a99", "clock_ghz", "cache_byte", "cache_bytes"):
        assert word in str(raised.value)
