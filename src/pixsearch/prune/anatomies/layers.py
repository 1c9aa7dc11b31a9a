"""The channels of a layer, which networks of several spaces are made of."""

from __future__ import annotations

from pixsearch.prune.anatomy import Draft, Heard, Lane, Place
from pixsearch.space.chain import DYNAMIC, SEPARABLES, Layer

OUT, HIDDEN = "out", "hidden"


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
    """An output channel goes with all its experts."""
    if DYNAMIC[layer.op] in SEPARABLES:
        draft.tensors[f"{name}.0.depthwise.weight"] = (experts(layer, inputs),)
        draft.conv(f"{name}.0.pointwise", inputs, outputs)
    else:
        draft.tensors |= {f"{name}.0.weight": (experts(layer, outputs), inputs), f"{name}.0.bias": (outputs,)}


def experts(layer: Layer, channels: Lane) -> Lane:
    """A dynamic layer's experts, side by side for each channel whose kernel is computed."""
    return tuple(channel for channel in channels for _ in range(layer.experts))
