"""Chains of the `mobile` space as torch modules."""

from __future__ import annotations

from torch import nn

from pixsearch.nn.body import Body, check_skip
from pixsearch.nn.ops import build_layer
from pixsearch.nn.reparam import Branches
from pixsearch.signature import Signature
from pixsearch.space.chain import MobileGenotype, input_widths
from pixsearch.space.cost import tail


def build_mobile(genotype: MobileGenotype, signature: Signature, branches: Branches) -> nn.Module:
    """The chain with weights freshly drawn from torch's generator; `UsageError` for a task that no global skip fits."""
    check_skip(signature, "mobile")
    return Body(build_layers(genotype, signature, branches), tail(genotype, signature), genotype, signature, branches)


def build_layers(genotype: MobileGenotype, signature: Signature, branches: Branches) -> nn.ModuleList:
    """The chain's layers, the first behind the input and the state if the signature has one."""
    return nn.ModuleList(
        build_layer(layer, inputs, branches, first=number == 0)
        for number, (layer, inputs) in enumerate(zip(genotype.layers, input_widths(genotype, signature), strict=False))
    )
