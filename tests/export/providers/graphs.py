"""Exported graphs of every format and of one size, quantized with ranges from noise: what providers say does not depend on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx

from pixsearch.export.half import to_half
from pixsearch.export.observe import histograms
from pixsearch.export.onnx import export_float, read_model
from pixsearch.export.ports import with_shape, with_uint8_ports
from pixsearch.export.ranges import best_ranges
from pixsearch.export.scheme import A16W8
from pixsearch.export.steps import float_part, insert_steps
from pixsearch.export.subpixels import subpixels_first
from pixsearch.registry import SCHEMES

SHAPE = (36, 48)


def layer(op: str, act: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "act": act, "width": 6, **more}


NETWORKS: dict[str, tuple[Any, str]] = {
    "relu": ({"layers": [layer("conv3", "relu")]}, "y"),
    "leaky": ({"layers": [layer("conv3", "leaky")]}, "y"),
    "prelu": ({"layers": [layer("conv3", "prelu")]}, "y"),
    "hardswish": ({"layers": [layer("conv3", "hardswish")]}, "y"),
    "depthwise": ({"layers": [layer("dw3", "relu"), layer("dw3", "relu")]}, "y"),
    "residual": ({"layers": [layer("conv3", "relu"), layer("ib3", "relu", hidden=9, residual=True)]}, "y"),
    "rgb": ({"layers": [layer("conv3", "relu")]}, "rgb"),
    "bicubic": ({"layers": [layer("conv3", "relu")], "skip": "bicubic"}, "y"),
    "folded": ({"layers": [layer("conv3", "relu")], "head": "s2d"}, "rgb"),
    "fsrcnn": ("fsrcnn", "y"),
    "espcn": ("espcn", "y"),
}


def graphs(make: Any, folder: Any, name: str, *, any_size: bool = False) -> Iterator[tuple[str, onnx.ModelProto]]:
    """(format, graph) of the network called `name` in float, fp16, every scheme, 16-bit activations and with 8-bit ports."""
    what, color = NETWORKS[name]
    network, card = make(what, color=color)
    model = read_model(export_float(network, card, folder / "float.onnx"))
    subpixels_first(model)
    noise = np.random.default_rng(0).random((1, card.signature.in_channels, *SHAPE), np.float32)
    ranges = best_ranges(model, histograms(model, [{"input": noise}]))
    schemes = {**{key: SCHEMES.load(key) for key in ("portable", "arm", "nnapi")}, "a16w8": A16W8}
    quantized = {key: insert_steps(model, ranges, scheme, float_part(model)) for key, scheme in schemes.items()}
    plain = {"float": model, "fp16": to_half(model), **quantized}
    ported = {f"{key} uint8": with_uint8_ports(plain[key], card) for key in ("float", "portable")}
    for key, (graph, its_card) in {**{key: (graph, card) for key, graph in plain.items()}, **ported}.items():
        yield key, graph if any_size else with_shape(graph, its_card, SHAPE)[0]
