"""Run a model on a picture of any size, window by window, with the result of running it whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pixsearch.card import ModelCard
from pixsearch.errors import DataError
from pixsearch.infer.ports import size_text
from pixsearch.infer.session import OnnxModel
from pixsearch.interrupt import check_stop
from pixsearch.pixels.types import Picture
from pixsearch.space.base import FRAME, read_genotype
from pixsearch.tasks.base import Planes, Task

Samples = npt.NDArray[Any]
Encode = Callable[[str, Samples], Planes]
Decode = Callable[[Planes, dict[str, Samples]], Samples]

MEMORY_BYTES = 256 * 2**20
"""What the arrays of one window may take, unless told otherwise."""

DECODE_RADIUS = 4
"""Input pixels around a pixel that decoding may look at: bicubic reaches 2, enlarged or at the same size."""

_DECODE_BYTES = 64  # a pixel of output while it is decoded: float planes, their colours and their rounding
_RUNTIME = 2.0  # what ONNX Runtime holds for each byte of activations: packed copies, and its arena's rounding up
_LONGEST = 512  # larger windows are slower: their activations no longer stay in the cache


@dataclass(frozen=True)
class Span:
    """One window along one axis of the input: it reads `start` to `stop`, and `first` to `last` of it is kept."""

    start: int
    stop: int
    first: int
    last: int


def spans(size: int, window: int, margin: int, multiple: int) -> list[Span]:
    """Windows of `window` pixels that cover `size`; each keeps what lies `margin` inside it, or at the picture's edge.

    All begin at multiples of `multiple` and are `window` long, but for the last, which may lack fewer than `multiple`
    pixels; a picture that is no longer than `window` is one. `window` is a multiple of `multiple`, above 2·`margin`.
    """
    if size <= window:
        return [Span(0, size, 0, size)]
    step = (window - 2 * margin) // multiple * multiple
    end = math.ceil((size - window) / multiple) * multiple
    starts = [*range(0, end, step), end]
    edges = [0, *(start + window - margin for start in starts[:-1]), size]
    return [Span(start, min(start + window, size), first, last) for start, first, last in zip(starts, edges[:-1], edges[1:], strict=True)]


def margin_of(card: ModelCard) -> int:
    """Input pixels that a window reads beyond what it keeps, so that what it keeps does not see its edge."""
    return max(card.receptive_radius, DECODE_RADIUS)


def window_side(card: ModelCard, memory_bytes: int = MEMORY_BYTES) -> int:
    """The side of the largest window whose arrays stay within `memory_bytes`, a multiple of `card.multiple`.

    Never so small that the margins take more than three quarters of it.
    """
    space, genotype = read_genotype(card.genotype, card.signature)
    activations = space.memory_bytes(genotype) / (FRAME[0] * FRAME[1])
    bytes_per_pixel = card.signature.scale**2 * (_RUNTIME * activations + _DECODE_BYTES)
    largest = min(math.isqrt(int(memory_bytes / bytes_per_pixel)), _LONGEST)
    least = 4 * (margin_of(card) + card.multiple)
    return max(largest, least) // card.multiple * card.multiple


def window_of(card: ModelCard, memory_bytes: int = MEMORY_BYTES) -> tuple[int, int]:
    """Height and width of the windows a picture is cut into: the one shape that the file takes, or squares of `window_side`."""
    side = window_side(card, memory_bytes)
    return card.shape or (side, side)


def run_windows(
    model: OnnxModel, inputs: Mapping[str, Samples], encode: Encode, decode: Decode, window: tuple[int, int]
) -> Iterator[tuple[slice, slice, Samples]]:
    """Each window's place in the output (rows, columns) and the decoded samples (h, w, C) to put there.

    `inputs` are whole arrays (H, W, …) of one size by port name. `encode` and `decode` work as a task's do and see one
    window (height, width) with its margins. `DataError` for a picture longer than a window that its margins fill.
    """
    sides = next(iter(inputs.values())).shape[:2]
    card = model.card
    _check_margins(card, sides, window)
    down, right = (spans(size, side, margin_of(card), card.multiple) for size, side in zip(sides, window, strict=True))
    whole = len(down) * len(right) == 1 and card.shape is None
    means = _means(model, inputs, encode, down, right) if card.sees_whole and not whole else None
    for rows in down:
        for columns in right:
            check_stop("Nothing of this picture was written. Run the command again.")
            seen = {name: samples[rows.start : rows.stop, columns.start : columns.stop] for name, samples in inputs.items()}
            planes = model.run({name: encode(name, samples) for name, samples in seen.items()}, means)
            decoded = decode(planes, seen)
            scale = card.signature.scale
            yield _placed(rows, scale), _placed(columns, scale), decoded[_kept(rows, scale), _kept(columns, scale)]


def _means(
    model: OnnxModel, inputs: Mapping[str, Samples], encode: Encode, down: Sequence[Span], right: Sequence[Span]
) -> npt.NDArray[np.float64]:
    """The means (C) over a whole picture of what the model's coefficients are predicted from, window by window."""
    total, count, multiple = np.zeros(()), 0, model.card.multiple
    for rows in down:
        for columns in right:
            check_stop("Nothing of this picture was written. Run the command again.")
            seen = {name: samples[rows.start : rows.stop, columns.start : columns.stop] for name, samples in inputs.items()}
            features = model.features({name: encode(name, samples) for name, samples in seen.items()})
            side = model.card.shape or tuple(-(-(span.stop - span.start) // multiple) * multiple for span in (rows, columns))
            per = [have / taken for have, taken in zip(features.shape[1:], side, strict=True)]  # a half or a quarter behind space-to-depth
            (top, bottom), (left, end) = (_covered(span, multiple, each) for span, each in zip((rows, columns), per, strict=True))
            kept = features[:, top:bottom, left:end].astype(np.float64)
            total, count = total + kept.sum((1, 2)), count + kept[0].size
    means: npt.NDArray[np.float64] = total / count
    return means


def _covered(span: Span, multiple: int, per: float) -> tuple[int, int]:
    """Where the features of what a window keeps begin and end; a last, broken block counts whole, as it is continued."""
    last = -(-(span.last - span.start) // multiple) * multiple
    return round((span.first - span.start) * per), round(last * per)


def _check_margins(card: ModelCard, sides: tuple[int, ...], window: tuple[int, int]) -> None:
    least = 2 * margin_of(card) + card.multiple
    if any(size > side and side < least for size, side in zip(sides, window, strict=True)):
        raise DataError(
            f"`{card.label}` takes {size_text(window)} pixels, too few to go through a picture of {size_text((sides[0], sides[1]))} "
            f"in windows: of each side {2 * margin_of(card)} pixels overlap. Export it with a `--shape` of at least {least}x{least}."
        )


def output_planes(model: OnnxModel, task: Task, inputs: Mapping[str, Picture], *, memory_bytes: int = MEMORY_BYTES) -> Planes:
    """The output planes (C, H·scale, W·scale), not clipped, for whole input pictures (H, W, 3) by port name, window by window."""
    height, width = next(iter(inputs.values())).shape[:2]
    signature = model.card.signature
    output = np.empty((signature.out_channels, height * signature.scale, width * signature.scale), np.float32)
    for rows, columns, part in run_windows(model, inputs, task.encode, _channels_last, window_of(model.card, memory_bytes)):
        output[:, rows, columns] = np.moveaxis(part, -1, 0)
    return output


def _channels_last(planes: Planes, inputs: dict[str, Samples]) -> Samples:
    del inputs
    return np.moveaxis(planes, 0, -1)


def _placed(span: Span, scale: int) -> slice:
    return slice(span.first * scale, span.last * scale)


def _kept(span: Span, scale: int) -> slice:
    return slice((span.first - span.start) * scale, (span.last - span.start) * scale)


def apply_inputs(model: OnnxModel, task: Task, inputs: Mapping[str, Samples], *, memory_bytes: int = MEMORY_BYTES) -> Picture:
    """Whole inputs (H, W, C) by port name through `model`, decoded: uint8 RGB (H·scale, W·scale, 3).

    The same pixels as encoding, running and decoding them whole, up to the rounding of sums (1/255 at most), within
    `memory_bytes` beside the inputs and the result.
    """
    scale = model.card.signature.scale
    height, width = next(iter(inputs.values())).shape[:2]
    result = np.empty((height * scale, width * scale, 3), np.uint8)
    for rows, columns, part in run_windows(model, inputs, task.encode, task.decode, window_of(model.card, memory_bytes)):
        result[rows, columns] = part
    return result
