"""The whole chain on small photos: every stage takes the files of the one before, and what it says is true of its record."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from command import Ended, pixsearch

RECIPE = """
photos: {train: [train], select: [select], report: [report]}
task: {name: sr, scale: 2, color: y}
search: {objectives: [psnr, "macs_720p<=400M"], evaluations: 4, population: 4, proxy_steps: 30}
pick: "best-under:macs_720p<=400M"
train: {steps: 400}
prune: {keep_macs: 0.7}
finetune: {steps: 100}
export: {int8: true, scheme: portable, check: true, gate_db: 1.0}
bench: {repeats: 3, rounds: 1, warmup: 1, size: 320x180, crops: 2}
"""


@pytest.fixture(scope="module")
def recipe(photos: Path) -> Path:
    path = photos / "recipe.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def chained(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    run = tmp_path_factory.mktemp("runs") / "small"
    return run, pixsearch("run", recipe, "--out", run, "--json")


@pytest.mark.slow
class TestChain:
    def test_it_ends_well_and_every_stage_hands_on_its_result(self, chained: tuple[Path, Ended]) -> None:
        run, ended = chained
        assert ended.code == 0, ended.err
        assert set(ended.document) == {"search", "train", "prune", "export", "bench", "report"}
        assert Path(ended.document["report"]["report"]) == run / "report.html"

    def test_the_table_holds_bicubic_and_the_model_in_three_forms(self, chained: tuple[Path, Ended]) -> None:
        rows = chained[1].document["bench"]["rows"]
        name = rows[1]["name"]
        assert name in {member["id"] for member in chained[1].document["search"]["members"]}
        assert [row["label"] for row in rows] == ["bicubic", f"{name} float", f"{name} pruned", f"{name} pruned int8"]
        bicubic, found, pruned, int8 = rows
        assert found["psnr_db"] > bicubic["psnr_db"]
        assert pruned["macs_720p"] <= 0.7 * found["macs_720p"]
        assert int8["precision"] == "int8"
        assert int8["psnr_db"] > pruned["psnr_db"] - 1.0
        assert all(row["latency"][0]["median_ms"] > 0 for row in rows[1:])

    def test_figures_are_of_photos_nothing_was_trained_or_chosen_on(self, chained: tuple[Path, Ended]) -> None:
        images = {image["name"] for image in chained[1].document["bench"]["images"]}
        assert {Path(name).stem for name in images} == {"china", "chelsea", "fig"}

    def test_the_int8_file_computes_in_integers(self, chained: tuple[Path, Ended]) -> None:
        import onnx

        file = next(path for path in map(Path, chained[1].document["export"]["files"]) if "int8" in path.name)
        types = {node.op_type for node in onnx.load(file).graph.node}
        assert {"QuantizeLinear", "DequantizeLinear"} <= types
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        out = session.run(None, {session.get_inputs()[0].name: np.full((1, 1, 18, 22), 0.5, np.float32)})[0]
        assert out.shape == (1, 1, 36, 44)

    def test_a_finished_run_resumes_to_the_same_report(self, chained: tuple[Path, Ended]) -> None:
        run, _ = chained
        before = (run / "train" / "model.safetensors").read_bytes()
        again = pixsearch("run", "--resume", run, "--json")
        assert again.code == 0, again.err
        assert (run / "train" / "model.safetensors").read_bytes() == before

    def test_a_run_is_never_written_over(self, chained: tuple[Path, Ended], recipe: Path) -> None:
        ended = pixsearch("run", recipe, "--out", chained[0])
        assert ended.code == 2
        assert "--resume" in ended.err

    def test_apply_enlarges_a_photo_and_a_folder(self, chained: tuple[Path, Ended], photos: Path, tmp_path: Path) -> None:
        model = chained[1].document["export"]["files"][0]
        source = photos / "report" / "china.png"
        assert pixsearch("apply", model, source, tmp_path / "big.png").code == 0
        big, small = cv2.imread(str(tmp_path / "big.png")), cv2.imread(str(source))
        assert big is not None
        assert small is not None
        assert big.shape == (320, 384, 3)
        shrunk = cv2.resize(big, (192, 160), interpolation=cv2.INTER_AREA)
        assert cv2.PSNR(shrunk, small) > 28
        assert pixsearch("apply", model, photos / "report", tmp_path / "all", "--json").document["photos"][0]["width"] == 384

    def test_bench_writes_csv_for_a_spreadsheet(self, chained: tuple[Path, Ended], photos: Path, tmp_path: Path) -> None:
        model = chained[1].document["export"]["files"][0]
        quick = ["--repeats", 2, "--size", "160x90", "--out", tmp_path / "bench"]
        ended = pixsearch("bench", model, "--images", photos / "report", *quick, "--csv")
        assert ended.code == 0, ended.err
        header, *lines = ended.out.strip().splitlines()
        assert {"psnr_db", "median_ms"} <= set(header.split(","))
        assert len(lines) == 2


@pytest.mark.slow
def test_a_killed_chain_resumes_and_ends(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "pixsearch.cli", "run", str(recipe), "--out", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(run / "search" / "events.jsonl", '"candidate"', process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    ended = pixsearch("run", "--resume", run, "--json")
    assert ended.code == 0, ended.err
    candidates = [e for e in events(run / "search") if e["kind"] == "candidate" and not e["error"]]
    assert len({candidate["number"] for candidate in candidates}) == len(candidates) == 4


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["train", "--arch", "plain-m1c4", "--data", photos / "train", "--val", photos / "select", "--steps", 100000, "--out", run]
    command = [sys.executable, "-m", "pixsearch.cli", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(run / "train" / "events.jsonl", '"step"', process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"--resume {run}" in " ".join(said.split())
    assert list((run / "train" / "checkpoints").iterdir())


def wait_for(path: Path, text: str, process: subprocess.Popen[Any]) -> None:
    """Until `text` stands in the file at `path`; fails when the process ends before."""
    while not (path.exists() and text in path.read_text()):
        assert process.poll() is None, "the command ended early"
        time.sleep(0.05)


def events(stage: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stage / "events.jsonl").read_text().splitlines()]
