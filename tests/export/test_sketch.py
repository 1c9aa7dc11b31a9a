"""A sketch is the exported graph: the same operators on the same shapes once ONNX Runtime has fused them, in float and in 8 bits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from pixsearch.bench.modelled.operators import ArmGraph
from pixsearch.export.graph import Graph
from pixsearch.export.onnx import export_float, read_model
from pixsearch.export.scheme import ARM
from pixsearch.export.sketch import sketch
from pixsearch.export.steps import float_part, insert_steps
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.registry import SPACES
from pixsearch.rng import stream
from pixsearch.tasks.base import Task, make_task
from pixsearch.tasks.config import TaskConfig

SPAN = (-1.0, 0.9)


def member(task: Task, number: int, space: str = "mobile") -> Network:
    """A random member as it is once it was trained: no bias is zero, which the exporter would leave out."""
    genotype = SPACES.load(space)(task.signature).sample(stream(number, "sketch"))
    network = deploy(build(genotype, task.signature))
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.uniform_(parameter, 0.1, 0.2)
    return network


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(operator.key for operator in ArmGraph(model).operators(8, 32))


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    return insert_steps(model, dict.fromkeys(Graph(model).activations(), SPAN), ARM, float_part(model))


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("color", ["y", "rgb"])
def test_a_member_of_mobile_is_drawn_as_it_is_exported(number: int, color: str, tmp_path: Path) -> None:
    network = member(make_task("sr", 2, color), number)
    exported = read_model(export_float(network, make_card(network, name="m", stage="trained", training={}), tmp_path / "m.onnx"))
    drawn = sketch(network)
    assert drawn is not None
    onnx.checker.check_model(drawn)
    assert operators(drawn) == operators(exported)
    assert operators(rounded(drawn)) == operators(rounded(exported))


@pytest.mark.parametrize(("task", "settings"), [("jdd", {}), ("denoise", {"level": True, "sigma": "5-50"}), ("enhance", {})])
def test_other_tasks_are_drawn_right_or_not_at_all(task: str, settings: dict[str, object], tmp_path: Path) -> None:
    network = member(TaskConfig.model_validate({"name": task, **settings}).make(), 1)
    drawn = sketch(network)
    if drawn is not None:
        exported = export_float(network, make_card(network, name="m", stage="trained", training={}), tmp_path / "m.onnx")
        assert operators(drawn) == operators(read_model(exported))


def test_what_is_not_known_is_not_drawn() -> None:
    task = make_task("sr", 2, "y")
    assert sketch(member(task, 0, "erdb")) is None
    network = member(task, 0)
    network.body.layers[0] = nn.Sequential(network.body.layers[0], nn.GELU())
    assert sketch(network) is None
    assert torch.isfinite(network(torch.zeros(1, 1, 8, 8))).all()
