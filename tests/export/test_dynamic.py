"""The forms of dynamic networks: computed kernels and blended experts agree with PyTorch at any size, fixed ones are a static network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pixsearch.card import STATISTICS
from pixsearch.export.dynamic import as_features, as_static, mean_coefficients
from pixsearch.export.graph import Graph
from pixsearch.export.onnx import export_float, read_model, write_model
from pixsearch.export.parity import LARGEST_ERROR, check_float
from pixsearch.export.ports import with_shape
from pixsearch.export.providers.check import check_model
from pixsearch.export.quantize import calibrate
from pixsearch.export.scheme import ARM, PORTABLE
from pixsearch.export.steps import float_part, insert_steps
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.build import Network, build
from pixsearch.nn.cost import count_macs
from pixsearch.nn.dynamic import predictors
from pixsearch.nn.modelfile import make_card
from pixsearch.space.cell import CellSpace
from pixsearch.space.mobile import MobileSpace
from pixsearch.tasks.config import TaskConfig

TASK = TaskConfig(scale=2).make()


class Pictures:
    """Two pictures, as a cache holds them."""

    names = ("dark", "bright")

    def __len__(self):
        return 2

    def pair(self, index):
        noise = np.random.default_rng(index).integers(0, 60 + 190 * index, (31, 40, 3)).astype(np.uint8)
        return type("Pair", (), {"inputs": {"input": noise}})


def network(attention: str, head: str = "plain") -> Network:
    dynamic = {"width": 6, "act": "leaky", "experts": 4, "attention": attention}
    layers = [{"op": "conv3", "width": 6, "act": "leaky"}, {"op": "dynconv3", **dynamic}, {"op": "dyndw3", **dynamic}]
    return shaken(MobileSpace(TASK.signature).parse({"layers": layers, "head": head}))


def cells(attention: str) -> Network:
    """Two cells, each with two dynamic edges of four."""
    nodes = [[[0, "dyndw3"], [0, "skip"]], [[0, "conv3"], [1, "dynconv3"]]]
    genes = {"nodes": nodes, "cells": 2, "width": 6, "experts": 2, "attention": attention}
    return shaken(CellSpace(TASK.signature).parse(genes))


def shaken(genotype: Any) -> Network:
    """The network with weights as after training."""
    found = build(genotype, TASK.signature).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return found


NETWORKS = {
    "chain": lambda: network("sigmoid"),
    "folded chain": lambda: network("softmax", "s2d"),
    "cells": lambda: cells("sigmoid"),
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("form", ["kernel", "feature", "static"])
def test_every_form_agrees_with_pytorch_at_every_size(tmp_path, kind, form):
    found = NETWORKS[kind]()
    card = make_card(found, name="net", stage="trained")
    if form == "feature":
        found, card = as_features(found, card)
    if form == "static":
        found, card = as_static(found, card, Pictures(), TASK)
    path = export_float(found, card, tmp_path / "net.onnx")
    assert OnnxModel.open(path).card.dynamic == form
    assert check_float(found, path).max_abs_error <= LARGEST_ERROR
    model = read_model(path)
    assert any(STATISTICS in node.output for node in model.graph.node) == (form != "static")


@pytest.mark.parametrize("form", ["kernel", "feature"])
def test_phones_take_constant_kernels_alone(tmp_path, form):
    found = network("sigmoid")
    card = make_card(found, name="net", stage="trained")
    if form == "feature":
        found, card = as_features(found, card)
    path = export_float(found, card, tmp_path / "net.onnx")
    model, card = with_shape(read_model(path), OnnxModel.open(path).card, (24, 40))
    refused = [one.refused["nnapi"] for one in check_model(model).judged if one.operator == "Conv"]
    computed = [reason for reason in refused if reason and "kernel is computed" in reason]
    assert len(computed) == (2 if form == "kernel" else 0)


@torch.no_grad()
@pytest.mark.parametrize("found", [network("sigmoid"), network("softmax"), cells("softmax")], ids=["sigmoid", "softmax", "cells"])
def test_blended_experts_equal_the_fused_kernel_and_cost_as_counted(found):
    x = torch.rand(1, 1, 360, 640)
    features, card = as_features(found, make_card(found, name="net", stage="trained"))
    small = x[..., :24, :40]
    assert (found(small) - features(small)).abs().max() < 1e-5
    assert count_macs(features, 360, 640) == card.macs_720p
    assert count_macs(found, 360, 640) < 0.75 * card.macs_720p


@torch.no_grad()
@pytest.mark.parametrize("found", [network("sigmoid"), cells("sigmoid")], ids=["chain", "cells"])
def test_fixed_coefficients_are_the_mean_and_make_a_static_member(found):
    static, card = as_static(found, make_card(found, name="net", stage="trained"), Pictures(), TASK)
    assert "dyn" not in str(static.genotype.genes())
    assert card.genotype == static.genotype.to_json()
    assert card.calibration["fixed_on"] == list(Pictures.names)
    assert not predictors(static)
    means = mean_coefficients(found, Pictures(), TASK)
    (predictor,) = predictors(found)
    predictor.forward = lambda x: [shares[None] for shares in means]
    x = torch.rand(1, 1, 24, 40)
    assert (found(x) - static(x)).abs().max() < 1e-5


@torch.no_grad()
def test_mean_coefficients_are_those_of_all_pictures():
    found, seen = network("softmax"), []
    (predictor,) = predictors(found)
    for index in range(2):
        middle = np.ascontiguousarray(Pictures().pair(index).inputs["input"][:30])
        planes = torch.from_numpy(TASK.encode("input", middle))[None]
        seen.append(predictor(found.body.stem(planes)))
    means = mean_coefficients(found, Pictures(), TASK)
    for dark, bright, mean in zip(*seen, means, strict=True):
        assert (dark - bright).abs().max() > 1e-3
        assert torch.allclose(mean, (dark[0] + bright[0]) / 2, atol=1e-6)


@pytest.mark.parametrize("scheme", [ARM, PORTABLE])
@pytest.mark.parametrize("form", ["kernel", "feature"])
def test_int8_quantizes_the_kernel_that_is_computed_and_not_what_computes_it(tmp_path, form, scheme):
    found = network("sigmoid")
    card = make_card(found, name="net", stage="trained")
    if form == "feature":
        found, card = as_features(found, card)
    path = export_float(found, card, tmp_path / "net.onnx")
    exact, model = OnnxModel.open(path), read_model(path)
    rng = np.random.default_rng(0)
    crops = [{"input": rng.random((1, 1, 48, 48)).astype(np.float32) * level} for level in (0.3, 0.6, 1.0)]
    ranges = calibrate(model, crops, scheme, 0).ranges
    small = insert_steps(model, ranges, scheme, float_part(model))
    write_model(small, card.with_(precision="int8"), tmp_path / "int8.onnx")
    graph = Graph(small)
    for node in graph.nodes:
        if node.op_type == "Conv":
            assert all(graph.maker(name).op_type == "DequantizeLinear" for name in node.input[:2])
        if node.op_type in ("Gemm", "Sigmoid", "MatMul"):
            assert not any((graph.maker(name) or node).op_type == "DequantizeLinear" for name in node.input)
    opened = OnnxModel.open(tmp_path / "int8.onnx", precise_int8=True)
    planes = {"input": crops[1]["input"][0]}
    whole, expected = opened.run(planes), exact.run(planes)
    assert np.abs(whole - expected).max() < 0.1 * np.abs(expected).max()
    means = opened.features(planes).mean((1, 2), dtype=np.float64)
    assert np.abs(opened.run(planes, means) - whole).max() < 1e-2
