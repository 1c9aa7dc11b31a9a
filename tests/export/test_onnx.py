"""The float file: one clean graph that equals the network at every size, whatever it is made of."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from pixsearch.errors import DataError, GateError, MachineError
from pixsearch.export.onnx import OPSET, export_float, is_size_free, read_model
from pixsearch.export.parity import check_float
from pixsearch.infer.session import OnnxModel


def layer(op, act="relu", width=5, **more):
    return {"op": op, "act": act, "width": width, **more}


BOTTLENECK = layer("ib3", "leaky", hidden=7)
MEMBERS = {
    "convolutions": ({"layers": [layer("conv1"), layer("conv3", "leaky"), layer("conv5", "prelu")]}, 2, "y"),
    "separable": ({"layers": [layer("dw3", "hardswish"), layer("dw5", "relu")], "skip": "bicubic"}, 3, "y"),
    "bottlenecks": ({"layers": [BOTTLENECK, {**BOTTLENECK, "act": "prelu", "residual": True}], "tail": 5}, 2, "rgb"),
    "folded": ({"layers": [layer("conv3", "prelu")], "head": "s2d", "skip": "bicubic"}, 2, "rgb"),
    "folded by 4": ({"layers": [layer("conv3", "leaky")], "head": "s2d4"}, 2, "rgb"),
    "folded, nearest": ({"layers": [{**BOTTLENECK, "act": "hardswish"}], "head": "s2d", "tail": 1}, 4, "y"),
    "fsrcnn": ("fsrcnn", 3, "y"),
    "espcn": ("espcn", 2, "rgb"),
    "ecbsr": ("ecbsr-m1c4", 4, "rgb"),
}


@pytest.mark.parametrize("member", MEMBERS)
def test_every_operator_and_activation_agrees_with_pytorch(make, tmp_path, member):
    what, scale, color = MEMBERS[member]
    network, card = make(what, scale=scale, color=color)
    parity = check_float(network, export_float(network, card, tmp_path / "a.onnx"))
    assert parity.max_abs_error <= 1e-5
    assert any(height % 2 and width % 2 for height, width in parity.sizes)
    model = read_model(tmp_path / "a.onnx")
    assert is_size_free(model)
    assert not {"Shape", "Reshape", "Expand", "Transpose", "Constant"} & {node.op_type for node in model.graph.node}


def test_what_the_file_says(make, tmp_path):
    network, card = make({"layers": [layer("conv3")], "head": "s2d"}, scale=3, color="rgb")
    path = export_float(network.train(), card, tmp_path / "a.onnx")
    assert network.training
    model = read_model(path)
    [source], [output] = model.graph.input, model.graph.output
    assert [axis.dim_value or axis.dim_param for axis in source.type.tensor_type.shape.dim] == [1, 3, "height", "width"]
    assert [axis.dim_value or axis.dim_param for axis in output.type.tensor_type.shape.dim] == [1, 3, "output_height", "output_width"]
    assert (source.name, output.name) == ("input", "output")
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
    assert OnnxModel.open(path).card == card
    assert [file.name for file in tmp_path.iterdir()] == ["a.onnx"]


def test_no_path_of_this_machine_and_no_more_bytes_than_weights_need(make, tmp_path):
    network, card = make("plain-m2c8")
    data = export_float(network, card, tmp_path / "a.onnx").read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in data
    assert b"site-packages" not in data
    assert len(data) < 4 * card.params + 5000


def test_twice_the_same_bytes_and_nothing_said(make, tmp_path, capfd, caplog):
    network, card = make("plain-m1c4")
    first, second = (export_float(network, card, tmp_path / name).read_bytes() for name in ("a.onnx", "b.onnx"))
    assert first == second
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_exporters_own_use_is_left_as_it_was(make, tmp_path):
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    before = ONNXRegistry.__dict__["from_torchlib"]
    export_float(*make("plain-m1c4"), tmp_path / "a.onnx")
    assert ONNXRegistry.__dict__["from_torchlib"] is before
    assert torch.ops.aten.pixel_unshuffle.default not in ONNXRegistry.from_torchlib(opset_version=OPSET).functions


class SizeAware(torch.nn.Module):
    """A network with an operator that depends on the whole picture's size."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *inputs):
        out = self.network(*inputs)
        return out - out.flatten(2).mean(2)[:, :, None, None] * (inputs[0].shape[2] / 100)


@pytest.mark.parametrize("head", ["plain", "s2d"])
def test_a_graph_that_could_depend_on_the_size_is_traced_with_symbols(make, tmp_path, head):
    network, card = make({"layers": [layer("conv3")], "head": head})
    path = export_float(SizeAware(network), card, tmp_path / "a.onnx")
    assert not is_size_free(read_model(path))
    assert check_float(SizeAware(network), path).max_abs_error <= 1e-5


def test_a_file_that_differs_misses_the_gate(make, tmp_path):
    network, card = make("plain-m1c4")
    path = export_float(network, card, tmp_path / "a.onnx")
    with torch.no_grad():
        network.body.tail.weight[0, 0, 0, 0] += 1e-3
    with pytest.raises(GateError, match=r"differs from its network .* 1e-05 is the limit") as caught:
        check_float(network, path)
    assert caught.value.exit_code == 5


def test_not_a_number_misses_the_gate(make, tmp_path):
    network, card = make("plain-m1c4")
    with torch.no_grad():
        network.body.tail.bias[0] = np.nan
    with pytest.raises(GateError):
        check_float(network, export_float(network, card, tmp_path / "a.onnx"))


def test_an_unwritable_folder(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be written"):
        export_float(*make("plain-m1c4"), tmp_path / "file" / "a.onnx")


@pytest.mark.parametrize("data", [b"", b"hello", None])
def test_reading_what_is_no_graph(tmp_path, data):
    if data is not None:
        (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.onnx"):
        read_model(tmp_path / "a.onnx")
