"""`export --check` on ONNX files that are there, also those of others."""

from __future__ import annotations

from pathlib import Path

import onnx
from command import pixsearch
from onnx import TensorProto, helper


def foreign(path: Path) -> Path:
    """A graph that pixsearch has not written: sub-pixels in the order that NNAPI does not take."""
    port, output = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, s, s]) for n, c, s in (("x", 12, 4), ("y", 3, 8)))
    nodes = [helper.make_node("Relu", ["x"], ["r"], name="relu"), helper.make_node("DepthToSpace", ["r"], ["y"], blocksize=2, mode="CRD")]
    onnx.save_model(helper.make_model(helper.make_graph(nodes, "g", [port], [output])), path)
    return path


def test_node_by_node_on_a_screen_and_as_json(tmp_path: Path) -> None:
    file = foreign(tmp_path / "foreign.onnx")
    shown = pixsearch("export", file, "--check", COLUMNS="160")
    assert shown.code == 0, shown.err
    assert "CPU 2, XNNPACK 0, NNAPI 1 of 2 nodes (NNAPI at feature level 29)" in shown.out
    assert "its mode is CRD; it takes DCR" in shown.out
    assert list(tmp_path.iterdir()) == [file]
    found = pixsearch("export", file, "--check", "--nnapi-level", 27, "--json").document["files"][0]
    assert (found["level"], found["nodes"], found["taken"]) == (27, 2, {"CPU": 2, "XNNPACK": 0, "NNAPI": 1})
    assert found["operators"][1]["refused"]["nnapi"] == "its mode is CRD; it takes DCR"


def test_a_file_that_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "notes.onnx").write_text("hello")
    ended = pixsearch("export", tmp_path / "notes.onnx", "--check")
    assert ended.code == 3
    assert "notes.onnx` is not a valid ONNX model" in ended.err
