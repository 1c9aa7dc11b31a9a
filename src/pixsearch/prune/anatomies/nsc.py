"""The channels of repeated blocks: one gene, the width, says how many there are everywhere; which of them stay, each place chooses."""

from __future__ import annotations

from functools import partial

from pixsearch.prune.anatomies.layers import draft_layer, with_one_width
from pixsearch.prune.anatomy import Anatomy, Draft, Lane
from pixsearch.signature import Signature
from pixsearch.space.chain import first_width
from pixsearch.space.nsc_code import Code, NscGenotype, loose_ends
from pixsearch.space.nsc_cost import first, layer_of


def nsc_anatomy(genotype: NscGenotype, signature: Signature) -> Anatomy:
    """Block after block; a sum ties what it adds, a concatenation puts lanes side by side."""
    draft = Draft()
    current = draft_layer(draft, "layers.0", first(genotype), draft.given(first_width(genotype, signature)), (0,))
    for number in range(1, genotype.blocks + 1):
        current = _draft_block(draft, genotype, number, current)
    draft.conv("tail", current, None)
    draft.alike(draft.makers)
    return draft.done(partial(with_one_width, genotype))


def _draft_block(draft: Draft, genotype: NscGenotype, number: int, entering: Lane) -> Lane:
    values = [entering]
    for at, code in enumerate(genotype.layers, start=1):
        sources = [values[source] for source in code.sources]
        values.append(_draft_code(draft, genotype, code, f"layers.{number}.layers.{at - 1}", sources, (number, at)))
    loose = [values[at] for at in loose_ends(genotype.layers)]
    return loose[0] if len(loose) == 1 else _draft_joined(draft, genotype, f"layers.{number}.joined", loose, (number,))


def _draft_code(draft: Draft, genotype: NscGenotype, code: Code, name: str, sources: list[Lane], key: tuple[int, ...]) -> Lane:
    match code.type:
        case "identity":
            return sources[0]
        case "add":
            draft.same(*sources)
            return sources[0]
        case "concat":
            return _draft_joined(draft, genotype, name, sources, key)
        case _:
            return draft_layer(draft, name, layer_of(code, genotype), sources[0], key)


def _draft_joined(draft: Draft, genotype: NscGenotype, name: str, lanes: list[Lane], key: tuple[int, ...]) -> Lane:
    outputs = draft.place((*key, "joined"), genotype.width, f"{name}.conv")
    draft.conv(f"{name}.conv", tuple(channel for lane in lanes for channel in lane), outputs)
    return outputs
