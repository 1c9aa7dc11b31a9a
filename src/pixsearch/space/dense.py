"""Genotypes of the `erdb` space: a chain of efficient residual dense blocks (Song et al., AAAI 2020), and its canonical form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from itertools import groupby
from typing import Any, ClassVar, NamedTuple

from pixsearch.errors import DataError
from pixsearch.signature import Signature
from pixsearch.space.base import Genotype
from pixsearch.space.chain import SKIPS
from pixsearch.space.genes import check_keys, integer, one_of

KINDS = ("shrink", "group", "context")
OFF = "off"
MAX_BLOCKS = 20
CONVS = (2, 4, 6, 8)
WIDTHS = (4, 8, 16, 24, 32)
QUARTERED = ("group", "context")
"""Kinds that take their channels four by four: `growth` is a multiple of 4."""


class Paths(NamedTuple):
    """How a block's input gets on: through a 1×1 at its `entry` or as it is, and what is added to its output."""

    entry: bool
    shortcut: str


PATHS = {
    "match": Paths(False, "match"),
    "entry input": Paths(True, "input"),
    "entry inner": Paths(True, "inner"),
    "entry match": Paths(True, "match"),
}


@dataclass(frozen=True)
class Block:
    """One residual dense block: `convs` dense 3×3 convolutions of `growth` channels with ReLU, and a 1×1 to `width`.

    Each convolution's output is joined to all before it. `shrink` (SRDB): a 1×1 brings what has been joined back to `growth`
    channels behind every convolution. `group` (GRDB): what has been joined is shuffled and convolved in 1, 2 or 4 groups.
    `context` (CRDB): at half the size, by 2×2 mean and pixel-shuffle; every 3×3 is applied three times with the same
    weights, then shrunk as in SRDB. A block adds its input to its output, through a 1×1 where neither its input nor what it
    makes `growth` channels of that is as wide as its output.

    The paper has 4, 6 or 8 convolutions and 8 to 32 channels; 2 convolutions and 4 channels are for phones. In a pruned network widths can
    come to be equal that were not; there `paths`, one of `PATHS`, says which ways the input goes. It is empty where the widths say so.
    """

    kind: str
    convs: int
    growth: int
    width: int
    paths: str = ""


@dataclass(frozen=True)
class ErdbGenotype(Genotype):
    """3×3 to `width` → blocks → 1×1 of all their outputs, 3×3, + the first 3×3 → 3×3 → + global skip of the input → pixel-shuffle."""

    space: ClassVar[str] = "erdb"
    head: ClassVar[str] = "plain"
    blocks: tuple[Block, ...]
    width: int = 16
    skip: str = "nearest"

    def genes(self) -> dict[str, Any]:
        """Plain values."""
        return {"blocks": [_genes_of(block) for block in self.blocks], "width": self.width, "skip": self.skip}


def _genes_of(block: Block) -> dict[str, Any]:
    return {gene: value for gene, value in asdict(block).items() if gene != "paths" or value}


def paths_of(block: Block, inputs: int) -> Paths:
    """Which ways a block's `inputs` channels go."""
    return PATHS[block.paths] if block.paths else _implied(block, inputs)


def _implied(block: Block, inputs: int) -> Paths:
    """What widths alone say."""
    shortcut = "input" if block.width == inputs else "inner" if block.width == block.growth else "match"
    return Paths(inputs != block.growth, shortcut)


def with_paths(block: Block, inputs: int, paths: Paths) -> Block:
    """The block with its input going these ways, or those that its widths say where these do not fit them."""
    named = "" if paths == _implied(block, inputs) else next((name for name, one in PATHS.items() if one == paths), "")
    narrow = {"input": inputs, "inner": block.growth, "match": block.width}[paths.shortcut]
    fits = block.width == narrow and (paths.entry or inputs == block.growth)
    return replace(block, paths=named if fits else "")


