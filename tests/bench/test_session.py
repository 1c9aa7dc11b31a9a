from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from pixsearch.bench import scoring, timing
from pixsearch.bench.config import BenchConfig
from pixsearch.bench.session import bench_stage
from pixsearch.bench.tables import rows_csv
from pixsearch.bench.targets.local import LocalPrepared
from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_pictures
from pixsearch.data.progress import silent
from pixsearch.errors import DataError, Interrupted, MachineError, UsageError
from pixsearch.events import read_events
from pixsearch.export.config import ExportConfig
from pixsearch.export.onnx import read_model, write_model
from pixsearch.export.ports import with_shape, with_uint8_ports
from pixsearch.export.quantize import quantize
from pixsearch.infer.session import OnnxModel
from pixsearch.pixels.files import read_picture, write_picture
from pixsearch.rundir import Stage
from pixsearch.tasks.base import make_task

from .machines import require

QUICK = {"size": "128x96", "repeats": 6, "rounds": 3, "warmup": 1, "crop_side": 48}


def config(photos, **given):
    return BenchConfig(images=(photos,), **{**QUICK, **given})


def bench(run, models, settings, resume=False):
    with Stage(run, "bench", settings, resume=resume) as stage:
        return bench_stage(models, settings, stage)


def events(run, kind):
    return [event for event in read_events(run / "bench" / "events.jsonl") if event["kind"] == kind]


@pytest.fixture(scope="module")
def models(export, photos, tmp_path_factory):
    """A float model and its int8 form."""
    task, path = make_task("sr", 2, "y"), export(name="one")
    folder = tmp_path_factory.mktemp("int8")
    calibration = open_pictures([photos], task, DataConfig(reduce="1", cache=folder / "cache"), silent)
    card = OnnxModel.open(path).card
    return [path, quantize(path, card, calibration, task, folder / "one.int8.onnx", ExportConfig())]


@pytest.fixture(scope="module")
def done(tmp_path_factory, models, photos):
    """A whole bench: its run and its record."""
    run = tmp_path_factory.mktemp("run")
    return run, bench(run, models, config(photos, cache=tmp_path_factory.mktemp("cache")))


def test_the_record_is_what_is_returned(done):
    run, record = done
    assert json.loads((run / "bench" / "bench.json").read_text()) == record
    assert rows_csv(record).count("\n") == 4


def test_conventions_stand_beside_the_figures(done):
    _, record = done
    assert (record["task"], record["scale"], record["color"], record["metric"]) == ("sr", 2, "y", "PSNR-Y")
    assert record["convention"] == make_task("sr", 2, "y").convention
    assert record["target"]["name"] == "local"
    assert record["target"]["modelled"] is False
    assert record["size"] == "128x96"
    assert "64x48 in" in record["protocol"]
    assert [(image["name"], image["width"], image["height"]) for image in record["images"]] == [
        (name, 196, 140) for name in ("astronaut", "chelsea", "coffee")
    ]


def test_the_baseline_comes_first_and_costs_nothing(done):
    row = done[1]["rows"][0]
    assert (row["label"], row["kind"], row["latency"]) == ("bicubic", "baseline", [])
    for name in ("gain_db", "gain_interval_db", "macs_720p", "params", "file_bytes", "load_ms", "peak_bytes", "file"):
        assert row[name] is None


def test_scores_are_those_of_whole_pictures(done, models, photos):
    task = make_task("sr", 2, "y")
    pair = task.degrade(read_picture(photos / "coffee.png"))
    planes = {"input": task.encode("input", pair.inputs["input"])}
    for row, path in zip(done[1]["rows"][1:], models, strict=True):
        wanted = task.score(OnnxModel.open(path).run(planes), pair.truth)
        assert row["pictures"]["coffee"] == {"psnr_db": pytest.approx(wanted.psnr_db), "ssim": pytest.approx(wanted.ssim)}
    wanted = task.score(task.baseline(pair.inputs), pair.truth)
    assert done[1]["rows"][0]["pictures"]["coffee"]["psnr_db"] == pytest.approx(wanted.psnr_db)


