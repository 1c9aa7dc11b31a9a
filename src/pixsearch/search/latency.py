"""The latency of a candidate: summed up from the table of operators on a modelled target, measured on the exported file elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pixsearch.bench.measure import measure_latency
from pixsearch.bench.modelled.costs import CostTable
from pixsearch.bench.modelled.estimate import PRICED, Estimate, estimate
from pixsearch.bench.modelled.operators import UnpricedError
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Target, open_target
from pixsearch.card import ModelCard
from pixsearch.data.progress import Note, silent
from pixsearch.export.graph import Graph
from pixsearch.export.onnx import export_float, read_model
from pixsearch.export.ranges import Range
from pixsearch.export.scheme import choose_scheme
from pixsearch.export.sketch import sketch
from pixsearch.export.steps import float_part, insert_steps
from pixsearch.export.subpixels import subpixels_first
from pixsearch.nn.build import Network
from pixsearch.search.objectives import Objective

Write = Callable[[Path], Path]
"""Writes a candidate's exported file into a folder."""

_NOMINAL = {"Relu": (0.0, 1.0), "Clip": (0.0, 1.0)}
_SPAN = (-1.0, 0.9)


_listeners: list[Note] = [silent]


@contextmanager
def telling(note: Note) -> Iterator[None]:
    """While it lasts, `note` hears how the table of operators' costs is filled in this process."""
    _listeners.append(note)
    try:
        yield
    finally:
        _listeners.pop()


def require_targets(objectives: Iterable[Objective]) -> None:
    """Raise what would keep every candidate's latency from being taken: a target's missing tools, or more threads than it has."""
    for spec in (objective.latency for objective in objectives):
        if spec is not None:
            target_named(spec.target).require(spec.threads)


def latency_of(network: Network, card: ModelCard, spec: LatencySpec, write: Write) -> float:
    """Milliseconds of one frame through the deploy form `network`.

    On a modelled target they are summed up over the operators that its exported graph becomes there; where these cannot be priced, and on
    every other target, the file that `write` gives is run there.
    """
    target = target_named(spec.target)
    if isinstance(target, Arm64Target) and spec.precision in PRICED:
        try:
            return price(network, card, spec).latency_ms
        except UnpricedError:
            pass  # the whole network is emulated
    with TemporaryDirectory(prefix="pixsearch-") as folder:
        return measure_latency(write(Path(folder)), spec, target)


def price(network: Network, card: ModelCard, spec: LatencySpec) -> Estimate:
    """The estimate for the deploy form `network` on a modelled target, with what it rests on; `UnpricedError` where there is none."""
    table = _table(spec.target)
    table.note = _listeners[-1]
    try:
        return estimate(graph_of(network, card, spec.precision), card.with_(precision=spec.precision), spec, table)
    finally:
        table.close_emulator()  # it would sit there while candidates are trained


def graph_of(network: Network, card: ModelCard, precision: str) -> onnx.ModelProto:
    """The graph that export would write, `float` or `int8` in the default scheme; ranges and steps are nominal, for they cost nothing."""
    model = sketch(network) or _exported(network, card)
    subpixels_first(model)
    if precision == "float":
        return model
    scheme = choose_scheme(card, None)
    rounded = insert_steps(model, _nominal_ranges(model), replace(scheme, per_channel=False), float_part(model))
    return _by_channel(rounded) if scheme.per_channel else rounded


def _by_channel(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with a step for each channel of its weights and biases, all alike: taking real ones is most of what quantization takes."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    readers = {name: node.op_type for node in model.graph.node for name in node.input}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        dims = constants[node.input[0]].dims
        axis = 1 if len(dims) > 1 and readers.get(node.output[0]) == "ConvTranspose" else 0
        node.attribute.append(helper.make_attribute("axis", axis))
        for name in node.input[1:]:
            step = numpy_helper.to_array(constants[name])
            constants[name].CopyFrom(numpy_helper.from_array(np.full(dims[axis], step.flat[0], step.dtype), name))
    return model


def _exported(network: Network, card: ModelCard) -> onnx.ModelProto:
    with TemporaryDirectory(prefix="pixsearch-") as folder:
        return read_model(export_float(network, card, Path(folder) / "float.onnx"))


def _nominal_ranges(model: onnx.ModelProto) -> dict[str, Range]:
    """A range for every activation that its operator could have: rounding of what is never negative is another operator's work."""
    graph = Graph(model)
    makers = {name: graph.maker(name) for name in graph.activations()}
    return {name: _SPAN if node is None else _NOMINAL.get(node.op_type, _SPAN) for name, node in makers.items()}


@lru_cache(maxsize=8)
def target_named(name: str) -> Target:
    """The target, opened once a process."""
    return open_target(name)


@lru_cache(maxsize=8)
def _table(name: str) -> CostTable:
    target = target_named(name)
    assert isinstance(target, Arm64Target)
    return CostTable(target)
