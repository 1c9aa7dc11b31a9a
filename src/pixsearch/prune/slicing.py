"""A network without some of its channels: every tensor sliced, whatever layers it has."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.dynamic import DynamicConv
from pixsearch.prune.channels import Kept, chain_of, makers, narrowed, with_chain
from pixsearch.space.chain import DYNAMIC, SEPARABLES, MobileGenotype, first_dynamic, input_widths


def slice_network(network: Network, kept: Kept) -> Network:
    """The network in its deploy form without the channels that are not kept.

    It equals the old one in which every removed channel is set to zero behind its activation: a layer's output behind the layer's
    activation, a hidden channel behind the activation that follows the depthwise convolution.
    """
    genotype, old = chain_of(network.genotype), deploy(network)
    new = build(with_chain(network.genotype, narrowed(genotype, kept)), network.signature)
    target, tensors = new.body.state_dict(), old.body.state_dict()
    for name, (outputs, inputs) in _slices(genotype, kept).items():
        for part in ("weight", "bias"):
            key = f"{name}.{part}"
            if key in tensors:
                value = tensors[key] if outputs is None else tensors[key][list(outputs)]
                target[key] = value if inputs is None or part == "bias" else value[:, list(inputs)]
    target |= _dynamic_slices(old, genotype, kept)
    new.body.load_state_dict(target)
    return new.to(next(old.parameters()).device).train(network.training)


def _dynamic_slices(old: Network, genotype: MobileGenotype, kept: Kept) -> dict[str, Tensor]:
    """Experts and predictor of a dynamic chain with the channels that are kept; nothing of a static one.

    An output channel goes with all its experts and their coefficients, and the predictor no longer sees channels that are gone.
    """
    first = first_dynamic(genotype)
    if first is None:
        return {}
    entering = [
        list(range(input_widths(genotype, old.signature)[0])),
        *(list(kept[number, "out"]) for number in range(len(genotype.layers))),
    ]
    tensors, sliced, rows, begin = old.body.state_dict(), {}, [], 0
    for number, layer in enumerate(genotype.layers):
        if layer.op not in DYNAMIC:
            continue
        depthwise = DYNAMIC[layer.op] in SEPARABLES
        name = f"layers.{number}.0.depthwise" if depthwise else f"layers.{number}.0"
        conv = old.body.get_submodule(name)
        assert isinstance(conv, DynamicConv)
        outputs = entering[number] if depthwise else entering[number + 1]
        experts = [channel * conv.experts + expert for channel in outputs for expert in range(conv.experts)]
        for part in ("fixed", *(f"weights.{expert}" for expert in range(conv.experts))):
            kernels = tensors[f"{name}.{part}"][outputs]
            sliced[f"{name}.{part}"] = kernels if depthwise else kernels[:, entering[number]]
        rows += [begin + row for row in experts]
        begin += conv.outputs * conv.experts
    linear = "predictor.linear"
    sliced[f"{linear}.weight"] = tensors[f"{linear}.weight"][rows][:, entering[first]]
    sliced[f"{linear}.bias"] = tensors[f"{linear}.bias"][rows]
    return sliced


Slice = tuple[Sequence[int] | None, Sequence[int] | None]


def _slices(genotype: MobileGenotype, kept: Kept) -> dict[str, Slice]:
    """Output and input channels that stay, for each module that has some (None: all)."""
    found: dict[str, Slice] = {}
    inputs: Sequence[int] | None = None
    for number, layer in enumerate(genotype.layers):
        name, outputs = f"layers.{number}", kept[number, "out"]
        found[f"{name}.1"] = (outputs, None)
        if layer.op == "ib3":
            hidden = kept[number, "hidden"]
            found[f"{name}.0.expand"] = (hidden, inputs)
            found[f"{name}.0.project"] = (outputs, hidden)
            found |= {f"{name}.0.{part}": (hidden, None) for part in ("act1", "depthwise", "act2")}
        elif layer.op in DYNAMIC:
            if DYNAMIC[layer.op] in SEPARABLES:
                found[f"{name}.0.pointwise"] = (outputs, inputs)
            else:
                found[f"{name}.0"] = (outputs, inputs)
        elif layer.op in SEPARABLES:
            found[f"{name}.0.depthwise"] = (inputs, None)
            found[f"{name}.0.pointwise"] = (outputs, inputs)
        else:
            found[f"{name}.0"] = (outputs, inputs)
        inputs = outputs
    return {**found, "tail": (None, inputs), "state": (None, inputs)}


def outputs_kept(network: Network, kept: Kept) -> dict[str, Sequence[int] | None]:
    """For each of the `mixing_layers` which of the whole network's outputs stay (None: all)."""
    outputs = {name: kept[place] for place, name in makers(chain_of(network.genotype)).items()}
    return {name: outputs.get(name) for name in mixing_layers(network)}


def mixing_layers(network: Network) -> list[str]:
    """The plain convolutions that mix channels, the tail included, in the order they are computed in; `network` in its deploy form."""
    named = [*makers(chain_of(network.genotype)).values(), "tail"]
    return [name for name in named if isinstance(network.body.get_submodule(name), nn.Conv2d)]
