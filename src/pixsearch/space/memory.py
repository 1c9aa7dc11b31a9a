"""Peak activation memory of a chain: its operators in order, and which values are alive while each runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pixsearch.signature import Signature
from pixsearch.space.chain import Ends, Layer, MobileGenotype, block, first_dynamic, folded_width, input_widths, nearest_sources
from pixsearch.space.cost import BICUBIC, Conv, Predictor, convolutions, has_bicubic, predictor, tail


@dataclass
class Tape:
    """Operators in the order they run; each reads arrays and writes a new one, or over one it reads."""

    sizes: list[int] = field(default_factory=list)
    reads: list[list[int]] = field(default_factory=list)
    born: list[int] = field(default_factory=list)
    over: dict[int, list[int]] = field(default_factory=dict)

    def run(self, reads: list[int], size: int) -> int:
        """Record an operator that writes a new array of `size` values; returns the array's number."""
        self.reads.append(reads)
        self.sizes.append(size)
        self.born.append(len(self.reads) - 1)
        return len(self.sizes) - 1

    def run_in_place(self, reads: list[int]) -> int:
        """Record an operator that writes over one of the largest arrays it reads, unless a later one still reads all of those."""
        size = max(self.sizes[array] for array in reads)
        self.over[len(self.sizes)] = [array for array in reads if self.sizes[array] == size]
        return self.run(reads, size)

    def hand_out(self, arrays: list[int]) -> None:
        """What the network gives stays to the end."""
        self.reads.append(arrays)

    def peak(self) -> int:
        """Most values alive at once: from the operator that writes an array to the last one that reads it."""
        died = list(self.born)
        for time, arrays in enumerate(self.reads):
            for array in arrays:
                died[array] = time
        for array, operands in self.over.items():
            free = [operand for operand in operands if died[operand] == self.born[array]]
            if free:  # its buffer goes on as that of the result
                died[free[0]] -= 1
        alive = [0] * len(self.reads)
        for size, first, last in zip(self.sizes, self.born, died, strict=True):
            for time in range(first, last + 1):
                alive[time] += size
        return max(alive)


def peak_values(genotype: MobileGenotype, signature: Signature, height: int, width: int) -> int:
    """Most activation values alive at once for one input of `height` × `width`, a multiple of the genotype's block."""
    pixels = height * width // block(genotype) ** 2

    def body(tape: Tape, folded: int) -> tuple[int, list[int]]:
        states = [tape.run([], port.channels * pixels) for port in signature.state]
        current = tape.run([folded, *states], input_widths(genotype, signature)[0] * pixels) if states else folded
        coefficients: list[int] = []
        predicted, first = predictor(genotype, signature), first_dynamic(genotype)
        for place, (layer, inputs) in enumerate(zip(genotype.layers, input_widths(genotype, signature), strict=False)):
            if predicted is not None and place == first:
                coefficients = [run_predictor(tape, predicted, current)]
            current = _run_layer(tape, layer, inputs, current, coefficients, pixels)
        following = [tape.run([current], tape.sizes[state]) for state in states]
        return tape.run([current], tail(genotype, signature).outputs * pixels), following

    return run_between_ends(genotype, signature, height, width, body)


Inside = Callable[[Tape, int], tuple[int, list[int]]]
"""Records everything from the folded input on; gives the tail's output and the next states."""


def run_between_ends(genotype: Ends, signature: Signature, height: int, width: int, body: Inside) -> int:
    """The peak of a network that is `body` between its ends.

    While an operator runs, its inputs, its output and whatever a later operator still reads (the input for the global
    skip, a block's input for its residual) are alive. Activations and additions write over an operand, as fused
    kernels do; space-to-depth, pixel-shuffle, padding and repeating copy. A state is joined to the input by a copy, and the next one
    stays until the end. Weights do not count, but for kernels that are computed.
    """
    tape = Tape()
    source = tape.run([], signature.in_channels * height * width)
    folded = source if block(genotype) == 1 else tape.run([source], tape.sizes[source])
    current, following = body(tape, folded)
    if has_bicubic(genotype, signature):
        padded = tape.run([source], signature.out_channels * (height + 2 * BICUBIC) * (width + 2 * BICUBIC))
        added = tape.run([padded], tape.sizes[current])
    else:
        added = _run_nearest(tape, genotype, signature, folded, tape.sizes[current])
    current = tape.run_in_place([added, current])
    if signature.scale * block(genotype) > 1:
        current = tape.run([current], tape.sizes[current])
    tape.hand_out([current, *following])
    return tape.peak()


def run_predictor(tape: Tape, predicted: Predictor, source: int) -> int:
    """The means of all channels, and the coefficients."""
    return tape.run([tape.run([source], predicted.inputs)], predicted.outputs)


def run_conv(tape: Tape, conv: Conv, source: int, coefficients: list[int], pixels: int) -> int:
    """A convolution of `pixels`, its kernel before it where that is computed from the `coefficients`."""
    kernel = [tape.run(coefficients, conv.weights)] if conv.experts else []
    return tape.run([source, *kernel], conv.outputs * pixels)


def _run_layer(tape: Tape, layer: Layer, inputs: int, source: int, coefficients: list[int], pixels: int) -> int:
    current = source
    for conv in convolutions(layer, inputs):
        current = run_conv(tape, conv, current, coefficients, pixels)
    return tape.run_in_place([source, current]) if layer.residual else current


def _run_nearest(tape: Tape, genotype: Ends, signature: Signature, folded: int, size: int) -> int:
    """Repeating copies, unless one channel or all channels as they are will do."""
    sources = nearest_sources(signature, block(genotype))
    if len(set(sources)) == 1 or sources == list(range(folded_width(genotype, signature))):
        return folded
    return tape.run([folded], size)
