"""Chains of the `mobile` space as torch modules."""

from __future__ import annotations

from torch import Tensor, nn

from pixsearch.nn.body import Body, check_skip
from pixsearch.nn.dynamic import build_predictor, run_layer
from pixsearch.nn.ops import build_layer
from pixsearch.nn.reparam import Branches
from pixsearch.signature import Signature
from pixsearch.space.chain import DYNAMIC, MobileGenotype, first_dynamic, input_widths
from pixsearch.space.cost import chain, tail


class Chain(Body):
    """The network of a `mobile` genotype."""

    def __init__(self, genotype: MobileGenotype, signature: Signature, branches: Branches) -> None:
        layers = nn.ModuleList(
            build_layer(layer, inputs, branches, first=number == 0)
            for number, (layer, inputs) in enumerate(zip(genotype.layers, input_widths(genotype, signature), strict=False))
        )
        super().__init__(layers, tail(genotype, signature), genotype, signature, branches)
        first = first_dynamic(genotype)
        self.static = len(self.layers) if first is None else first
        convs = [conv for conv in chain(genotype, signature) if conv.experts]
        attentions = [layer.attention for layer in genotype.layers if layer.op in DYNAMIC]
        self.predictor = build_predictor(input_widths(genotype, signature)[self.static], convs, attentions)

    def features(self, folded: Tensor) -> Tensor:
        """What the tail sees: (N, width, H, W), at a share of the size behind a space-to-depth head."""
        out = self.stem(folded)
        if self.predictor is None:
            return out
        shares = iter(self.predictor(out))
        for layer in self.layers[self.static :]:
            out = run_layer(layer, out, shares)
        return out

    def entering(self, x: Tensor) -> Tensor:
        """What the predictor sees, for the network's input."""
        return self.stem(self.head(x))

    def stem(self, folded: Tensor) -> Tensor:
        """What the predictor sees: the output of the layers before the first dynamic one; of a static chain that of all."""
        for layer in self.layers[: self.static]:
            folded = layer(folded)
        return folded


def build_mobile(genotype: MobileGenotype, signature: Signature, branches: Branches) -> Chain:
    """The chain with weights freshly drawn from torch's generator; `UsageError` for a task that no global skip fits."""
    check_skip(signature, "mobile")
    return Chain(genotype, signature, branches)
