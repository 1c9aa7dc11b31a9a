"""Kernels that adapt to the picture: windows get those of the whole picture, so that they fit together without a seam."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pixsearch.export.dynamic import as_features
from pixsearch.export.half import to_half
from pixsearch.export.onnx import export_float, read_model, write_model
from pixsearch.export.ports import with_shape, with_uint8_ports
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import apply_inputs, run_windows
from pixsearch.nn.build import Network, build
from pixsearch.nn.modelfile import make_card
from pixsearch.space.cell import CellSpace
from pixsearch.space.mobile import MobileSpace
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig

DYNAMIC = {"op": "dynconv3", "width": 6, "act": "leaky", "experts": 4}
FIXED = {"op": "conv3", "width": 6, "act": "leaky"}


@pytest.fixture
def task() -> Task:
    return TaskConfig(scale=2).make()


def picture(height: int = 61, width: int = 83) -> np.ndarray:
    """Dark and bright sides, so that windows differ."""
    noise = np.random.default_rng(0).random((height, width, 3))
    return (noise * np.linspace(20, 255, width)[None, :, None]).astype(np.uint8)


def exported(task: Task, folder: Path, layers: list[dict], head: str, form: str = "kernel") -> Path:
    return written(build(MobileSpace(task.signature).parse({"layers": layers, "head": head}), task.signature), folder, form)


def written(network: Network, folder: Path, form: str = "kernel") -> Path:
    """The file of a network with weights as after training."""
    network.eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    card = make_card(network, name="net", stage="trained")
    if form == "feature":
        network, card = as_features(network, card)
    return export_float(network, card, folder / "net.onnx")


def test_windows_of_cells_give_what_the_whole_picture_gives(task, tmp_path):
    genes = {"nodes": [[[0, "dyndw3"], [0, "dynconv3"]]], "cells": 2, "width": 6, "experts": 2}
    model = OnnxModel.open(written(build(CellSpace(task.signature).parse(genes), task.signature), tmp_path))
    whole = model.run({"input": task.encode("input", picture())})
    assert np.abs(in_windows(model, task, picture(), (32, 32)) - whole).max() < 1e-5 * max(1.0, np.abs(whole).max())


def in_windows(model: OnnxModel, task: Task, pixels: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    height, width = pixels.shape[:2]
    output = np.empty((1, 2 * height, 2 * width), np.float32)
    encode = lambda name, samples: task.encode(name, np.ascontiguousarray(samples))  # noqa: E731
    for rows, columns, part in run_windows(model, {"input": pixels}, encode, lambda planes, _: np.moveaxis(planes, 0, -1), window):
        output[:, rows, columns] = np.moveaxis(part, -1, 0)
    return output


@pytest.mark.parametrize("form", ["kernel", "feature"])
@pytest.mark.parametrize(
    ("layers", "head"),
    [([FIXED, DYNAMIC, DYNAMIC], "plain"), ([FIXED, DYNAMIC], "s2d"), ([DYNAMIC, FIXED], "plain"), ([DYNAMIC, FIXED], "s2d")],
)
def test_windows_give_what_the_whole_picture_gives(task, tmp_path, layers, head, form):
    model = OnnxModel.open(exported(task, tmp_path, layers, head, form))
    pixels = picture()
    whole = model.run({"input": task.encode("input", pixels)})
    assert np.abs(in_windows(model, task, pixels, (32, 32)) - whole).max() < 1e-5 * max(1.0, np.abs(whole).max())
    alone = model.run({"input": task.encode("input", np.ascontiguousarray(pixels[:32, :32]))})
    assert np.abs(alone[:, :16, :16] - whole[:, :16, :16]).max() > 1e-3  # by itself a window has kernels of its own


def test_windows_of_a_file_for_one_shape_see_the_whole(task, tmp_path):
    path = exported(task, tmp_path, [FIXED, DYNAMIC], "plain")
    whole = OnnxModel.open(path).run({"input": task.encode("input", picture())})
    model, card = with_shape(read_model(path), OnnxModel.open(path).card, (32, 40))
    write_model(model, card, tmp_path / "shaped.onnx")
    output = in_windows(OnnxModel.open(tmp_path / "shaped.onnx"), task, picture(), (32, 40))
    assert np.abs(output - whole).max() < 1e-5 * max(1.0, np.abs(whole).max())


@pytest.mark.parametrize("kind", ["fp16", "uint8"])
def test_other_formats_are_cut_too(task, tmp_path, kind):
    path = exported(task, tmp_path, [FIXED, DYNAMIC], "plain")
    model, card = read_model(path), OnnxModel.open(path).card
    if kind == "fp16":
        model, card = to_half(model), card.with_(precision="fp16")
    else:
        model, card = with_uint8_ports(model, card)
    write_model(model, card, tmp_path / "other.onnx")
    opened, inputs = OnnxModel.open(tmp_path / "other.onnx"), {"input": picture()}
    windows = apply_inputs(opened, task, inputs, memory_bytes=1)
    whole = apply_inputs(opened, task, inputs)
    assert np.abs(windows.astype(int) - whole.astype(int)).max() <= 1
