"""Costs of repeated cells in closed form: multiply-adds, parameters, reach and the peak of activation memory."""

from __future__ import annotations

from collections.abc import Iterator

from pixsearch.signature import Signature
from pixsearch.space.chain import DYNAMIC, SKIP, Layer, first_width
from pixsearch.space.cost import BICUBIC, Conv, Predictor, bicubic_side, convolutions, has_bicubic, predictor_of
from pixsearch.space.dag import EXPANSION, CellGenotype, loose_ends
from pixsearch.space.memory import Tape, run_between_ends, run_conv, run_predictor

REACH = {"conv3": 1, "conv5": 2, "dw3": 1, "dw5": 2, "dil3": 2, "ib3": 1, SKIP: 0, "dynconv3": 1, "dyndw3": 1}


def layer_of(op: str, genotype: CellGenotype) -> Layer:
    """The layer that an edge with this operator is (`dil3` costs as much as `conv3`)."""
    width, act = genotype.width, genotype.act
    if op in DYNAMIC:
        return Layer(op, width, act, experts=genotype.experts, attention=genotype.attention)
    return Layer("conv3" if op == "dil3" else op, width, act, EXPANSION * width)


def first(genotype: CellGenotype) -> Layer:
    """The layer before the cells."""
    return Layer("conv3", genotype.width, genotype.act)


def tail(genotype: CellGenotype, signature: Signature) -> Conv:
    """The last convolution, to all sub-pixels of an input pixel."""
    return Conv(genotype.width, signature.out_channels * signature.scale**2, 3)


def edge_convolutions(op: str, genotype: CellGenotype) -> list[Conv]:
    """The convolutions of an edge; the identity has none."""
    return [] if op == SKIP else convolutions(layer_of(op, genotype), genotype.width)


def merge(genotype: CellGenotype) -> Conv:
    """The 1×1 at the end of a cell."""
    return Conv(len(loose_ends(genotype.nodes)) * genotype.width, genotype.width, 1)


def all_convolutions(genotype: CellGenotype, signature: Signature) -> Iterator[Conv]:
    """All trained convolutions from the input to the output."""
    yield from convolutions(first(genotype), first_width(genotype, signature))
    cell = [conv for node in genotype.nodes for edge in node for conv in edge_convolutions(edge.op, genotype)]
    for _ in range(genotype.cells):
        yield from cell
        yield merge(genotype)
    yield tail(genotype, signature)


def predictor(genotype: CellGenotype, signature: Signature) -> Predictor | None:
    """What predicts the coefficients of all cells from what enters the first; None in a static network."""
    return predictor_of(all_convolutions(genotype, signature), genotype.width)


def params(genotype: CellGenotype, signature: Signature) -> int:
    """Trained values, those of all experts among them."""
    predicted = predictor(genotype, signature)
    return sum(conv.params for conv in all_convolutions(genotype, signature)) + (predicted.params if predicted else 0)


def macs_per_input_pixel(genotype: CellGenotype, signature: Signature) -> int:
    """Multiply-adds an input pixel; a fixed bicubic skip is counted too."""
    macs = sum(conv.weights for conv in all_convolutions(genotype, signature))
    if has_bicubic(genotype, signature):
        macs += tail(genotype, signature).outputs * bicubic_side(genotype) ** 2
    return macs


def radius(genotype: CellGenotype, signature: Signature) -> int:
    """Input pixels to each side that an output pixel depends on, at most."""
    reaches = [0]
    for node in genotype.nodes:
        reaches.append(max(reaches[edge.source] + REACH[edge.op] for edge in node))
    reach = genotype.cells * max(reaches) + 2
    return max(reach, BICUBIC if has_bicubic(genotype, signature) else 0)


def peak_values(genotype: CellGenotype, signature: Signature, height: int, width: int) -> int:
    """Most activation values alive at once for one input of `height` × `width`.

    As for chains (`memory.peak_values`); nodes are computed in their order, and an edge adds its output to the one before it.
    """
    pixels = height * width

    def body(tape: Tape, folded: int) -> tuple[int, list[int]]:
        current = tape.run([folded], genotype.width * pixels)
        predicted = predictor(genotype, signature)
        coefficients = [] if predicted is None else [run_predictor(tape, predicted, current)]
        for _ in range(genotype.cells):
            current = _run_cell(tape, genotype, current, coefficients, pixels)
        return tape.run([current], tail(genotype, signature).outputs * pixels), []

    return run_between_ends(genotype, signature, height, width, body)


def _run_cell(tape: Tape, genotype: CellGenotype, source: int, coefficients: list[int], pixels: int) -> int:
    values = [source]
    for node in genotype.nodes:
        made = [_run_edge(tape, edge.op, genotype, values[edge.source], coefficients, pixels) for edge in node]
        values.append(_run_sum(tape, made, [edge.op for edge in node]))
    loose = [values[number + 1] for number in loose_ends(genotype.nodes)]
    joined = tape.run(loose, sum(tape.sizes[one] for one in loose)) if len(loose) > 1 else loose[0]
    return tape.run_in_place([source, tape.run([joined], genotype.width * pixels)])


def _run_edge(tape: Tape, op: str, genotype: CellGenotype, source: int, coefficients: list[int], pixels: int) -> int:
    current = source
    for conv in edge_convolutions(op, genotype):
        current = run_conv(tape, conv, current, coefficients, pixels)
    return current


def _run_sum(tape: Tape, made: list[int], ops: list[str]) -> int:
    """A sum writes over what an operator made, but not over what other nodes may read."""
    if len(made) == 1:
        return made[0]
    if all(op == SKIP for op in ops):
        return tape.run(made, tape.sizes[made[0]])
    return tape.run_in_place(sorted(made, key=lambda one: ops[made.index(one)] != SKIP))