def test_gains_and_losses_are_paired_differences(done):
    baseline, float_row, int8_row = done[1]["rows"]
    assert float_row["gain_db"] == pytest.approx(float_row["psnr_db"] - baseline["psnr_db"])
    low, high = float_row["gain_interval_db"]
    assert low <= float_row["gain_db"] <= high
    assert int8_row["loss_db"] == pytest.approx(float_row["psnr_db"] - int8_row["psnr_db"])
    assert int8_row["loss_interval_db"][0] <= int8_row["loss_db"] <= int8_row["loss_interval_db"][1]
    assert float_row["loss_db"] is None


def test_latency_figures_belong_together(done, models):
    for row, path in zip(done[1]["rows"][1:], models, strict=True):
        (latency,) = row["latency"]
        assert (latency["threads"], latency["repeats"], latency["warmup"]) == (1, 6, 1)
        ordered = [latency[name] for name in ("min_ms", "median_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")]
        assert ordered == sorted(ordered)
        macs = row["macs_720p"] * 128 * 96 / (1280 * 720)
        assert latency["gmacs_per_s"] == pytest.approx(macs / latency["median_ms"] / 1e6, rel=1e-2)
        assert row["file_bytes"] == path.stat().st_size
        assert row["load_ms"] > 0
        assert row["peak_bytes"] > row["runtime_bytes"] > 0


def test_events_tell_both_halves_of_every_row(done):
    run, record = done
    told = events(run, "measured")
    assert {event["label"] for event in told if "psnr_db" in event} == {row["label"] for row in record["rows"]}
    assert {event["label"] for event in told if "latency" in event} == {row["label"] for row in record["rows"][1:]}
    assert all(len(event["latencies_ms"]) == 6 for event in told if "latency" in event)
    assert events(run, "done")[0]["rows"] == 3


def test_crops_show_every_method_beside_input_and_truth(done, photos):
    run, record = done
    assert len(record["crops"]) == 6
    for crop in record["crops"]:
        assert list(crop["outputs"]) == [row["label"] for row in record["rows"]]
        left, top, right, bottom = crop["box"]
        truth = read_picture(run / "bench" / crop["truth"])
        np.testing.assert_array_equal(truth, read_picture(photos / f"{crop['picture']}.png")[top:bottom, left:right])
        files = [crop["input"], *crop["outputs"].values()]
        assert len({*files, crop["truth"]}) == len(files) + 1
        assert all(read_picture(run / "bench" / file).shape == truth.shape == (48, 48, 3) for file in files)


def test_the_user_s_folder_is_left_alone(done, photos):
    assert sorted(path.name for path in photos.iterdir()) == ["astronaut.png", "chelsea.png", "coffee.png"]


def test_a_bench_that_was_stopped_goes_on_where_it_was(tmp_path, models, photos, monkeypatch):
    """Stopped before the last model is scored, resumed: nothing that was measured is measured again."""
    settings = config(photos)
    real = scoring.score_model

    def stopping(subject, *args):
        if subject.card.precision == "int8":
            raise Interrupted("stopped")
        return real(subject, *args)

    with monkeypatch.context() as patched:
        patched.setattr(scoring, "score_model", stopping)
        with pytest.raises(Interrupted):
            bench(tmp_path, models, settings)
    before = events(tmp_path, "measured")
    record = bench(tmp_path, models, settings, resume=True)
    new = events(tmp_path, "measured")[len(before) :]
    assert [event["label"] for event in new] == ["one int8"]
    assert "psnr_db" in new[0]
    timed = [event["latency"][0] for event in before if "latency" in event]
    assert [row["latency"][0] for row in record["rows"][1:]] == timed
    assert len(record["crops"]) == 6


