"""Static int8 in the QDQ form, in a scheme, by measured ranges or by those a model was trained in.

What it cost a briefly trained plain-m4c16 on Set5 in the scheme `arm`, against float: 0.23 dB by ranges that hold everything;
0.15 by ranges of least error; 0.08 when the global skip stays float as well (it carries the picture itself, and an input
rounded to 8 bits again is seen). After longer trainings it costs more, and equalized channels with weights fitted to their rounded
inputs take half of it off: 0.32 dB become 0.17 after 270,000 steps. Correcting only the biases, or searching ranges by the
network's output, gave nothing beyond. The figures as they are now: benchmarks/README.md, training for int8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import onnx

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.errors import DataError
from pixsearch.export.config import ExportConfig
from pixsearch.export.equalize import equalize
from pixsearch.export.graph import Graph, lasting_names
from pixsearch.export.observe import Feeds, choose_crops, histograms
from pixsearch.export.onnx import read_model, write_model
from pixsearch.export.ranges import Range, best_ranges
from pixsearch.export.refit import refit
from pixsearch.export.scheme import A16W8, Scheme, choose_scheme, trained_scheme
from pixsearch.export.steps import float_part, insert_steps
from pixsearch.tasks.base import Task


def quantize(
    float_path: Path,
    card: ModelCard,
    calibration: PairCache,
    task: Task,
    out_path: Path,
    config: ExportConfig,
    precision: str = "int8",
    *,
    fitted: bool = True,
) -> Path:
    """Write the float model at `float_path` as int8 to `out_path`, its ranges taken from `calibration` or, trained for int8, its own.

    The card's `calibration` says from what and how. The other `precision` is `a16w8`, whose activations have 16 bits. `UsageError`
    for another scheme than it was trained in, `DataError` when its own ranges are not those of its graph. Where the file is only to be
    timed, weights need not be `fitted` to their rounded inputs, which takes seconds.
    """
    plan = plan_of(float_path, card, calibration, task, config, precision, fitted=fitted)
    write_model(quantized(plan), card.with_(precision=precision, calibration=plan.record), out_path)
    return out_path


@dataclass(frozen=True)
class Plan:
    """What a quantized model is made from: the float graph, its ranges, the nodes that stay float, and what the card will say."""

    model: onnx.ModelProto
    ranges: dict[str, Range]
    scheme: Scheme
    kept: set[str]
    record: dict[str, Any]


def quantized(plan: Plan) -> onnx.ModelProto:
    """The quantized graph of `plan`."""
    return insert_steps(plan.model, plan.ranges, plan.scheme, plan.kept)


def plan_of(
    float_path: Path,
    card: ModelCard,
    calibration: PairCache,
    task: Task,
    config: ExportConfig,
    precision: str = "int8",
    *,
    fitted: bool = True,
) -> Plan:
    """The plan that `quantize` follows; it raises the same."""
    scheme = A16W8 if precision == "a16w8" else choose_scheme(card, config.scheme)
    model = read_model(float_path)
    if trained_scheme(card) is None:
        crops = choose_crops(model, card, task, calibration, config.seed)
        ranges, equalized, refitted = calibrate(model, crops, scheme, config.seed, fitted=fitted)
        record: dict[str, Any] = {"photos": list(calibration.names), "crops": len(crops), "seed": config.seed}
        record |= {"equalized_layers": equalized, "refitted_layers": refitted}
    else:
        ranges, record = recorded_ranges(model, card), card.calibration
    kept = float_part(model)
    floats = [node.op_type for node in model.graph.node if node.name in kept]
    return Plan(model, ranges, scheme, kept, {**record, "scheme": scheme.name, "format": scheme.format, "float_operators": floats})


class Calibrated(NamedTuple):
    """The ranges of a graph's activations, and how many layers were equalized and refitted on the way."""

    ranges: dict[str, Range]
    equalized: int
    refitted: int


def calibrate(model: onnx.ModelProto, crops: Sequence[Feeds], scheme: Scheme, seed: int, *, fitted: bool = True) -> Calibrated:
    """Make `model` ready to be rounded, in place, by what flows through it on `crops`.

    Its channels are equalized, the ranges of least error taken, and, when `fitted`, the weights fitted to what is rounded in those.
    """
    equalized = equalize(model, crops)
    ranges = best_ranges(model, histograms(model, crops), scheme.steps)
    refitted = refit(model, crops, ranges, scheme, float_part(model), seed) if fitted else 0
    return Calibrated(ranges, equalized, refitted)


def recorded_ranges(model: onnx.ModelProto, card: ModelCard) -> dict[str, Range]:
    """The ranges a model was trained in, by the names that tensors have in `model`; `DataError` when they are of another graph."""
    recorded = card.calibration["ranges"]
    ranges = {name: recorded[own] for name, own in lasting_names(Graph(model)).items() if own in recorded}
    if len(ranges) != len(recorded):
        raise DataError(f"The ranges on the card of `{card.label}` are not those of its network. Train it for int8 again.")
    return {name: (float(low), float(high)) for name, (low, high) in ranges.items()}
