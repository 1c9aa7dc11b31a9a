"""Costs of chains of dense blocks in closed form: multiply-adds, parameters, reach and the peak of activation memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pixsearch.signature import Signature
from pixsearch.space.cost import Conv, bicubic_side, has_bicubic
from pixsearch.space.dense import Block, ErdbGenotype, block_inputs, groups_of, has_context, paths_of
from pixsearch.space.memory import Tape, run_between_ends

REPEATS = 3  # how often a context block applies each 3×3


def ends(genotype: ErdbGenotype, signature: Signature) -> list[Conv]:
    """The trained convolutions around the blocks: before them, the two that fuse their outputs, and the last."""
    width, joined = genotype.width, sum(block.width for block in genotype.blocks)
    return [Conv(signature.in_channels, width, 3), Conv(joined, width, 1), Conv(width, width, 3), tail(genotype, signature)]


def tail(genotype: ErdbGenotype, signature: Signature) -> Conv:
    """The last convolution, to all sub-pixels of an input pixel."""
    return Conv(genotype.width, signature.out_channels * signature.scale**2, 3)


def block_convolutions(block: Block, inputs: int) -> Iterator[Conv]:
    """The convolutions of one block that takes `inputs` channels."""
    growth, last = block.growth, block.convs - 1
    paths = paths_of(block, inputs)
    if paths.entry:
        yield Conv(inputs, growth, 1)
    for number in range(block.convs):
        joined = (number + 2) * growth
        match block.kind:
            case "shrink":
                yield Conv(growth, growth, 3)
                yield Conv(joined, block.width if number == last else growth, 1)
            case "group":
                yield Conv((number + 1) * growth, growth, 3, groups=groups_of(number))
                if number == last:
                    yield Conv(joined, block.width, 1)
            case _:
                yield Conv(growth, growth, 3, uses=REPEATS / 4)
                yield Conv(joined // 4, block.width, 1) if number == last else Conv(joined, growth, 1, uses=1 / 4)
    if paths.shortcut == "match":
        yield Conv(inputs, block.width, 1)


@cache
def _block_costs(block: Block, inputs: int) -> tuple[float, int]:
    """Multiply-adds an input pixel and parameters of one block."""
    convs = list(block_convolutions(block, inputs))
    return sum(conv.macs for conv in convs), sum(conv.params for conv in convs)


def params(genotype: ErdbGenotype, signature: Signature) -> int:
    """Trained values; weights that are used several times count once."""
    blocks = zip(genotype.blocks, block_inputs(genotype), strict=True)
    return sum(_block_costs(*pair)[1] for pair in blocks) + sum(conv.params for conv in ends(genotype, signature))


def macs_per_input_pixel(genotype: ErdbGenotype, signature: Signature) -> float:
    """Multiply-adds an input pixel, exact (a multiple of a quarter); a fixed bicubic skip is counted too."""
    blocks = zip(genotype.blocks, block_inputs(genotype), strict=True)
    macs = sum(_block_costs(*pair)[0] for pair in blocks) + sum(conv.macs for conv in ends(genotype, signature))
    if has_bicubic(genotype, signature):
        macs += tail(genotype, signature).outputs * bicubic_side(genotype) ** 2
    return macs


def radius(genotype: ErdbGenotype) -> int:
    """Input pixels to each side that an output pixel depends on, at most; even where a part runs at half the size.

    A pixel and its neighbour are followed backwards: which of them begins a 2×2 decides how far a context block takes them. A
    bicubic skip reaches less far.
    """
    reach = 0
    for place in (0, 1):
        low, high = place - 2, place + 2  # the last 3×3 and the one before it
        for block in reversed(genotype.blocks):
            if block.kind == "context":
                cells = REPEATS * block.convs
                low, high = 2 * (low // 2 - cells), 2 * (high // 2 + cells) + 1
            else:
                low, high = low - block.convs, high + block.convs
        reach = max(reach, place - low + 1, high - place + 1)  # and the first 3×3
    return reach + reach % 2 if has_context(genotype) else reach


def peak_values(genotype: ErdbGenotype, signature: Signature, height: int, width: int) -> int:
    """Most activation values alive at once for one input of `height` × `width`, both even where a part runs at half the size.

    As for chains (`memory.run_between_ends`); joining copies.
    """
    pixels = height * width

    def inside(tape: Tape, source: int) -> tuple[int, list[int]]:
        first = current = tape.run([source], genotype.width * pixels)
        outputs = []
        for block, inputs in zip(genotype.blocks, block_inputs(genotype), strict=True):
            current = _run_block(tape, block, inputs, current, pixels)
            outputs.append(current)
        if len(outputs) > 1:
            current = tape.run(outputs, sum(tape.sizes[output] for output in outputs))
        current = tape.run([current], genotype.width * pixels)
        current = tape.run([current], genotype.width * pixels)
        current = tape.run_in_place([first, current])
        return tape.run([current], tail(genotype, signature).outputs * pixels), []

    return run_between_ends(genotype, signature, height, width, inside)


def _run_block(tape: Tape, block: Block, inputs: int, source: int, pixels: int) -> int:
    paths = paths_of(block, inputs)
    inner = tape.run([source], block.growth * pixels) if paths.entry else source
    run = {"shrink": _run_shrink, "group": _run_group, "context": _run_context}[block.kind]
    current = run(tape, block, inner, pixels)
    if paths.shortcut == "match":
        return tape.run_in_place([current, tape.run([source], block.width * pixels)])
    return tape.run_in_place([source if paths.shortcut == "input" else inner, current])


def _run_shrink(tape: Tape, block: Block, inner: int, pixels: int) -> int:
    joined = current = inner
    for number in range(block.convs):
        made = tape.run([current], block.growth * pixels)
        joined = tape.run([joined, made], (number + 2) * block.growth * pixels)
        current = tape.run([joined], (block.width if number == block.convs - 1 else block.growth) * pixels)
    return current


def _run_group(tape: Tape, block: Block, inner: int, pixels: int) -> int:
    joined = inner
    for number in range(block.convs):
        made = tape.run([joined], block.growth * pixels)
        joined = tape.run([joined, made], (number + 2) * block.growth * pixels)
    return tape.run([joined], block.width * pixels)


def _run_context(tape: Tape, block: Block, inner: int, pixels: int) -> int:
    quarter = block.growth * pixels // 4
    joined = current = tape.run([inner], quarter)
    for number in range(block.convs):
        for _ in range(REPEATS):
            current = tape.run([current], quarter)
        joined = tape.run([joined, current], (number + 2) * quarter)
        if number < block.convs - 1:
            current = tape.run([joined], quarter)
    shuffled = tape.run([joined], tape.sizes[joined])
    return tape.run([shuffled], block.width * pixels)