def test_a_model_that_changed_is_measured_again(tmp_path, models, export, photos):
    settings = config(photos)
    bench(tmp_path, models, settings)
    before = len(events(tmp_path, "measured"))
    record = bench(tmp_path, [export(seed=6, name="one"), models[1]], settings, resume=True)
    new = events(tmp_path, "measured")[before:]
    assert [(event["label"], "psnr_db" in event) for event in new] == [("one float", False), ("one float", True)]
    assert record["rows"][1]["psnr_db"] == new[1]["psnr_db"]


def test_scores_on_other_pictures_are_not_reused(tmp_path, models, photos):
    folder = tmp_path / "pictures"
    shutil.copytree(photos, folder)
    first = bench(tmp_path / "run", models[:1], config(folder))
    write_picture(folder / "coffee.png", read_picture(folder / "coffee.png")[::-1, :, ::-1])
    second = bench(tmp_path / "run", models[:1], config(folder), resume=True)
    assert second["rows"][0]["pictures"]["coffee"] != first["rows"][0]["pictures"]["coffee"]
    assert second["rows"][0]["pictures"]["chelsea"] == first["rows"][0]["pictures"]["chelsea"]
    assert second["rows"][1]["latency"] == first["rows"][1]["latency"]


def test_a_crop_that_was_deleted_comes_back(tmp_path, models, photos):
    settings = config(photos, crops=1)
    record = bench(tmp_path, models[:1], settings)
    file = tmp_path / "bench" / record["crops"][0]["outputs"]["one float"]
    file.unlink()
    bench(tmp_path, models[:1], settings, resume=True)
    assert file.exists()


def test_a_killed_worker_ends_the_stage_with_its_reason(tmp_path, models, photos, monkeypatch):
    real = LocalPrepared.run

    def killed(self, *args, **options):
        os.kill(self.pid, 9)
        return real(self, *args, **options)

    monkeypatch.setattr(LocalPrepared, "run", killed)
    with pytest.raises(MachineError, match="SIGKILL"):
        bench(tmp_path, models, config(photos))
    assert "SIGKILL" in events(tmp_path, "stopped")[0]["error"]
    assert not (tmp_path / "bench" / "bench.json").exists()


def test_ctrl_c_is_heard_between_two_turns(tmp_path, models, photos, monkeypatch):
    def stop(how_to_go_on):
        raise Interrupted(how_to_go_on)

    monkeypatch.setattr(timing, "check_stop", stop)
    with pytest.raises(Interrupted, match=f"--resume {tmp_path}"):
        bench(tmp_path, models, config(photos))


def test_models_of_different_scales(tmp_path, models, export, photos):
    with pytest.raises(UsageError, match="×3"):
        bench(tmp_path, [*models, export(scale=3)], config(photos))


def test_hostile_models(tmp_path, models, photos):
    (tmp_path / "evil.onnx").write_bytes(os.urandom(4096))
    with pytest.raises(DataError, match=r"evil\.onnx"):
        bench(tmp_path / "run", [*models, tmp_path / "evil.onnx"], config(photos))


def test_a_folder_without_usable_pictures(tmp_path, models):
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"cut\.png"):
        bench(tmp_path / "run", models, config(folder))


def test_flat_pictures_are_left_out_of_the_scores_and_said(tmp_path, models, photos):
    folder = tmp_path / "pictures"
    folder.mkdir()
    write_picture(folder / "grey.png", np.full((100, 120, 3), 128, np.uint8))
    with pytest.raises(DataError, match="Give photos with detail"):
        bench(tmp_path / "flat", models[:1], config(folder))
    shutil.copy(photos / "coffee.png", folder)
    record = bench(tmp_path / "mixed", models[:1], config(folder))
    assert all(list(row["pictures"]) == ["coffee"] for row in record["rows"])
    assert any("grey" in event["text"] for event in events(tmp_path / "mixed", "warning"))
    assert record["rows"][1]["gain_interval_db"] is None


