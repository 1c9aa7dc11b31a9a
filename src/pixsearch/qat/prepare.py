"""From a trained network to its simulation in int8, prepared as export prepares it: equalized, with ranges of least error."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.errors import DataError, UsageError
from pixsearch.export.graph import Graph, lasting_names
from pixsearch.export.observe import choose_crops
from pixsearch.export.onnx import export_float, read_model
from pixsearch.export.quantize import calibrate, recorded_ranges
from pixsearch.export.ranges import Range
from pixsearch.export.scheme import Scheme, trained_scheme
from pixsearch.export.steps import CONVOLUTIONS, float_part, insert_steps
from pixsearch.nn.build import Network, deploy
from pixsearch.nn.dynamic import predictors
from pixsearch.qat.simulated import Simulated
from pixsearch.tasks.base import Task


@dataclass(frozen=True)
class Prepared:
    """A network that computes as int8 would, the lasting names of its rounded tensors, and how many layers were equalized."""

    network: Network
    names: Mapping[str, str]
    equalized: int


def prepare(network: Network, card: ModelCard, pictures: PairCache, task: Task, scheme: Scheme, *, seed: int, learned: bool) -> Prepared:
    """`network` in its deploy form, computing as its int8 file would that export makes with ranges from `pictures`.

    A model that was trained for int8 before keeps its ranges, and its channels as they are. Raises `DataError` when
    weights are not numbers, `UsageError` for networks that cannot be trained so.
    """
    plain = deploy(network)
    if predictors(plain):
        raise UsageError(
            f"`{card.label}` has kernels that adapt to the picture, which cannot be trained for int8. Export it with `--int8` as it is."
        )
    check_finite(plain)
    with tempfile.TemporaryDirectory() as folder:
        model = read_model(export_float(plain, card, Path(folder) / "float.onnx"))
    add_missing_biases(model, plain)
    weights = weights_of(model, plain)
    if trained_scheme(card) is not None:
        equalized, ranges = int(card.calibration["equalized_layers"]), recorded_ranges(model, card)
    else:
        crops = choose_crops(model, card, task, pictures, seed)
        ranges, equalized, _ = calibrate(model, crops, scheme, seed)
        take_over(model, weights)
    graph = insert_steps(model, ranges, scheme, float_part(model)).graph
    body = Simulated(plain.body, graph, weights, ranges, scheme, learned=learned)
    lasting = lasting_names(Graph(model))
    return Prepared(Network(body, plain.genotype, plain.signature, "none"), {name: lasting[name] for name in body.ranges}, equalized)


def check_finite(network: nn.Module) -> None:
    """`DataError` naming the first weight that holds something else than numbers."""
    for name, value in network.named_parameters():
        if not value.isfinite().all():
            raise DataError(f"The model's weight `{name}` holds values that are no numbers, so it cannot be trained on. Train it anew.")


def add_missing_biases(model: onnx.ModelProto, network: nn.Module) -> None:
    """Give convolutions back the biases that the exporter leaves out when they are zero, so that training can move them."""
    shapes = {name: value.shape for name, value in network.named_parameters()}
    for node in model.graph.node:
        bias = node.input[1].removesuffix(".weight") + ".bias" if node.op_type in CONVOLUTIONS else ""
        if len(node.input) == 2 and bias in shapes:
            node.input.append(bias)
        if len(node.input) == 3 and bias in shapes and bias not in {tensor.name for tensor in model.graph.initializer}:
            model.graph.initializer.append(numpy_helper.from_array(np.zeros(shapes[bias], np.float32), bias))


def weights_of(model: onnx.ModelProto, network: nn.Module) -> dict[str, nn.Parameter]:
    """The network's weights by the names that the graph's constants have.

    The exporter keeps names but for slopes of PReLUs, which it reshapes and shares where they are equal; they get constants of
    their own here, called as in the network.
    """
    weights = dict(network.named_parameters())
    slopes = [f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.PReLU)]
    readers = [node for node in model.graph.node if node.op_type == "PRelu"]
    for name, node in zip(slopes, readers, strict=True):
        node.input[1] = name
        values = weights[name].detach().cpu().numpy().reshape(-1, 1, 1)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    lost = weights.keys() - {tensor.name for tensor in model.graph.initializer}
    if lost:
        raise RuntimeError(f"The exporter has renamed the weight `{min(lost)}`.")
    return weights


@torch.no_grad()
def take_over(model: onnx.ModelProto, weights: Mapping[str, nn.Parameter]) -> None:
    """Copy the graph's constants into the weights."""
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            weight = weights[tensor.name]
            weight.copy_(torch.from_numpy(numpy_helper.to_array(tensor).copy()).view(weight.shape))


def without_rounding(network: Network) -> Network:
    """The float network whose weights a prepared one has."""
    assert isinstance(network.body, Simulated)
    return Network(copy.deepcopy(network.body.plain), network.genotype, network.signature, "none")


@torch.no_grad()
def ends(network: Network) -> dict[str, Range]:
    """The range of every rounded activation of a prepared network, by tensor, as it is now."""
    assert isinstance(network.body, Simulated)
    found = {name: module.ends() for name, module in network.body.ranges.items()}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}
