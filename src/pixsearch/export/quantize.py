"""Static int8 in the QDQ form, in a scheme, by measured ranges or by those a model was trained in.

What it cost a briefly trained plain-m4c16 on Set5 in the scheme `arm`, against float: 0.23 dB by ranges that hold everything;
0.15 by ranges of least error; 0.08 when the global skip stays float as well (it carries the picture itself, and an input
rounded to 8 bits again is seen). Equalizing the channels before takes 0.00 to 0.02 more off. Correcting the biases, or
searching ranges by the network's output, gave nothing beyond. After a long training it costs more: benchmarks/README.md (f).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.errors import DataError
from pixsearch.export.config import ExportConfig
from pixsearch.export.equalize import equalize
from pixsearch.export.graph import Graph, lasting_names, with_own_weights
from pixsearch.export.observe import choose_crops, histograms
from pixsearch.export.onnx import read_model, write_model
from pixsearch.export.ranges import Range, best_ranges
from pixsearch.export.scheme import Scheme, choose_scheme, trained_scheme
from pixsearch.tasks.base import Task

CONVOLUTIONS = ("Conv", "ConvTranspose")
_ACTIVATIONS = ("Relu", "LeakyRelu", "Clip")
_OTHERS = ("Add", "Mul", "Concat", "Split", "Gather", "Pad", "DepthToSpace")
QUANTIZED = (*CONVOLUTIONS, *_ACTIVATIONS, *_OTHERS)
"""Operators that ONNX Runtime has for 8 bits. Others between them compute in float, from 8 bits to 8 bits.

AveragePool is left out: in 8 bits its output has the steps of its input, so that every fourth mean of four lies half-way between two of
them, and runtimes round it this way or that.
"""

_SHUFFLES = frozenset({"DepthToSpace", "Clip", "Identity"})
_LINEAR = frozenset({"Concat", "Conv", "Gather", "Identity", "Pad", "SpaceToDepth", "Split"})


def quantize(float_path: Path, card: ModelCard, calibration: PairCache, task: Task, out_path: Path, config: ExportConfig) -> Path:
    """Write the float model at `float_path` as int8 to `out_path`, its ranges taken from `calibration` or, trained for int8, its own.

    The card's `calibration` says from what and how. `UsageError` for another scheme than it was trained in, `DataError` when
    its own ranges are not those of its graph.
    """
    scheme = choose_scheme(card, config.scheme)
    model = read_model(float_path)
    if trained_scheme(card) is None:
        ranges, record = _calibrated(model, card, calibration, task, config.seed)
    else:
        ranges, record = recorded_ranges(model, card), card.calibration
    kept = float_part(model)
    record = {
        **record,
        "scheme": scheme.name,
        "format": scheme.format,
        "float_operators": [node.op_type for node in model.graph.node if node.name in kept],
    }
    quantized = insert_steps(model, ranges, scheme, kept)
    write_model(quantized, card.with_(precision="int8", calibration=record), out_path)
    return out_path


def _calibrated(
    model: onnx.ModelProto, card: ModelCard, calibration: PairCache, task: Task, seed: int
) -> tuple[dict[str, Range], dict[str, Any]]:
    """Ranges of least error, after equalizing the channels of `model` in place, and what the card says of it."""
    crops = choose_crops(model, card, task, calibration, seed)
    equalized = equalize(model, crops)
    ranges = best_ranges(model, histograms(model, crops))
    return ranges, {"photos": list(calibration.names), "crops": len(crops), "seed": seed, "equalized_layers": equalized}


def recorded_ranges(model: onnx.ModelProto, card: ModelCard) -> dict[str, Range]:
    """The ranges a model was trained in, by the names that tensors have in `model`; `DataError` when they are of another graph."""
    recorded = card.calibration["ranges"]
    ranges = {name: recorded[own] for name, own in lasting_names(Graph(model)).items() if own in recorded}
    if len(ranges) != len(recorded):
        raise DataError(f"The ranges on the card of `{card.label}` are not those of its network. Train it for int8 again.")
    return {name: (float(low), float(high)) for name, (low, high) in ranges.items()}


def float_part(model: onnx.ModelProto) -> set[str]:
    """The names of the nodes that stay float: the global skip, the addition it ends in, and what only reorders behind that.

    Without a global skip nothing does.
    """
    graph = Graph(model)
    behind, end = [], graph.maker(graph.output)
    while end is not None and end.op_type in _SHUFFLES:
        behind.append(end.name)
        end = graph.maker(end.input[0])
    if end is None or end.op_type != "Add":
        return set()
    branches = [list(graph.upstream(tensor)) for tensor in graph.flowing(end)]
    skips = [branch for branch in branches if all(node.op_type in _LINEAR for node in branch)]
    if len(branches) != 2 or len(skips) != 1:
        return set()
    return {end.name, *behind, *(node.name for node in skips[0])}


def insert_steps(model: onnx.ModelProto, ranges: Mapping[str, Range], scheme: Scheme, kept: Iterable[str] = ()) -> onnx.ModelProto:
    """`model` with quantize and dequantize nodes of `scheme` around all operators of `QUANTIZED` but the nodes called `kept`.

    `ranges` may leave out tensors that are not rounded; `DataError` when one that is has none.
    """
    kept = set(kept)
    none = dict.fromkeys(Graph(model).activations(), (0.0, 0.0))  # the quantizer asks for a range even where it rounds nothing
    spans: Any = {name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in {**none, **ranges}.items()}
    quantizer = QDQQuantizer(
        with_own_weights(model),
        per_channel=scheme.per_channel,
        reduce_range=False,
        weight_qType=QuantType.QInt8 if scheme.signed_weights else QuantType.QUInt8,
        activation_qType=QuantType.QInt8 if scheme.signed_activations else QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, spans),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(kept),
        op_types_to_quantize=QUANTIZED,
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    _check_ranges(quantized, ranges)
    floats = {port.name for port in model.graph.input} | {name for node in model.graph.node if node.name in kept for name in node.output}
    _read_floats(quantized, kept, floats)
    return quantized


def _check_ranges(quantized: onnx.ModelProto, ranges: Mapping[str, Range]) -> None:
    rounded = [node.input[1].removesuffix("_scale") for node in quantized.graph.node if node.op_type == "QuantizeLinear"]
    lacking = [name for name in rounded if name not in ranges]
    if lacking:
        raise DataError(f"There is no range for the tensor `{lacking[0]}`. Train the model for int8 again, or export one that was not.")


def _read_floats(quantized: onnx.ModelProto, kept: set[str], floats: set[str]) -> None:
    """Let the nodes called `kept` read the tensors `floats` themselves, not their 8-bit copies."""
    makers = {name: node for node in quantized.graph.node for name in node.output}

    def source(tensor: str) -> str:
        pair = makers.get(tensor)
        if pair is None or pair.op_type != "DequantizeLinear":
            return tensor
        rounding = makers.get(pair.input[0])
        return rounding.input[0] if rounding is not None and rounding.input[0] in floats else tensor

    for node in quantized.graph.node:
        if node.name in kept:
            node.input[:] = [source(tensor) for tensor in node.input]