def test_a_size_that_is_no_multiple_of_the_scale_is_said(tmp_path, export, photos):
    record = bench(tmp_path, [export(scale=3)], config(photos, size="128x96", crops=1))
    assert "42x32 in and 126x96 out (the nearest to 128x96)" in record["protocol"]
    assert record["rows"][1]["input_size"] == "42x32"
    latency, macs = record["rows"][1]["latency"][0], record["rows"][1]["macs_720p"] * 126 * 96 / (1280 * 720)
    assert latency["gmacs_per_s"] == pytest.approx(macs / latency["median_ms"] / 1e6, rel=1e-2)
    left, top, right, _ = record["crops"][0]["box"]
    assert (right - left, left % 3, top % 3) == (48, 0, 0)


def test_files_of_one_shape_and_of_camera_buffers_stand_beside_the_plain_one(tmp_path, models, photos):
    def ported(path, name, shape=None):
        model, card = with_uint8_ports(read_model(path), OnnxModel.open(path).card)
        if shape is not None:
            model, card = with_shape(model, card, shape)
        write_model(model, card, tmp_path / name)
        return tmp_path / name

    files = [models[0], ported(models[0], "float.onnx"), ported(models[1], "int8.onnx"), ported(models[1], "fixed.onnx", (36, 40))]
    record = bench(tmp_path / "run", files, config(photos, crops=0))
    _, plain, exact, small, fixed = record["rows"]
    assert [row["label"] for row in (exact, small, fixed)] == ["one float uint8-nhwc", "one int8 uint8-nhwc", "one int8 uint8-nhwc 36x40"]
    assert [row["input_size"] for row in (plain, exact, fixed)] == ["64x48", "64x48", "40x36"]
    assert abs(exact["psnr_db"] - plain["psnr_db"]) < 0.1  # luma rounded to 8 bits
    assert fixed["psnr_db"] == pytest.approx(small["psnr_db"], abs=1e-3)  # in windows
    assert small["loss_db"] == pytest.approx(exact["psnr_db"] - small["psnr_db"])
    [warning] = [event["text"] for event in events(tmp_path / "run", "warning") if "alone" in event["text"]]
    assert "40x36" in warning
    latency = fixed["latency"][0]
    macs = fixed["macs_720p"] * 80 * 72 / (1280 * 720)
    assert latency["gmacs_per_s"] == pytest.approx(macs / latency["median_ms"] / 1e6, rel=2e-2)


def test_a_busy_machine_is_told(monkeypatch):
    assert timing.busy([{"waited_share": 0.01}, {"waited_share": None}]) == ""
    assert "34%" in timing.busy([{"waited_share": 0.01}, {"waited_share": 0.34}])


def test_thread_counts_are_timed_apart(tmp_path, models, photos):
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        pytest.skip("this machine has one core")
    record = bench(tmp_path, models[:1], config(photos, threads=(1, 2), crops=0))
    assert [latency["threads"] for latency in record["rows"][1]["latency"]] == [1, 2]
    assert record["crops"] == []
    with pytest.raises(UsageError, match=f"this computer offers {cores}"):
        bench(tmp_path / "more", models[:1], config(photos, threads=(cores + 1,)))


def test_latency_summed_up_from_operators(tmp_path, models, photos):
    require("arm64")
    settings = config(photos, target="arm64:a76", estimate=True, target_pictures=0)
    bench(tmp_path, models, settings)
    rows = [row for row in json.loads((tmp_path / "bench" / "bench.json").read_text())["rows"] if row["kind"] == "model"]
    for row in rows:
        (entry,) = row["latency"]
        shared = entry["modelled"]["by_operator"]
        assert entry["modelled_ms"] == pytest.approx(sum(shared.values()) / 2.4e6, rel=0.01)
        assert {"run"} < shared.keys()
    float_ms, int8_ms = (row["latency"][0]["modelled_ms"] for row in rows)
    assert float_ms != int8_ms
    assert "operators emulated one by one" in json.loads((tmp_path / "bench" / "bench.json").read_text())["protocol"]


def test_only_modelled_latencies_can_be_summed_up(tmp_path, models, photos):
    with pytest.raises(UsageError, match="--estimate"):
        bench(tmp_path, models, config(photos, estimate=True))
