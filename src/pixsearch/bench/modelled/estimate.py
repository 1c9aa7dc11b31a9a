"""The latency of a whole model on an emulated core, summed up from the table of its operators' costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from pixsearch.bench.measure import frame_size
from pixsearch.bench.modelled.costs import CostTable, Frames
from pixsearch.bench.modelled.operators import ArmGraph, Operator, UnpricedError
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.card import ModelCard
from pixsearch.data.progress import Progress

PRICED = ("float", "int8", "mixed")
"""The precisions whose graph on Arm is known here; in others a model is emulated as a whole."""


@dataclass(frozen=True)
class Estimate:
    """Modelled cycles of one frame, milliseconds on the target, and how many of its operators had to be emulated for it.

    `floor_ms` is what moving the activations to and from memory takes at its peak rate, 0 for a bare core. `by_operator` shares the
    cycles out.
    """

    latency_ms: float
    cycles: float
    floor_ms: float
    emulated: int
    by_operator: dict[str, float]


def estimate(model: onnx.ModelProto, card: ModelCard, spec: LatencySpec, table: CostTable) -> Estimate:
    """What one frame of `spec`'s size takes through `model` on the table's target.

    `table.note` hears of `preparing` while operators that are not in the table are emulated. `UnpricedError` for a precision whose graph
    on Arm is not known, for a model that takes one shape alone, and for an operator that cannot be emulated by itself.
    """
    if spec.precision not in PRICED:
        raise UnpricedError(f"What ONNX Runtime makes of a model in {spec.precision} on Arm is not known here.")
    height, width = frame_size(card, spec)
    graph, frames = ArmGraph(model, card.multiple), Frames.under(width, card.multiple)
    operators, emulated = graph.operators(frames.low, width), 0
    higher: list[Operator] = []
    unknown = {operator.key for operator in operators if table.look_up(operator.key) is None}
    progress = Progress(table.note, f"operators emulated on {table.target.core.design}", len(unknown))
    costs = defaultdict[str, float](float, run=table.bare())
    for place, operator in enumerate(operators):
        known = table.look_up(operator.key)
        if known is None:
            higher = higher or graph.operators(frames.high, width)
            known, emulated = table.fill(operator.key, operator, higher[place]), emulated + 1
            progress.advance()
        costs[operator.kind] += frames.at(height, *known)
    cycles = sum(costs.values())
    floor_ms = _floor_ms(operators, height / frames.low, table.target)
    target = table.target
    latency_ms = max(cycles / target.clock_ghz / 1e6 * (target.device.scale if target.device else 1.0), floor_ms)
    return Estimate(latency_ms, cycles, floor_ms, emulated, dict(costs))


def _floor_ms(operators: Sequence[Operator], taller: float, target: Arm64Target) -> float:
    """Each activation that the last-level cache cannot hold is fetched by its reader, and fetched and written back by its writer."""
    if target.device is None:
        return 0.0
    moved = 0.0
    for operator in operators:
        for times, tensors in ((1, operator.inputs.values()), (2, operator.outputs)):
            moved += sum(times * tensor.bytes * taller for tensor in tensors if tensor.bytes * taller > target.cache_bytes)
    return moved / (target.device.memory_gb_per_s * 1e6)
