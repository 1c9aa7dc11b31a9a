"""The channels of a layer, which networks of several spaces are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from pixsearch.prune.anatomy import Draft, Heard, Lane, Place
from pixsearch.space.chain import DYNAMIC, SEPARABLES, Layer
from pixsearch.space.dag import CellGenotype
from pixsearch.space.nsc_code import NscGenotype

OUT, HIDDEN = "out", "hidden"

Uniform = TypeVar("Uniform", CellGenotype, NscGenotype)


def with_one_width(genotype: Uniform, widths: Mapping[Place, int]) -> Uniform:
    """A genotype whose one width is that of every layer, with the width that its first layer has."""
    return replace(genotype, width=widths[0, OUT])


def draft_layer(draft: Draft, name: str, layer: Layer, inputs: Lane, key: Place) -> Lane:
    """Take down the layer whose module is `name`; its channels are those of the places (*key, `out`) and (*key, `hidden`)."""
    if layer.op == "ib3":
        return _draft_bottleneck(draft, name, layer, inputs, key)
    static = DYNAMIC.get(layer.op, layer.op)
    maker = f"{name}.0.pointwise" if static in SEPARABLES else f"{name}.0"
    outputs = draft.place((*key, OUT), layer.width, maker, Heard(name))
    if layer.op in DYNAMIC:
        _draft_dynamic(draft, name, layer, inputs, outputs)
    elif static in SEPARABLES:
        draft.along(f"{name}.0.depthwise", inputs)
        draft.conv(maker, inputs, outputs)
    else:
        draft.conv(maker, inputs, outputs)
    draft.along(f"{name}.1", outputs)
    return outputs


def _draft_bottleneck(draft: Draft, name: str, layer: Layer, inputs: Lane, key: Place) -> Lane:
    """What a residual one hands on is what it adds."""
    expand, project = f"{name}.0.expand", f"{name}.0.project"
    hidden = draft.place((*key, HIDDEN), layer.hidden, expand, Heard(f"{name}.0.act2"))
    outputs = draft.place((*key, OUT), layer.width, project)
    draft.conv(expand, inputs, hidden)
    for part in ("act1", "depthwise", "act2"):
        draft.along(f"{name}.0.{part}", hidden)
    draft.conv(project, hidden, outputs)
    if layer.residual:
        draft.same(inputs, outputs)
    return outputs


def _draft_dynamic(draft: Draft, name: str, layer: Layer, inputs: Lane, outputs: Lane) -> None:
    """A channel goes from the fixed kernel and from every expert."""
    kernels = ("fixed", *(f"weights.{expert}" for expert in range(layer.experts)))
    if DYNAMIC[layer.op] in SEPARABLES:
        draft.tensors |= {f"{name}.0.depthwise.{kernel}": (inputs,) for kernel in kernels}
        draft.conv(f"{name}.0.pointwise", inputs, outputs)
    else:
        draft.tensors |= {f"{name}.0.{kernel}": (outputs, inputs) for kernel in kernels} | {f"{name}.0.bias": (outputs,)}


def asked_by(layer: Layer, inputs: Lane, outputs: Lane) -> Lane:
    """The coefficients of a layer, all experts of a channel side by side; a static one has none."""
    if layer.op not in DYNAMIC:
        return ()
    channels = inputs if DYNAMIC[layer.op] in SEPARABLES else outputs
    return tuple(channel for channel in channels for _ in range(layer.experts))


def draft_predictor(draft: Draft, seen: Lane, asked: Lane) -> None:
    """The predictor of all coefficients `asked` for, from the means of the channels `seen`; none where there are none."""
    if asked:
        draft.tensors |= {"predictor.linear.weight": (asked, seen), "predictor.linear.bias": (asked,)}
