"""Layer by layer: a layer that is bad in 8 bits stands out, and sparing it takes the loss away."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from onnx import numpy_helper

from pixsearch.export.config import ExportConfig
from pixsearch.export.graph import Graph
from pixsearch.export.onnx import export_float
from pixsearch.export.quantize import plan_of
from pixsearch.export.sensitivity import layers_of, measure_sensitivity


@pytest.fixture(scope="module")
def plan(trained, task, pictures, tmp_path_factory):
    network, card = trained
    path = export_float(network, card, tmp_path_factory.mktemp("plan") / "a.onnx")
    return plan_of(path, card, pictures, task, ExportConfig(int8=True, scheme="portable"))


def test_every_quantized_node_stands_in_one_layer(plan):
    layers = list(layers_of(plan.model, plan.kept))
    assert [name for name, _ in layers] == ["body.layers.0.0", "body.layers.1.0", "body.layers.2.0", "body.tail"]
    nodes = [node.name for _, nodes in layers for node in nodes]
    assert len(nodes) == len(set(nodes)) == len(plan.model.graph.node) - len(plan.kept)


def test_a_spoilt_layer_stands_out(plan, trained, task, pictures):
    before = measure_sensitivity(plan, trained[1], pictures, task)
    assert all(abs(layer.alone_db) < 0.3 for layer in before.layers)
    model = copy.deepcopy(plan.model)
    graph = Graph(model)
    second, third = [node.input[1] for node in graph.nodes if node.op_type == "Conv"][1:3]
    loud, deaf = graph.constant(second), graph.constant(third)
    loud[0] *= 300  # one step for the whole kernel is too wide for the other channels then
    deaf[:, 0] = 0
    graph.replace(second, loud)
    graph.replace(third, deaf)
    found = measure_sensitivity(replace(plan, model=model), trained[1], pictures, task)
    worst = max(found.layers, key=lambda layer: layer.alone_db)
    assert (worst.layer, worst.operators) == ("body.layers.1.0", "Conv+LeakyRelu")
    assert worst.alone_db > 0.5 * found.loss_db > 0.2
    assert min(found.layers, key=lambda layer: layer.spared_db) == worst
    assert worst.spared_db < 0.5 * found.loss_db
    lines = found.table().splitlines()
    assert lines[2].split()[:2] == ["body.layers.1.0", "Conv+LeakyRelu"]
    assert len(lines) == 2 + len(found.layers)
    assert found.crops == len(pictures)


def test_it_leaves_the_graph_as_it_was(plan, trained, task, pictures):
    before = plan.model.SerializeToString()
    measure_sensitivity(plan, trained[1], pictures, task)
    assert plan.model.SerializeToString() == before
    assert np.isfinite([numpy_helper.to_array(tensor).sum() for tensor in plan.model.graph.initializer]).all()
