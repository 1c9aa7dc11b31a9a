"""Networks people know by name: the hand-made references and the families `plain-mNcM` and `ecbsr-mNcM`."""

from __future__ import annotations

import re
from typing import Any, Literal

from pixsearch.errors import UsageError
from pixsearch.registry import closest
from pixsearch.signature import Signature
from pixsearch.space.base import Space
from pixsearch.space.mobile import Layer, MobileGenotype, MobileSpace
from pixsearch.space.reference import NAMES, ReferenceGenotype, ReferenceSpace

Branches = Literal["none", "linear", "ecb"]

KNOWN = (*NAMES, "ecbsr-m4c16", "plain-m4c16")
_FAMILIES = {"plain": "leaky", "ecbsr": "prelu"}
_PATTERN = re.compile(r"(?:(s2d4?)-)?(plain|ecbsr)-m([1-9][0-9]*)c([1-9][0-9]*)")


def named(name: str, signature: Signature) -> tuple[Space[Any], Any]:
    """The space and the genotype of a network known by name.

    `fsrcnn`, `espcn`; `plain-mNcM`: N + 1 conv3 layers of M channels, leaky ReLU, nearest global skip; `ecbsr-mNcM`:
    the same with PReLU, as published (Zhang et al. 2021); `s2d-` or `s2d4-` in front of either: at half or a quarter of the size.
    `UsageError` for other names.
    """
    if name in NAMES:
        return ReferenceSpace(signature), ReferenceGenotype(name)
    match = _PATTERN.fullmatch(name)
    if match is None:
        raise UsageError(f"There is no network `{name}`.{closest(name, list(KNOWN))} Known: {', '.join(KNOWN)} (any numbers in `mNcM`).")
    body, width = int(match[3]), int(match[4])
    space = MobileSpace(signature)
    depth, widest = space.limits.depth[1] - 1, space.limits.width[1]
    if body > depth or width > widest:
        raise UsageError(f"`{name}` is larger than the space `mobile`: at most m{depth}c{widest}.")
    layers = (Layer("conv3", width, _FAMILIES[match[2]]),) * (body + 1)
    return space, MobileGenotype(layers, match[1] or "plain")


def default_branches(name: str) -> Branches:
    """The form a network known by name is trained in: `ecb` for ECBSR, as published, else `none`."""
    return "ecb" if "ecbsr" in name else "none"
