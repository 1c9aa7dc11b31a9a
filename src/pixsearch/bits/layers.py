"""The layers of a plan, and by their formats how wide each tensor between them is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from pixsearch.bits.formats import BITS, EVERY, Format, Mixture
from pixsearch.export.graph import Graph
from pixsearch.export.quantize import Plan
from pixsearch.export.sensitivity import layers_of


@dataclass(frozen=True)
class LayerNodes:
    """One layer: its lasting name, its nodes (an operator and perhaps the activation behind it), and the formats it can have."""

    name: str
    nodes: tuple[onnx.NodeProto, ...]
    choices: tuple[Format, ...]

    @property
    def operators(self) -> str:
        """`Conv+LeakyRelu`."""
        return "+".join(node.op_type for node in self.nodes)


def layers_in(plan: Plan, allowed: Sequence[Format] = EVERY) -> list[LayerNodes]:
    """The layers of a plan that are quantized; `int32` is for convolutions whose weights are constants."""
    graph = Graph(plan.model)
    layers = []
    for name, nodes in layers_of(plan.model, plan.kept):
        summed = nodes[0].op_type == "Conv" and all(graph.is_constant(tensor) for tensor in nodes[0].input[1:])
        layers.append(LayerNodes(name, tuple(nodes), tuple(one for one in allowed if one != "int32" or summed)))
    return layers


def widths(model: onnx.ModelProto, layers: Sequence[LayerNodes], mixture: Mixture) -> dict[str, int | None]:
    """The bits that each activation of the float graph is rounded to; None for what stays float."""
    gives: dict[str, int | None] = {}
    takes: dict[str, list[int | None]] = {}
    for layer, chosen in zip(layers, mixture, strict=True):
        taken, given = BITS[chosen]
        for place, node in enumerate(layer.nodes):
            gives |= dict.fromkeys(node.output, given)
            for tensor in node.input:
                takes.setdefault(tensor, []).append(taken if place == 0 else given)
    return {tensor: _fewest([gives.get(tensor), *takes.get(tensor, [])]) for tensor in Graph(model).activations()}


def _fewest(asked: Sequence[int | None]) -> int | None:
    return min((bits for bits in asked if bits is not None), default=None)


def described(layers: Sequence[LayerNodes], mixture: Mixture) -> dict[str, str]:
    """The format by layer, for records."""
    return {layer.name: chosen for layer, chosen in zip(layers, mixture, strict=True)}
