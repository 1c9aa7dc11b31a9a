"""Genotypes of the `nsc` space: a block of layers, written as a Network Structure Code, that a network repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import chain, groupby, permutations, product
from typing import Any, ClassVar

from pixsearch.errors import DataError
from pixsearch.space.base import Genotype
from pixsearch.space.chain import ACTS, SKIPS
from pixsearch.space.genes import check_keys, integer, one_of

KERNELS = {"conv": (1, 3, 5), "dw": (3, 5), "identity": (0,), "add": (0,), "concat": (0,)}
PAIRS = ("add", "concat")
TERMINAL = "terminal"
MAX_LAYERS = 6


@dataclass(frozen=True, order=True)
class Code:
    """One layer of a block: what it is, its kernel (0 where it has none) and the layers it reads (0 is the block's input).

    Layers count from 1; `pred2` is 0 unless two are read, and then the greater.
    """

    type: str
    kernel: int
    pred1: int
    pred2: int = 0

    @property
    def op(self) -> str:
        """The type with its kernel: `conv3`, `dw5`, `add`."""
        return f"{self.type}{self.kernel or ''}"

    @property
    def sources(self) -> tuple[int, ...]:
        """The layers that are read."""
        return (self.pred1, self.pred2) if self.type in PAIRS else (self.pred1,)


Block = tuple[Code, ...]


@dataclass(frozen=True)
class NscGenotype(Genotype):
    """3×3 to `width`, activation → `blocks` times one block → 3×3 → + global skip of the input → pixel-shuffle.

    A block is a list of 1 to 6 layers (Zhong et al., CVPR 2018, without their pooling), each of which reads one or two before it and gives
    `width` channels: `conv` a convolution and `dw` a depthwise one with a 1×1, each with its activation; `identity`; `add` the sum of two;
    `concat` a 1×1 of two that are joined. Layers that no other reads are joined to be the block's output, by a 1×1 when
    there are several. All blocks have one structure and weights of their own. `DataError` names what is wrong with a list.
    """

    space: ClassVar[str] = "nsc"
    head: ClassVar[str] = "plain"
    layers: Block
    blocks: int
    width: int
    act: str = "leaky"
    skip: str = "nearest"

    def __post_init__(self) -> None:
        check_block(self.layers)

    def genes(self) -> dict[str, Any]:
        """Plain values; a layer is `[index, type, kernel, pred1, pred2]`, the last one `terminal`."""
        rows = [[i, one.type, one.kernel, one.pred1, one.pred2] for i, one in enumerate(self.layers, start=1)]
        rows.append([len(rows) + 1, TERMINAL, 0, 0, 0])
        return {"layers": rows, "blocks": self.blocks, "width": self.width, "act": self.act, "skip": self.skip}


def check_block(layers: Block) -> None:
    """`DataError` unless every layer is of a known type and reads layers before it, and one at least computes."""
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise DataError(f"`layers` holds {len(layers)} layers before its terminal; it must hold 1 to {MAX_LAYERS}.")
    for number, layer in enumerate(layers, start=1):
        where = f"layers[{number - 1}]"
        one_of(f"{where}.type", layer.type, tuple(KERNELS))
        one_of(f"{where}.kernel", layer.kernel, KERNELS[layer.type])
        integer(f"{where}.pred1", layer.pred1, 0, number - 1)
        if layer.type not in PAIRS:
            integer(f"{where}.pred2", layer.pred2, 0, 0)
        elif integer(f"{where}.pred2", layer.pred2, 0, number - 1) <= layer.pred1:
            raise DataError(f"`{where}` takes the layers {layer.pred1} and {layer.pred2}; it must take two, the smaller number first.")
    if all(layer.type == "identity" for layer in layers):
        raise DataError("`layers` holds nothing but copies of the block's input; a layer at least must compute something.")


def loose_ends(layers: Block) -> list[int]:
    """The layers, from 1, that no other reads."""
    read = {source for layer in layers for source in layer.sources}
    return [number for number in range(1, len(layers) + 1) if number not in read]


def joins_twice(layers: Block) -> int | None:
    """The first layer, from 1, that joins a layer to itself, perhaps through identities."""
    place = [0]
    for number, layer in enumerate(layers, start=1):
        if layer.type in PAIRS and place[layer.pred1] == place[layer.pred2]:
            return number
        place.append(place[layer.pred1] if layer.type == "identity" else number)
    return None


@lru_cache(maxsize=65536)
def canonical_block(layers: Block) -> Block:
    """The one way to write a block; empty when nothing in it computes.

    Identities stay only where they hand a layer on to the block's output that others read too; there they come last. What joins a
    layer to itself counts as one. The rest is in the least of all orders.
    """
    place, kept, handed_on = [0], [], set()  # numbers among those kept; what loose copies copy
    loose = loose_ends(layers)
    for number, layer in enumerate(layers, start=1):
        sources = [place[source] for source in layer.sources]
        if layer.type == "identity" or len(sources) > len(set(sources)):
            place.append(sources[0])
            if number in loose:
                handed_on.add(sources[0])
        else:
            kept.append(Code(layer.type, layer.kernel, *sources))
            place.append(len(kept))
    if not kept:
        return ()
    copied = handed_on.difference(loose_ends(tuple(kept)))
    labels = [(one.op, number in copied) for number, one in enumerate(kept, start=1)]
    return min(_written(kept, copied, order) for order in orders(labels, [one.sources for one in kept]))


def _written(layers: Sequence[Code], copied: set[int], order: Sequence[int]) -> Block:
    """The layers in another order, then the identities of `copied`."""
    place = {0: 0, **{old: new for new, old in enumerate(order, start=1)}}
    moved = [Code(one.type, one.kernel, *sorted(place[source] for source in one.sources)) for one in (layers[old - 1] for old in order)]
    return (*moved, *(Code("identity", 0, number) for number in sorted(place[source] for source in copied)))


def orders(labels: Sequence[Any], sources: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Orders to write layers in, sources first, that are the same set for every way to number them; layers count from 1.

    They are sorted by depth, then by what can be told from outside: label, what is read and by whom, as far as that goes (colour
    refinement). Only layers that are alike in all this change places.
    """
    depth = [0]
    for read in sources:
        depth.append(1 + max(depth[source] for source in read))
    readers = [[reader for reader, read in enumerate(sources, start=1) if number in read] for number in range(len(sources) + 1)]
    colours = _ranks([(0, ""), *((depth[number], label) for number, label in enumerate(labels, start=1))])
    for _ in labels:
        around = zip(colours, [(), *sources], readers, strict=True)
        colours = _ranks([(own, sorted(colours[one] for one in read), sorted(colours[one] for one in by)) for own, read, by in around])
    sorted_numbers = sorted(range(1, len(labels) + 1), key=lambda number: colours[number])
    alike = [tuple(group) for _, group in groupby(sorted_numbers, key=lambda number: colours[number])]
    return (tuple(chain(*choice)) for choice in product(*(permutations(group) for group in alike)))


def _ranks(values: Sequence[Any]) -> list[int]:
    """The place of each among the different values, sorted."""
    different = [value for value, _ in groupby(sorted(values))]
    return [different.index(value) for value in values]


def parse_nsc(genes: dict[str, Any], max_blocks: int, max_width: int) -> NscGenotype:
    """The genotype with these genes, not yet canonical; `DataError` naming the gene that is wrong."""
    check_keys(genes, [field.name for field in fields(NscGenotype)], {"layers", "blocks", "width"}, "an architecture")
    rows = genes["layers"]
    if not isinstance(rows, list | tuple):
        raise DataError(f"`layers` is `{rows}`; it must be a list of layers `[index, type, kernel, pred1, pred2]`.")
    parsed = [_parse_row(f"layers[{place}]", place + 1, row) for place, row in enumerate(rows)]
    if not parsed or parsed[-1] is not None:
        raise DataError(f"`layers` does not end with a layer `[{len(rows) + 1}, {TERMINAL}, 0, 0, 0]`.")
    layers = tuple(layer for layer in parsed[:-1] if layer is not None)
    if len(layers) < len(parsed) - 1:
        raise DataError(f"`layers` holds a layer `{TERMINAL}` before its end.")
    genotype = NscGenotype(
        layers=layers,
        blocks=integer("blocks", genes["blocks"], 1, max_blocks),
        width=integer("width", genes["width"], 1, max_width),
        act=one_of("act", genes.get("act", "leaky"), ACTS),
        skip=one_of("skip", genes.get("skip", "nearest"), SKIPS),
    )
    if (twice := joins_twice(layers)) is not None:
        raise DataError(f"`layers[{twice - 1}]` joins a layer to itself. Leave it out, or name two different layers.")
    return genotype


def _parse_row(where: str, number: int, row: Any) -> Code | None:
    """The layer in a row; None for the terminal."""
    if not isinstance(row, list | tuple) or len(row) != 5:
        raise DataError(f"`{where}` is `{row}`; it must be `[index, type, kernel, pred1, pred2]`.")
    integer(f"{where}.index", row[0], number, number)
    if one_of(f"{where}.type", row[1], (*KERNELS, TERMINAL)) == TERMINAL:
        for name, value in zip(("kernel", "pred1", "pred2"), row[2:], strict=True):
            integer(f"{where}.{name}", value, 0, 0)
        return None
    return Code(*row[1:])


def describe_nsc(genotype: NscGenotype) -> str:
    """One line for people: `nsc 16 leaky ×3: conv3(in), conv3(1), add(in,2); skip nearest`; layers count from 1."""
    layers = ", ".join(f"{one.op}({','.join(str(source or 'in') for source in one.sources)})" for one in genotype.layers)
    return f"nsc {genotype.width} {genotype.act} ×{genotype.blocks}: {layers}; skip {genotype.skip}"
