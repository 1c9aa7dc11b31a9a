"""The channels of the hand-made networks: each convolution's outputs are a group of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from pixsearch.prune.anatomy import Anatomy, Draft, Heard, Lane, Place
from pixsearch.signature import Signature
from pixsearch.space.reference import ReferenceGenotype, canonical, widths_of


def reference_anatomy(genotype: ReferenceGenotype, signature: Signature) -> Anatomy:
    """What is heard behind an activation that is no module of its own is what the next convolution is given."""
    draft = Draft()
    current: Lane = draft.given(signature.in_channels)
    espcn, widths = genotype.name == "espcn", widths_of(genotype)
    for number, width in enumerate(widths):
        name, act = (f"convs.{number}", "") if espcn else (f"body.{2 * number}", f"body.{2 * number + 1}")
        heard = Heard(f"convs.{number + 1}", entering=True) if espcn else Heard(act)
        outputs = draft.place((number,), width, name, heard)
        draft.conv(name, current, outputs)
        if act:
            draft.along(act, outputs)
        current = outputs
    if espcn:
        draft.conv(f"convs.{len(widths)}", current, None)
    else:
        draft.tensors["up.weight"] = (current,)  # a transposed convolution has its inputs first
    return draft.done(partial(narrowed, genotype))


def narrowed(genotype: ReferenceGenotype, widths: Mapping[Place, int]) -> ReferenceGenotype:
    """The network with these widths."""
    return canonical(replace(genotype, widths=tuple(widths[number,] for number in range(len(widths_of(genotype))))))
