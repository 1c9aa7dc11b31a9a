"""A network without some of its channels: every tensor sliced, whatever layers it has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pixsearch.nn.build import Network, build, deploy
from pixsearch.prune.anatomy import Anatomy, Kept, anatomy_of, positions


def slice_network(network: Network, kept: Kept) -> Network:
    """The network in its deploy form without the channels that are not kept.

    It equals the old one in which every removed channel is set to zero behind its activation: a layer's output behind the layer's
    activation, a hidden channel behind the activation that follows the depthwise convolution.
    """
    anatomy, old = anatomy_of(network.genotype, network.signature), deploy(network)
    new = build(anatomy.narrowed(kept), network.signature)
    tensors = old.body.state_dict()
    new.body.load_state_dict({name: _sliced(tensor, name, anatomy, kept) for name, tensor in tensors.items()})
    return new.to(next(old.parameters()).device).train(network.training)


def _sliced(tensor: Tensor, name: str, anatomy: Anatomy, kept: Kept) -> Tensor:
    places = [None if lane is None else positions(lane, kept) for lane in anatomy.tensors.get(name, ())]
    if name in anatomy.grouped:
        outputs, inputs = places
        assert outputs is not None
        assert inputs is not None
        return _sliced_in_groups(tensor, outputs, inputs, anatomy.grouped[name])
    for dimension, staying in enumerate(places):
        if staying is not None:
            tensor = tensor.index_select(dimension, torch.tensor(staying, device=tensor.device))
    return tensor


def _sliced_in_groups(weight: Tensor, outputs: Sequence[int], inputs: Sequence[int], groups: int) -> Tensor:
    """The kernel (O, I / groups, k, k) of a convolution in groups, each of which keeps as many channels."""
    wide, deep = len(weight) // groups, weight.shape[1]
    parts = []
    for group in range(groups):
        made = [output for output in outputs if output // wide == group]
        seen = [one - group * deep for one in inputs if one // deep == group]
        parts.append(weight[made][:, seen])
    return torch.cat(parts)


def outputs_kept(network: Network, kept: Kept) -> dict[str, Sequence[int] | None]:
    """For each convolution that mixes channels, in the order of computation, which of the whole `network`'s outputs stay (None: all)."""
    anatomy = anatomy_of(network.genotype, network.signature)
    lanes = {name: anatomy.tensors[f"{name}.weight"][0] for name in anatomy.mixing}
    return {name: None if lane is None else positions(lane, kept) for name, lane in lanes.items()}
