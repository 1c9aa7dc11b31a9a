"""Camera buffers and fixed shapes: the same network behind other ports, and a file that says what they are."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from pixsearch.errors import GateError, UsageError
from pixsearch.export.half import to_half
from pixsearch.export.onnx import export_float, read_model, write_model
from pixsearch.export.parity import HALF_A_LEVEL, check_float, check_shape
from pixsearch.export.ports import with_shape, with_uint8_ports
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.build import build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.signature import Port
from pixsearch.space.named import named
from pixsearch.tasks.base import make_task

FOLDED = {"layers": [{"op": "conv3", "act": "relu", "width": 6}], "head": "s2d"}


def written(folder, model, card):
    write_model(model, card, folder / "b.onnx")
    return folder / "b.onnx"


@pytest.fixture(params=["y", "rgb"])
def plain(request, make, tmp_path):
    network, card = make(FOLDED, color=request.param)
    return network, card, read_model(export_float(network, card, tmp_path / "a.onnx"))


def test_a_camera_buffer_gives_the_picture_that_the_task_decodes(plain, tmp_path, sample_images):
    from pixsearch.pixels.files import read_picture

    network, card, model = plain
    path = written(tmp_path, *with_uint8_ports(model, card))
    assert check_float(network, path).max_abs_error <= 1e-5
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [source], [output] = session.get_inputs(), session.get_outputs()
    channels = card.signature.in_channels
    assert (source.type, source.shape, output.type) == ("tensor(uint8)", [1, "height", "width", channels], "tensor(uint8)")
    picture = read_picture(sample_images / "chelsea.png")[:60, :80]
    task = make_task("sr", 2, card.signature.color)
    planes = task.encode("input", picture)
    buffer = np.floor(planes * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)[None]  # what a camera would hand over
    given = session.run(None, {"input": buffer})[0]
    assert given.shape == (1, 120, 160, channels)
    exact = OnnxModel.open(tmp_path / "a.onnx").run({"input": (buffer[0].transpose(2, 0, 1) / np.float32(255)).astype(np.float32)})
    expected = np.clip(np.floor(exact * 255 + 0.5), 0, 255).transpose(1, 2, 0)
    assert np.abs(given[0] - expected).max() <= 1  # halves may go to either side
    assert (given[0] == expected).mean() > 0.999


def test_the_file_says_what_its_channels_are(plain, tmp_path):
    _, card, model = plain
    made = read_model(written(tmp_path, *with_uint8_ports(model, card)))
    words = made.graph.input[0].doc_string
    assert ("BT.601" in words and "16" in words) if card.signature.color == "y" else "R, G, B" in words
    assert OnnxModel.open(tmp_path / "b.onnx").card.io == "uint8-nhwc"
    assert [opset.domain for opset in made.opset_import] == [""]


def test_a_packed_mosaic_is_not_called_a_colour_picture(tmp_path):
    task = make_task("jdd", 2, "rgb")
    network = deploy(build(named("plain-m1c4", task.signature)[1], task.signature))
    card = make_card(network, name="net", stage="trained")
    made, _ = with_uint8_ports(read_model(export_float(network, card, tmp_path / "a.onnx")), card)
    given, result = made.graph.input[0].doc_string, made.graph.output[0].doc_string
    assert given.startswith("uint8 (1, H, W, 4): the mosaic RGGB")
    assert result == "uint8 (1, H, W, 3): R, G, B, each 0 to 255"


def test_ports_that_do_not_begin_at_zero_are_refused(make, tmp_path):
    network, card = make(FOLDED)
    from dataclasses import replace

    other = card.with_(signature=replace(card.signature, inputs=(Port("input", 1, -1.0, 1.0),)))
    with pytest.raises(UsageError, match="Use `float`"):
        with_uint8_ports(read_model(export_float(network, card, tmp_path / "a.onnx")), other)


@pytest.mark.parametrize("io", ["float", "uint8-nhwc"])
def test_one_shape_is_the_same_network(plain, tmp_path, io):
    network, card, model = plain
    model, card = with_uint8_ports(model, card) if io == "uint8-nhwc" else (model, card)
    write_model(model, card, tmp_path / "any.onnx")
    path = written(tmp_path, *with_shape(model, card, (36, 50)))
    assert check_shape(path, tmp_path / "any.onnx").sizes == ((36, 50),)
    parity = check_float(network, path)
    assert parity.sizes[0] == (36, 50)
    assert any(height % 2 and width % 2 for height, width in parity.sizes)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    sides = [1, 36, 50, card.signature.in_channels] if io == "uint8-nhwc" else [1, card.signature.in_channels, 36, 50]
    assert session.get_inputs()[0].shape == sides


def test_a_shape_that_the_network_cannot_take_names_the_next(plain):
    _, card, model = plain
    with pytest.raises(UsageError, match="multiples of 2. Write `--shape 36x52`"):
        with_shape(model, card, (35, 51))


def test_a_shaped_file_that_differs_misses_the_gate(make, tmp_path):
    network, card = make("plain-m1c4")
    other, _ = make("plain-m1c4", seed=2)
    path = written(tmp_path, *with_shape(read_model(export_float(network, card, tmp_path / "a.onnx")), card, (16, 20)))
    with pytest.raises(GateError, match="With one shape the graph differs"):
        check_shape(path, export_float(other, card, tmp_path / "other.onnx"))


@pytest.mark.parametrize("what", ["plain-m2c8", "fsrcnn", FOLDED])
def test_fp16_rounds_to_the_same_levels_or_the_next(make, tmp_path, what):
    network, card = make(what)
    model = read_model(export_float(network, card, tmp_path / "a.onnx"))
    path = written(tmp_path, to_half(model), card.with_(precision="fp16"))
    assert 0 < check_float(network, path, HALF_A_LEVEL).max_abs_error < HALF_A_LEVEL
    kernels = [tensor.data_type for tensor in read_model(path).graph.initializer if len(tensor.dims) == 4]
    assert set(kernels) == {10}  # FLOAT16
    assert path.stat().st_size < (tmp_path / "a.onnx").stat().st_size


def test_weights_that_fp16_cannot_hold_miss_the_gate(make, tmp_path):
    import torch

    network, card = make("plain-m1c4")
    with torch.no_grad():
        network.body.layers[0][0].weight *= 1e6
        network.body.tail.weight *= 1e-6
    model = read_model(export_float(network, card, tmp_path / "a.onnx"))
    path = written(tmp_path, to_half(model), card.with_(precision="fp16"))
    with pytest.raises(GateError, match="leave `--fp16` out"):
        check_float(network, path, HALF_A_LEVEL)
