"""Small cuts out of the pictures for the report, taken where the trivial baseline errs most, not where the sky is flat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pixsearch.pixels.files import write_picture
from pixsearch.pixels.types import Picture
from pixsearch.tasks.base import Pair, Planes, Task

PER_PICTURE = 2


@dataclass(frozen=True)
class Box:
    """A square of `side` output pixels at `top`, `left`; all three are multiples of the scale. `error` ranks it."""

    picture: str
    top: int
    left: int
    side: int
    error: float = 0.0

    @property
    def corners(self) -> list[int]:
        """[left, top, right, bottom] in output pixels."""
        return [self.left, self.top, self.left + self.side, self.top + self.side]


def worst_boxes(name: str, output: Planes, truth: Planes, side: int, scale: int, count: int = PER_PICTURE) -> list[Box]:
    """Up to `count` boxes apart from each other where `output` and `truth` (C, H, W) differ most, worst first.

    `side` is lowered to the picture's size and to a multiple of `scale`.
    """
    height, width = truth.shape[-2:]
    side = min(side, height, width) // scale * scale
    error = np.square(np.clip(output, 0, 1) - truth).mean(axis=0)
    sums = _window_sums(error, side)[::scale, ::scale].copy()
    boxes: list[Box] = []
    for _ in range(count):
        row, column = np.unravel_index(int(np.argmax(sums)), sums.shape)
        worst = float(sums[row, column])
        if worst < 0 or (boxes and worst == 0):
            break
        boxes.append(Box(name, int(row) * scale, int(column) * scale, side, worst / side**2))
        apart = side // scale
        sums[max(0, row - apart + 1) : row + apart, max(0, column - apart + 1) : column + apart] = -1
    return boxes


def _window_sums(values: npt.NDArray[np.floating], side: int) -> npt.NDArray[np.float64]:
    """Sums over all whole windows of `side`², (H − side + 1, W − side + 1)."""
    total = cv2.integral(values.astype(np.float64))
    sums: npt.NDArray[np.float64] = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    return sums


def choose(candidates: Iterable[Box], most: int) -> list[Box]:
    """At most `most` boxes: every picture's worst before any picture's second, larger errors first; then in the pictures' order."""
    by_picture: dict[str, list[Box]] = {}
    for box in candidates:
        by_picture.setdefault(box.picture, []).append(box)
    ranked = sorted(
        ((rank, -box.error, order, box) for order, boxes in enumerate(by_picture.values()) for rank, box in enumerate(boxes)),
        key=lambda item: item[:3],
    )
    kept = [box for *_, box in ranked[:most]]
    order = {name: number for number, name in enumerate(by_picture)}
    return sorted(kept, key=lambda box: (order[box.picture], -box.error))


class CropBook:
    """Writes the crops of every method at the same boxes as PNG files in `folder`, named by box and method."""

    def __init__(self, folder: Path, boxes: list[Box]) -> None:
        self.folder, self.boxes = folder, boxes

    def at(self, picture: str) -> list[tuple[int, Box]]:
        """The boxes in `picture` with their numbers."""
        return [(number, box) for number, box in enumerate(self.boxes) if box.picture == picture]

    def add(self, method: str, task: Task, name: str, pair: Pair, output: Planes) -> dict[int, str]:
        """Crops of `output`, decoded to RGB, at the boxes in picture `name`: file names by box number."""
        boxes = self.at(name)
        if not boxes:
            return {}
        picture = task.decode(output, pair.inputs)
        return {number: self._write(number, method, cut(picture, box)) for number, box in boxes}

    def add_sides(self, name: str, pair: Pair, task: Task) -> dict[int, tuple[str, str]]:
        """Crops of the input, enlarged by pixel repetition, and of the truth: file names by box number."""
        shown, scale = task.view(pair.inputs), task.scale
        return {
            number: (
                self._write(number, "input", cut_input(shown, box, scale)),
                self._write(number, "truth", cut(pair.truth, box)),
            )
            for number, box in self.at(name)
        }

    def _write(self, number: int, method: str, pixels: Picture) -> str:
        name = f"{number + 1:02d}-{method}.png"
        self.folder.mkdir(parents=True, exist_ok=True)
        write_picture(self.folder / name, pixels)
        return f"{self.folder.name}/{name}"


def cut(picture: Picture, box: Box) -> Picture:
    """The part of `picture` (H, W, 3) under `box`."""
    return np.ascontiguousarray(picture[box.top : box.top + box.side, box.left : box.left + box.side])


def cut_input(picture: Picture, box: Box, scale: int) -> Picture:
    """The part of the input under `box`, each of its pixels shown as `scale`² pixels."""
    inner = cut(picture, Box(box.picture, box.top // scale, box.left // scale, box.side // scale))
    return inner.repeat(scale, axis=0).repeat(scale, axis=1)
