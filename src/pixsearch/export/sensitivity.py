"""Which layer costs what: each one quantized alone, and all but each, scored against float on crops of held-out photos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.export.graph import Graph, lasting_names
from pixsearch.export.observe import Feeds, StateFeed
from pixsearch.export.parity import CAP_DB
from pixsearch.export.quantize import Plan
from pixsearch.export.steps import CONVOLUTIONS, QUANTIZED, insert_steps
from pixsearch.infer.ports import pad_to_multiple
from pixsearch.infer.session import open_session, session_options
from pixsearch.pixels.types import Picture
from pixsearch.tasks.base import Task

SIDE = 192
"""The largest side, in input pixels, of the crop that is scored of a photo: its middle."""

_ACTIVATIONS = ("Relu", "LeakyRelu", "PRelu", "Clip", "HardSwish", "Tanh", "Sigmoid")


@dataclass(frozen=True)
class LayerLoss:
    """What one layer costs, in dB: when it `alone` is quantized, and what is lost when it is `spared` and all others are.

    A layer is a convolution with the activation behind it, or another quantized operator. Alone it reads its inputs in 8 bits; spared, it
    gives its output to the next layer in 8 bits, as in a file where only this one stays float.
    """

    layer: str
    operators: str
    alone_db: float
    spared_db: float


@dataclass(frozen=True)
class Sensitivity:
    """The loss with all layers quantized, on the crops that were scored, and the layers in the order they are computed in."""

    loss_db: float
    crops: int
    layers: tuple[LayerLoss, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values: loss_db, crops, layers."""
        return {"loss_db": self.loss_db, "crops": self.crops, "layers": [asdict(layer) for layer in self.layers]}

    def table(self) -> str:
        """The table for a message, costliest layer first."""
        rows = [(one.layer, one.operators, f"{one.alone_db:.3f}", f"{one.spared_db:.3f}") for one in self.layers]
        rows.sort(key=lambda row: -float(row[2]))
        lines = [("layer", "operators", "alone dB", "all but it dB"), *rows]
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        written = ("  ".join((a.ljust(widths[0]), b.ljust(widths[1]), c.rjust(widths[2]), d.rjust(widths[3]))) for a, b, c, d in lines)
        head = f"Loss by layer, on the middle of {self.crops} photo{'s' * (self.crops != 1)} (all layers together {self.loss_db:.3f} dB):"
        return "\n".join([head, *(f"  {line}" for line in written)])


def measure_sensitivity(plan: Plan, card: ModelCard, pictures: PairCache, task: Task) -> Sensitivity:
    """Score `plan` layer by layer on crops of `pictures`; two graphs a layer."""
    crops = scored_crops(plan.model, card, pictures, task)
    every = {node.name for node in plan.model.graph.node}
    exact = mean_psnr(plan.model, crops, task, card)

    def loss(kept: set[str]) -> float:
        return exact - mean_psnr(insert_steps(plan.model, plan.ranges, plan.scheme, kept), crops, task, card)

    layers = []
    for layer, nodes in layers_of(plan.model, plan.kept):
        names = {node.name for node in nodes}
        operators = "+".join(node.op_type for node in nodes)
        layers.append(LayerLoss(layer, operators, alone_db=loss(every - names), spared_db=loss(plan.kept | names)))
    return Sensitivity(loss(plan.kept), len(crops), tuple(layers))


def layers_of(model: onnx.ModelProto, kept: set[str]) -> Iterator[tuple[str, list[onnx.NodeProto]]]:
    """The quantized layers of `model`: a lasting name, and the nodes."""
    graph = Graph(model)
    names = lasting_names(graph)
    taken: set[str] = set()
    for node in graph.nodes:
        if node.name in kept | taken or node.op_type not in QUANTIZED:
            continue
        nodes = [node, *_activation(graph, node, kept)]
        taken |= {one.name for one in nodes}
        yield names[node.output[0]], nodes


def _activation(graph: Graph, node: onnx.NodeProto, kept: set[str]) -> Iterable[onnx.NodeProto]:
    readers = graph.readers(node.output[0])
    alone = node.op_type in CONVOLUTIONS and len(readers) == 1 and readers[0].op_type in _ACTIVATIONS
    return readers if alone and readers[0].name not in kept else []


Crop = tuple[Feeds, tuple[int, int], Picture]
"""What a network takes, the sides that count of its output, and the truth."""


def scored_crops(model: onnx.ModelProto, card: ModelCard, pictures: PairCache, task: Task) -> list[Crop]:
    """The middle of each picture; states are those of `model`."""
    states, crops = StateFeed(model, card), []
    for index in range(len(pictures)):
        pair = pictures.pair(index)
        height, width = next(iter(pair.inputs.values())).shape[:2]
        top, left = max(0, height - SIDE) // 2, max(0, width - SIDE) // 2
        height, width = min(height, SIDE), min(width, SIDE)
        feeds = {}
        for name, picture in pair.inputs.items():
            planes = task.encode(name, np.ascontiguousarray(picture[top : top + height, left : left + width]))
            feeds[name] = pad_to_multiple(planes, card.multiple)[np.newaxis]
        s = card.signature.scale
        truth = pair.truth[top * s : (top + height) * s, left * s : (left + width) * s]
        crops.append((states.fed(feeds, follows=pair.follows), (height * s, width * s), np.ascontiguousarray(truth)))
    return crops


def mean_psnr(model: onnx.ModelProto, crops: Sequence[Crop], task: Task, card: ModelCard) -> float:
    """The task's PSNR in dB, the mean over `crops`."""
    session = open_session(model.SerializeToString(), session_options(precise_int8=True))
    scores = []
    for feeds, (height, width), truth in crops:
        output = session.run([card.signature.output.name], feeds)[0][0, :, :height, :width]
        scores.append(min(task.score(output, truth).psnr_db, CAP_DB))
    return float(np.mean(scores))
