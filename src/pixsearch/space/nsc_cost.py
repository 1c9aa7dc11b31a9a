"""Costs of repeated blocks in closed form: multiply-adds, parameters, reach and the peak of activation memory."""

from __future__ import annotations

from collections.abc import Iterator

from pixsearch.signature import Signature
from pixsearch.space.chain import Layer, first_width
from pixsearch.space.cost import BICUBIC, Conv, bicubic_side, convolutions, has_bicubic
from pixsearch.space.memory import Tape, run_between_ends
from pixsearch.space.nsc_code import Code, NscGenotype, loose_ends


def layer_of(code: Code, genotype: NscGenotype) -> Layer:
    """The layer that a convolution of a block is."""
    return Layer(code.op, genotype.width, genotype.act)


def first(genotype: NscGenotype) -> Layer:
    """The layer before the blocks."""
    return Layer("conv3", genotype.width, genotype.act)


def tail(genotype: NscGenotype, signature: Signature) -> Conv:
    """The last convolution, to all sub-pixels of an input pixel."""
    return Conv(genotype.width, signature.out_channels * signature.scale**2, 3)


def joined(count: int, genotype: NscGenotype) -> Conv:
    """The 1×1 behind `count` layers that are joined."""
    return Conv(count * genotype.width, genotype.width, 1)


def code_convolutions(code: Code, genotype: NscGenotype) -> list[Conv]:
    """The convolutions of one layer of a block."""
    match code.type:
        case "conv" | "dw":
            return convolutions(layer_of(code, genotype), genotype.width)
        case "concat":
            return [joined(2, genotype)]
        case _:
            return []


def block_convolutions(genotype: NscGenotype) -> list[Conv]:
    """The convolutions of one block."""
    inside = [conv for code in genotype.layers for conv in code_convolutions(code, genotype)]
    loose = len(loose_ends(genotype.layers))
    return [*inside, joined(loose, genotype)] if loose > 1 else inside


def all_convolutions(genotype: NscGenotype, signature: Signature) -> Iterator[Conv]:
    """All trained convolutions from the input to the output."""
    yield from convolutions(first(genotype), first_width(genotype, signature))
    for _ in range(genotype.blocks):
        yield from block_convolutions(genotype)
    yield tail(genotype, signature)


def params(genotype: NscGenotype, signature: Signature) -> int:
    """Trained values."""
    return sum(conv.params for conv in all_convolutions(genotype, signature))


def macs_per_input_pixel(genotype: NscGenotype, signature: Signature) -> int:
    """Multiply-adds an input pixel; a fixed bicubic skip is counted too."""
    macs = sum(conv.weights for conv in all_convolutions(genotype, signature))
    if has_bicubic(genotype, signature):
        macs += tail(genotype, signature).outputs * bicubic_side(genotype) ** 2
    return macs


def radius(genotype: NscGenotype, signature: Signature) -> int:
    """Input pixels to each side that an output pixel depends on, at most."""
    reaches = [0]
    for code in genotype.layers:
        reaches.append(max(reaches[source] for source in code.sources) + code.kernel // 2)
    reach = genotype.blocks * max(reaches) + 2
    return max(reach, BICUBIC if has_bicubic(genotype, signature) else 0)


def peak_values(genotype: NscGenotype, signature: Signature, height: int, width: int) -> int:
    """Most activation values alive at once for one input of `height` × `width`.

    As for chains (`memory.peak_values`); layers are computed in their order, and joining copies.
    """
    pixels = height * width

    def body(tape: Tape, folded: int) -> tuple[int, list[int]]:
        current = tape.run([folded], genotype.width * pixels)
        for _ in range(genotype.blocks):
            current = _run_block(tape, genotype, current, pixels)
        return tape.run([current], tail(genotype, signature).outputs * pixels), []

    return run_between_ends(genotype, signature, height, width, body)


def _run_block(tape: Tape, genotype: NscGenotype, source: int, pixels: int) -> int:
    values = [source]
    for code in genotype.layers:
        values.append(_run_code(tape, code, genotype, [values[number] for number in code.sources], pixels))
    loose = [values[number] for number in loose_ends(genotype.layers)]
    return _run_joined(tape, genotype, loose, pixels) if len(loose) > 1 else loose[0]


def _run_code(tape: Tape, code: Code, genotype: NscGenotype, reads: list[int], pixels: int) -> int:
    match code.type:
        case "add":
            return tape.run_in_place(reads)
        case "concat":
            return _run_joined(tape, genotype, reads, pixels)
        case _:
            current = reads[0]
            for conv in code_convolutions(code, genotype):
                current = tape.run([current], conv.outputs * pixels)
            return current


def _run_joined(tape: Tape, genotype: NscGenotype, reads: list[int], pixels: int) -> int:
    copied = tape.run(reads, sum(tape.sizes[one] for one in reads))
    return tape.run([copied], genotype.width * pixels)
