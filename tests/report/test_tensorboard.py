"""TensorBoard reads what the record says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pixsearch.errors import MachineError
from pixsearch.report.tensorboard import TensorBoard

EVENTS: list[dict[str, Any]] = [
    {"kind": "start", "time": 1.0, "name": "small"},
    {"kind": "step", "time": 2.0, "step": 10, "loss": 0.5, "rate": 1e-3, "samples_per_s": 100.0},
    {"kind": "step", "time": 3.0, "step": 20, "loss": 0.25, "rate": 2e-3, "samples_per_s": None},
    {"kind": "validation", "time": 4.0, "step": 20, "psnr_db": 30.5, "ssim": 0.9},
]


def curves(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """(step, time, value) of each curve in a folder, as TensorBoard reads it."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed")
    found = reading.EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(e.step, e.wall_time, e.tensor_proto.float_val[0]) for e in found.Tensors(tag)] for tag in found.Tags()["tensors"]}


def test_curves_are_those_of_the_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: `pip install tensorboard`")
    with TensorBoard(tmp_path / "board") as board:
        for event in EVENTS:
            board(event)
    drawn = curves(tmp_path / "board")
    assert drawn["train/loss"] == [(10, 2.0, 0.5), (20, 3.0, 0.25)]
    assert [point[2] for point in drawn["train/rate"]] == pytest.approx([1e-3, 2e-3])
    assert drawn["train/samples_per_s"] == [(10, 2.0, 100.0)]
    assert drawn["validation/psnr_db"] == [(20, 4.0, 30.5)]
    assert drawn["validation/ssim"][0][2] == pytest.approx(0.9)


def test_a_resumed_training_adds_to_its_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: `pip install tensorboard`")
    for event in EVENTS[1:3]:
        with TensorBoard(tmp_path) as board:
            board(event)
    assert [step for step, *_ in curves(tmp_path)["train/loss"]] == [10, 20]


def test_nothing_is_written_before_there_is_something_to_draw(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: `pip install tensorboard`")
    with TensorBoard(tmp_path / "board") as board:
        board(EVENTS[0])
    assert not (tmp_path / "board").exists()


def test_a_folder_that_cannot_be_written_does_not_end_the_training(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: `pip install tensorboard`")
    (tmp_path / "board").write_text("a file stands here")
    with TensorBoard(tmp_path / "board") as board:
        for event in EVENTS:
            board(event)


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(MachineError, match=r"pip install 'pixsearch\[tensorboard\]'"):
        TensorBoard(tmp_path)
