"""The channels of chains of dense blocks.

The trunk's width, and the growth and width of every block, are genes of their own, but for those that a shortcut or a missing entry ties.
A block of kind `group` shuffles by quarters, so each quarter of what it joins loses as many channels; one of kind `context` makes a
channel of four in a row, which go together. Where a value has to do with both, its channels stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from pixsearch.prune.anatomy import QUARTERS, Anatomy, Bundling, Draft, Lane, Place
from pixsearch.signature import Signature
from pixsearch.space.dense import Block, ErdbGenotype, block_inputs, groups_of, paths_of, with_paths

TRUNK = ("trunk",)
BUNDLING: dict[str, Bundling] = {"group": "quarters", "context": "fours"}


def erdb_anatomy(genotype: ErdbGenotype, signature: Signature) -> Anatomy:
    """Block after block; the outputs of all are joined at the end, and what is made of them is added to the trunk."""
    draft = Draft()
    entering = draft.given(signature.in_channels)
    current = trunk = draft.place(TRUNK, genotype.width, "head")
    draft.conv("head", entering, trunk)
    joined: Lane = ()
    for number, (block, inputs) in enumerate(zip(genotype.blocks, block_inputs(genotype), strict=True)):
        current = _draft_block(draft, number, block, inputs, current)
        joined += current
    fused = draft.place(("fuse",), genotype.width, "fuse")
    draft.conv("fuse", joined, fused)
    smooth = draft.place(("smooth",), genotype.width, "smooth")
    draft.conv("smooth", fused, smooth)
    draft.same(trunk, smooth)
    draft.alike([TRUNK, ("fuse",)])
    draft.conv("tail", trunk, None)
    return draft.done(partial(narrowed, genotype))


def narrowed(genotype: ErdbGenotype, widths: Mapping[Place, int]) -> ErdbGenotype:
    """The genotype with these widths; a block's input goes the ways it went, even where widths have come to be equal."""
    blocks, inputs = [], widths[TRUNK]
    for number, (block, before) in enumerate(zip(genotype.blocks, block_inputs(genotype), strict=True)):
        narrow = replace(block, growth=widths[number, "dense", 0], width=widths[number, "last"])
        blocks.append(with_paths(narrow, inputs, paths_of(block, before)))
        inputs = narrow.width
    return replace(genotype, blocks=tuple(blocks), width=widths[TRUNK])


def _draft_block(draft: Draft, number: int, block: Block, inputs: int, entering: Lane) -> Lane:
    name, paths = f"blocks.{number}", paths_of(block, inputs)
    inner = entering
    if paths.entry:
        inner = draft.place((number, "entry"), block.growth, f"{name}.entry")
        draft.conv(f"{name}.entry", entering, inner)
    inside = {"shrink": _draft_shrink, "group": _draft_group, "context": _draft_context}[block.kind]
    growing: list[Lane] = [inner]
    last = inside(draft, name, number, block, growing)
    outputs = draft.place((number, "last"), block.width, f"{name}.last")
    draft.conv(f"{name}.last", last, outputs)
    for one in growing:
        if block.kind in BUNDLING:
            draft.bundle(one, BUNDLING[block.kind])
    draft.alike([one[0][0] for one in growing])
    if paths.shortcut == "match":
        matched = draft.place((number, "match"), block.width, f"{name}.match")
        draft.conv(f"{name}.match", entering, matched)
        draft.same(outputs, matched)
    else:
        draft.same(entering if paths.shortcut == "input" else inner, outputs)
    return outputs


def _made(draft: Draft, name: str, number: int, what: str, at: int, block: Block, inputs: Lane, *, groups: int = 1) -> Lane:
    """`growth` channels that a block's convolution makes; what a ReLU hands on counts the same before and behind it."""
    conv = f"{name}.{what}.{at}"
    outputs = draft.place((number, what, at), block.growth, conv)
    draft.conv(conv, inputs, outputs, groups=groups)
    return outputs


def _draft_shrink(draft: Draft, name: str, number: int, block: Block, growing: list[Lane]) -> Lane:
    """What enters the last 1×1; `growing` gets what the convolutions make."""
    joined = current = growing[0]
    for at in range(block.convs):
        made = _made(draft, name, number, "dense", at, block, current)
        joined += made
        growing.append(made)
        if at < block.convs - 1:
            current = _made(draft, name, number, "shrink", at, block, joined)
            growing.append(current)
    return joined


def _draft_group(draft: Draft, name: str, number: int, block: Block, growing: list[Lane]) -> Lane:
    """See `_draft_shrink`; joining goes quarter by quarter."""
    joined = growing[0]
    for at in range(block.convs):
        made = _made(draft, name, number, "dense", at, block, joined, groups=groups_of(at))
        pairs = zip(_quarters(joined), _quarters(made), strict=True)
        joined = tuple(channel for pair in pairs for part in pair for channel in part)
        growing.append(made)
    return joined


def _draft_context(draft: Draft, name: str, number: int, block: Block, growing: list[Lane]) -> Lane:
    """See `_draft_shrink`; each channel behind the pixel-shuffle stands for the four it is made of.

    What convolutions make of their own output, and all that joins it, are the same channels.
    """
    joined = _draft_shrink(draft, name, number, block, growing)
    for at in range(block.convs):
        entering = growing[0] if at == 0 else growing[2 * at]
        draft.same(entering, growing[2 * at + 1])
    return joined[::QUARTERS]


def _quarters(channels: Lane) -> list[Lane]:
    each = len(channels) // QUARTERS
    return [channels[at * each : (at + 1) * each] for at in range(QUARTERS)]