def groups_of(number: int) -> int:
    """Groups of the convolution `number` (from 0) in a block of kind `group`."""
    return min(4, 1 << ((number + 1).bit_length() - 1))


def block_inputs(genotype: ErdbGenotype) -> list[int]:
    """Channels that enter each block."""
    return [genotype.width, *(block.width for block in genotype.blocks[:-1])]


def has_context(genotype: ErdbGenotype) -> bool:
    """Whether a part of it runs at half the size."""
    return any(block.kind == "context" for block in genotype.blocks)


def canonical(genotype: ErdbGenotype, signature: Signature) -> ErdbGenotype:
    """The one way to write this network.

    Paths are named where widths do not say them alone, growth is rounded down where it has to be a multiple of 4, and at scale 1 both
    global skips are the identity, written `nearest`.
    """
    blocks, inputs = [], genotype.width
    for block in genotype.blocks:
        growth = max(4, block.growth - block.growth % 4) if block.kind in QUARTERED else block.growth
        narrow = replace(block, growth=growth)
        blocks.append(with_paths(narrow, inputs, paths_of(narrow, inputs)))
        inputs = block.width
    return replace(genotype, blocks=tuple(blocks), skip=canonical_skip(genotype.skip, signature))


def canonical_skip(skip: str, signature: Signature) -> str:
    """At scale 1 both global skips are the identity, written `nearest`."""
    return "nearest" if signature.scale == 1 else skip


def parse_blocks(genes: dict[str, Any]) -> ErdbGenotype:
    """The genotype with these genes; blocks of kind `off` are left out; `DataError` naming the gene that is wrong."""
    check_keys(genes, [field.name for field in fields(ErdbGenotype)], {"blocks"}, "an architecture")
    blocks = genes["blocks"]
    if not isinstance(blocks, list | tuple):
        raise DataError(f"`blocks` is `{blocks}`; it must be a list of blocks.")
    parsed = tuple(_parse_block(f"blocks[{i}]", block) for i, block in enumerate(blocks) if not _is_off(block))
    if not 1 <= len(parsed) <= MAX_BLOCKS:
        raise DataError(f"`blocks` holds {len(parsed)} blocks that compute; it must hold 1 to {MAX_BLOCKS}.")
    width = integer("width", genes.get("width", 16), 1, max(WIDTHS))
    return ErdbGenotype(parsed, width, one_of("skip", genes.get("skip", "nearest"), SKIPS))


def _is_off(block: Any) -> bool:
    return isinstance(block, dict) and block.get("kind") == OFF


def _parse_block(where: str, block: Any) -> Block:
    known = [field.name for field in fields(Block)]
    check_keys(block, known, set(known) - {"paths"}, f"`{where}`")
    kind = one_of(f"{where}.kind", block["kind"], (*KINDS, OFF))
    growth = integer(f"{where}.growth", block["growth"], 1, max(WIDTHS))
    if kind in QUARTERED and growth % 4:
        raise DataError(f"`{where}.growth` is `{growth}`; in a block of kind `{kind}` it must be a multiple of 4.")
    return Block(
        kind=kind,
        convs=one_of(f"{where}.convs", block["convs"], CONVS),
        growth=growth,
        width=integer(f"{where}.width", block["width"], 1, max(WIDTHS)),
        paths=one_of(f"{where}.paths", block.get("paths", ""), ("", *PATHS)),
    )


def describe_blocks(genotype: ErdbGenotype) -> str:
    """One line for people: `width 16, shrink 4×8→16 ×2, context 6×16→16, skip nearest` (convolutions × growth → width)."""
    parts = [f"width {genotype.width}"]
    for block, group in groupby(genotype.blocks):
        count = len(list(group))
        parts.append(f"{block.kind} {block.convs}×{block.growth}→{block.width}" + (f" ×{count}" if count > 1 else ""))
    return ", ".join([*parts, f"skip {genotype.skip}"])
