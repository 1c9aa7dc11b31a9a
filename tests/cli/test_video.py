"""Video models through the whole chain by the commands a user types."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from command import pixsearch

CHAIN = {"layers": [{"op": "conv3", "width": 6, "act": "relu"}], "head": "s2d", "skip": "nearest", "tail": 3}


@pytest.fixture(scope="module")
def clip(photos, tmp_path_factory):
    """Six frames of a pan over a photo, 100×90, and the same as a video."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "pan").mkdir()
    photo = cv2.imread(str(photos / "report" / "chelsea.png"))
    video = cv2.VideoWriter(str(folder / "pan.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (100, 90))
    for time in range(6):
        frame = np.ascontiguousarray(photo[20 + time : 110 + time, 30 + time : 130 + time])
        cv2.imwrite(str(folder / "pan" / f"frame {time}.png"), frame)
        video.write(frame)
    video.release()
    return folder


def test_a_search_trains_windows_and_states_and_picks_one(photos, clip, tmp_path):
    run, cache = tmp_path / "run", tmp_path / "cache"
    task = ("--task", "video-sr", "--window", 3, "--space", "video")
    search = ("search", photos / "train", "--val", clip / "pan", *task, "--objective", "psnr", "--objective", "latency@local/64x48<=1s")
    done = pixsearch(*search, "--evaluations", 3, "--population", 3, "--proxy-steps", 3, "--cache", cache, "--out", run)
    assert done.code == 0, done.err
    assert "1 of them clips" in done.err
    front = json.loads((run / "search" / "front.json").read_text())
    assert all(member["genotype"]["form"] in ("stacked", "recurrent") for member in front["members"])
    done = pixsearch("train", run, "--pick", "knee", "--steps", 4, "--patch", 16)
    assert done.code == 0, done.err
    assert "flicker" in done.err


@pytest.mark.parametrize("task", ["video-sr", "video-denoise"])
def test_a_recurrent_model_from_photos_to_a_video(task, photos, clip, tmp_path):
    arch, run = tmp_path / "small.json", tmp_path / "run"
    arch.write_text(json.dumps({"space": "video", "form": "recurrent", "state": 4, **CHAIN}))
    train = ("train", "--task", task, "--arch", arch, "--data", photos / "train", "--val", clip / "pan")
    for command in (
        (*train, "--steps", 12, "--patch", 16, "--cache", tmp_path / "cache", "--out", run),
        ("prune", run, "--keep-macs", 0.8, "--steps", 4),
        ("export", run, "--int8", "--gate", 9, "--shape", "46x50" if task == "video-sr" else "90x100"),
        ("bench", run, "--images", clip / "pan", "--size", "64x48", "--repeats", 2),
        ("report", run),
    ):
        done = pixsearch(*command)
        assert done.code == 0, done.err
    bench = json.loads((run / "bench" / "bench.json").read_text())
    assert all(row["flicker"] > 0 for row in bench["rows"])
    assert {row["label"] for row in bench["rows"]} >= {"small float", "small pruned", "small pruned int8"}
    assert "flicker" in (run / "report.html").read_text()
    done = pixsearch("apply", run / "export" / "small-pruned.int8.onnx", clip / "pan.avi", tmp_path / "out.mp4", "--json")
    assert done.code == 0, done.err
    (entry,) = done.document["photos"]
    scale = 2 if task == "video-sr" else 1
    assert (entry["width"], entry["height"], entry["frames"]) == (100 * scale, 90 * scale, 6)
    done = pixsearch("apply", run / "export" / "small.onnx", clip / "pan", tmp_path / "frames")
    assert done.code == 0, done.err
    assert "6 frames" in done.out
    assert "frames per second" in done.out
    assert len(list((tmp_path / "frames").glob("frame *.png"))) == 6
    refused = pixsearch("apply", run / "export" / "small.onnx", photos / "report" / "chelsea.png", tmp_path / "o.png")
    assert refused.code == 2
    assert "is a photo, but this model is made for clips" in refused.err
    refused = pixsearch("train", run, "--qat", "arm", "--steps", 2)
    assert refused.code == 2
    assert "hands on a state" in refused.err


def test_a_run_shares_clips_and_photos_out(photos, clip):
    done = pixsearch("run", photos / "train", clip, "--task", "video-sr", "--window", 3, "--dry-run", "--json")
    assert done.code == 0, done.err
    lists = done.document["settings"]["photos"]
    sides = {side: {path for path in paths if "/pan" in path} for side, paths in lists.items()}
    held = [side for side, paths in sides.items() if any("frame" in path for path in paths)]
    assert len(held) == 1  # all frames of the clip on one side, and the video that shows the same with them
    assert len(sides[held[0]]) == 7


def test_the_space_of_clips_is_for_clips(photos, tmp_path):
    done = pixsearch("search", photos / "train", "--space", "video", "--evaluations", 2, "--out", tmp_path / "run")
    assert done.code == 2
    assert "The space `video` is for clips" in done.err
