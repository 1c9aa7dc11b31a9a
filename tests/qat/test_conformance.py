"""Every operator in every scheme: the int8 file, run by ONNX Runtime, gives what the network in training gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixsearch.export.config import ExportConfig
from pixsearch.export.graph import Graph
from pixsearch.export.onnx import export_float, read_model
from pixsearch.export.quantize import quantize
from pixsearch.export.scheme import ARM, PORTABLE, X86
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.modelfile import make_card
from pixsearch.qat.prepare import ends, prepare, without_rounding
from pixsearch.registry import SCHEMES
from pixsearch.tasks.base import make_task


def layer(op, act, width=6, **more):
    return {"op": op, "act": act, "width": width, **more}


BOTTLENECK = layer("ib3", "relu", hidden=9)


def blocks(*kinds):
    return {"space": "erdb", "width": 8, "blocks": [{"kind": kind, "convs": 4, "growth": 4, "width": 8} for kind in kinds]}


MEMBERS = {
    "conv1 relu, conv3 leaky": ({"layers": [layer("conv1", "relu"), layer("conv3", "leaky")]}, 2, "y"),
    "conv5 prelu": ({"layers": [layer("conv5", "prelu")], "tail": 1}, 2, "y"),
    "conv3 hardswish": ({"layers": [layer("conv3", "hardswish"), layer("conv3", "hardswish")], "skip": "bicubic"}, 2, "y"),
    "dw3 leaky, dw5 prelu": ({"layers": [layer("dw3", "leaky"), layer("dw5", "prelu")]}, 3, "rgb"),
    "ib3 relu, residual": ({"layers": [BOTTLENECK, {**BOTTLENECK, "residual": True}]}, 2, "y"),
    "ib3 prelu, residual": ({"layers": [{**BOTTLENECK, "act": "prelu", "width": 3, "residual": True}]}, 2, "rgb"),
    "folded, nearest": ({"layers": [layer("conv3", "relu")], "head": "s2d"}, 2, "rgb"),
    "folded by 4": ({"layers": [layer("conv3", "relu")], "head": "s2d4"}, 2, "rgb"),
    "folded, bicubic": ({"layers": [layer("dw3", "hardswish")], "head": "s2d", "skip": "bicubic"}, 2, "y"),
    "shrink, group": (blocks("shrink", "group"), 2, "y"),
    "context": (blocks("context"), 2, "rgb"),
    "plain": ("plain-m1c4", 2, "y"),
    "ecbsr": ("ecbsr-m1c4", 2, "y"),
    "fsrcnn": ("fsrcnn", 2, "y"),
    "espcn": ("espcn", 2, "y"),
}
LEVEL = 1 / 255
EVERYWHERE = ("conv5 prelu", "dw3 leaky, dw5 prelu", "ib3 relu, residual", "folded, nearest", "context", "fsrcnn")
"""Among these is every operator; they are tried in every scheme, the others in one."""
CASES = [(member, scheme) for member in MEMBERS for scheme in (ARM, PORTABLE, X86) if scheme is ARM or member in EVERYWHERE]


@pytest.mark.parametrize(("member", "scheme"), CASES, ids=[f"{member}-{scheme.name}" for member, scheme in CASES])
def test_the_int8_file_is_the_network_that_was_trained(make, pictures, tmp_path, member, scheme):
    what, scale, color = MEMBERS[member]
    task, (network, card) = make_task("sr", scale, color), make(what, scale=scale, color=color)
    prepared = prepare(network, card, pictures, make_task("sr", scale, color), scheme, seed=0, learned=True)
    with torch.no_grad():
        for rounding in prepared.network.body.ranges.values():
            rounding.wider.copy_(torch.tensor([-0.05, 0.04]))  # as if learned
    spans = {prepared.names[name]: list(span) for name, span in ends(prepared.network).items()}
    plain = without_rounding(prepared.network).eval()
    card = make_card(plain, name="net", stage="qat").with_(calibration={"scheme": scheme.name, "ranges": spans})
    float_path = export_float(plain, card, tmp_path / "a.onnx")
    path = quantize(float_path, card, pictures, task, tmp_path / "q.onnx", ExportConfig(int8=True))
    planes = task.encode("input", pictures.pair(0).inputs["input"])[:, :64, :72]
    with torch.no_grad():
        expected = prepared.network.eval()(torch.from_numpy(planes)[None])[0].numpy()
    error = np.abs(OnnxModel.open(path, precise_int8=True).run({"input": planes}) - expected)
    step = largest_step(path) if member in ("fsrcnn", "espcn") else 0.0  # their output itself is rounded
    assert np.quantile(error, 0.99) <= max(LEVEL, 1.01 * step)
    assert np.sqrt((error**2).mean()) < 0.25 * np.sqrt(((plain(torch.from_numpy(planes)[None])[0].detach().numpy() - expected) ** 2).mean())


def largest_step(path):
    graph = Graph(read_model(path))
    maker = graph.maker(graph.output)
    assert maker is not None
    return float(graph.constant(maker.input[1]))


@pytest.mark.parametrize("name", SCHEMES.names())
def test_the_file_stores_numbers_as_the_scheme_says(make, pictures, task, tmp_path, name):
    scheme = SCHEMES.load(name)
    network, card = make("plain-m1c4")
    path = quantize(
        export_float(network, card, tmp_path / "a.onnx"), card, pictures, task, tmp_path / "q.onnx", ExportConfig(int8=True, scheme=name)
    )
    graph = Graph(read_model(path))
    kernels = [node for node in graph.nodes if node.op_type == "DequantizeLinear" and node.input[0].endswith("weight_quantized")]
    kinds = {graph.constant(node.input[0]).dtype for node in kernels}
    points = {graph.constant(node.input[2]).dtype for node in graph.nodes if node.op_type == "QuantizeLinear"}
    assert kinds == {np.dtype(np.int8 if scheme.signed_weights else np.uint8)}
    assert points == {np.dtype(np.int8 if scheme.signed_activations else np.uint8)}
    assert {graph.constant(node.input[1]).size > 1 for node in kernels} == {scheme.per_channel}
    calibration = OnnxModel.open(path).card.calibration
    assert (calibration["scheme"], calibration["format"]) == (name, scheme.format)
