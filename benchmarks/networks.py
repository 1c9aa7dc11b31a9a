"""Hand-picked networks that the benchmarks train: those the tool knows by name, and some members of the space `mobile`."""

from __future__ import annotations

import re
from typing import Any

from pixsearch.signature import Signature
from pixsearch.space.chain import Layer, MobileGenotype
from pixsearch.space.mobile import MobileSpace
from pixsearch.space.named import named

CHAIN = re.compile(r"(s2d-)?(\w+)-m(\d+)c(\d+)(?:h(\d+))?-(relu|leaky|prelu|hardswish)(-nearest)?")


def network(name: str, signature: Signature) -> Any:
    """The genotype called `name`: one the tool knows, or `[s2d-]OP-mNcM[hH]-ACT[-nearest]`.

    That is a conv3 and N layers of OP, all M channels wide (inverted bottlenecks H inside, with residuals) and followed by
    ACT, with a bicubic global skip unless it says nearest.
    """
    match = CHAIN.fullmatch(name)
    if match is None:
        return named(name, signature)[1]
    head, op, depth, width, hidden, act, nearest = match.groups()
    first = Layer("conv3", int(width), act)
    layer = Layer(op, int(width), act, int(hidden or 0), residual=op == "ib3")
    chain = MobileGenotype((first,) + (layer,) * int(depth), "s2d" if head else "plain", "nearest" if nearest else "bicubic")
    return MobileSpace(signature).parse(chain.genes())
