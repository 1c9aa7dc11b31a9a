"""Depth to space in the one order that NNAPI takes: the same network, whatever computes the channels."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from pixsearch.export.graph import attribute
from pixsearch.export.onnx import export_float, read_model, write_model
from pixsearch.export.parity import check_float
from pixsearch.export.subpixels import subpixels_first


def one(op, act, **more):
    return [{"op": op, "act": act, "width": 6, **more}]


MEMBERS = {
    "luma": ({"layers": one("conv3", "relu")}, 2, "y"),
    "nearest": ({"layers": one("conv3", "relu")}, 3, "rgb"),
    "bicubic": ({"layers": one("dw3", "prelu"), "skip": "bicubic"}, 2, "rgb"),
    "folded": ({"layers": one("conv3", "hardswish"), "head": "s2d"}, 2, "rgb"),
    "folded bicubic": ({"layers": one("conv3", "leaky"), "head": "s2d", "skip": "bicubic"}, 2, "rgb"),
    "no skip": ("espcn", 3, "rgb"),
}


def modes(model):
    return [attribute(node, "mode", b"DCR") for node in model.graph.node if node.op_type == "DepthToSpace"]


@pytest.mark.parametrize("member", MEMBERS)
def test_the_network_stays_the_same(make, tmp_path, member):
    what, scale, color = MEMBERS[member]
    network, card = make(what, scale=scale, color=color)
    model = read_model(export_float(network, card, tmp_path / "a.onnx"))
    assert modes(model) == [b"CRD"]
    assert subpixels_first(model) == 0
    assert modes(model) == [b"DCR"]
    write_model(model, card, tmp_path / "b.onnx")
    assert check_float(network, tmp_path / "b.onnx").max_abs_error <= 1e-6


def test_one_whose_channels_cannot_be_reordered_is_left_and_counted():
    port, output = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, s, s]) for n, c, s in (("x", 12, 4), ("y", 3, 8)))
    nodes = [
        helper.make_node("Tanh", ["x"], ["t"]),
        helper.make_node("DepthToSpace", ["t"], ["y"], blocksize=2, mode="CRD"),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [port], [output]))
    assert subpixels_first(model) == 1
    assert modes(model) == [b"CRD"]
