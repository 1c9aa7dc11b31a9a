"""The channels of repeated cells: one gene, the width, says how many there are everywhere; which of them stay, each place chooses."""

from __future__ import annotations

from functools import partial

from pixsearch.prune.anatomies.layers import asked_by, draft_layer, draft_predictor, with_one_width
from pixsearch.prune.anatomy import Anatomy, Draft, Lane
from pixsearch.signature import Signature
from pixsearch.space.chain import SKIP, first_width
from pixsearch.space.dag import CellGenotype, loose_ends
from pixsearch.space.dag_cost import first, layer_of


def cell_anatomy(genotype: CellGenotype, signature: Signature) -> Anatomy:
    """What enters the first cell is what all cells add to; hidden channels of a bottleneck go two by two."""
    draft = Draft()
    stream = draft_layer(draft, "layers.0", first(genotype), draft.given(first_width(genotype, signature)), (0,))
    asked: Lane = ()
    for number in range(1, genotype.cells + 1):
        asked += _draft_cell(draft, genotype, number, stream)
    draft_predictor(draft, stream, asked)
    draft.conv("tail", stream, None)
    draft.alike(draft.makers)
    return draft.done(partial(with_one_width, genotype))


def _draft_cell(draft: Draft, genotype: CellGenotype, number: int, stream: Lane) -> Lane:
    """Take down a cell that adds to `stream`; the coefficients it asks for."""
    values = [stream]
    asked: Lane = ()
    for at, node in enumerate(genotype.nodes):
        made = []
        for place, edge in enumerate(node):
            name = f"layers.{number}.nodes.{at}.{place}"
            source = values[edge.source]
            if edge.op == SKIP:
                made.append(source)
                continue
            layer = layer_of(edge.op, genotype)
            made.append(draft_layer(draft, name, layer, source, (number, at, place)))
            asked += asked_by(layer, source, made[-1])
        if len(made) > 1:
            draft.same(*made)
        values.append(made[0])
    merge = f"layers.{number}.merge"
    outputs = draft.place((number, "merge"), genotype.width, merge)
    draft.conv(merge, tuple(channel for loose in loose_ends(genotype.nodes) for channel in values[loose + 1]), outputs)
    draft.same(stream, outputs)
    return asked
