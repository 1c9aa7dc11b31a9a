"""Weights that suit a mixture: each layer fitted to its inputs as that mixture rounds them, every case once."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import onnx

from pixsearch.bits.formats import Mixture
from pixsearch.bits.graph import mixed
from pixsearch.bits.layers import LayerNodes, widths
from pixsearch.export.graph import Constant, Graph
from pixsearch.export.observe import Feeds
from pixsearch.export.quantize import Plan
from pixsearch.export.refit import refit_layer, takes_part

QUICK_PLACES = 12_000
"""Pixels a layer is fitted on while mixtures are compared; the chosen one is fitted on as many as in any export."""

Case = tuple[str, int, tuple[tuple[str, int | None], ...], tuple[tuple[str, bool], ...], bool]
"""A layer, pixels, the tensors before it with their bits, and whether weights are rounded: those of convolutions before it, and its own."""


class Weights:
    """Fitted weights of `plan`'s layers, by what they read; layers that read nothing rounded keep theirs.

    Float layers take part: they can undo a part of what was rounded before them. Without `crops`, for a model that was trained for int8,
    all weights stay as they are.
    """

    def __init__(self, plan: Plan, layers: Sequence[LayerNodes], crops: Sequence[Feeds], seed: int) -> None:
        self._plan, self._layers, self._crops, self._seed = plan, layers, crops, seed
        self._known: dict[Case, list[Constant] | None] = {}

    def fitted(self, mixture: Mixture, places: int = QUICK_PLACES) -> onnx.ModelProto:
        """The float graph with the weights for `mixture`, each fitted on `places` pixels."""
        model = copy.deepcopy(self._plan.model)
        graph = Graph(model)
        for node in graph.nodes if self._crops else ():
            if node.name in self._plan.kept or not takes_part(graph, node) or not (case := self._case(graph, node, mixture, places)):
                continue
            if case not in self._known:
                rounded = mixed(self._plan, self._layers, self._read_alike(node, mixture), model)
                scheme = self._plan.scheme if case[-1] else None
                done = refit_layer(graph, node, rounded, self._plan.model, self._crops, scheme, self._seed, places)
                self._known[case] = [graph.constant(name) for name in node.input[1:]] if done else None
            for name, values in zip(node.input[1:], self._known[case] or [], strict=False):
                graph.replace(name, values)
        return model

    def _read_alike(self, node: onnx.NodeProto, mixture: Mixture) -> Mixture:
        """The mixture with a node of that name in it: `int8` reads what `int32` reads."""
        own = [one.nodes[0].name == node.name and chosen == "int32" for one, chosen in zip(self._layers, mixture, strict=True)]
        return tuple("int8" if here else chosen for here, chosen in zip(own, mixture, strict=True))

    def _case(self, graph: Graph, node: onnx.NodeProto, mixture: Mixture, places: int) -> Case | None:
        """What the node reads; None where nothing of it is rounded."""
        bits = widths(graph.model, self._layers, mixture)
        before = list(graph.upstream(node.input[0]))
        formats = {one.nodes[0].name: chosen for one, chosen in zip(self._layers, mixture, strict=True)}
        tensors = {name for one in before for name in (*one.output, *graph.flowing(one))} | {node.input[0]}
        read = tuple(sorted((name, bits[name]) for name in tensors))
        weights = tuple((one.name, formats.get(one.name, "float") != "float") for one in before if one.op_type == "Conv")
        if not any(wide for _, wide in read) and not any(rounded for _, rounded in weights):
            return None
        return node.name, places, read, weights, formats.get(node.name, "float") != "float"
