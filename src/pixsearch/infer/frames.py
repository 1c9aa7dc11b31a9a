"""Raw frames through a model that demosaics them."""

from __future__ import annotations

import numpy as np

from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import MEMORY_BYTES, run_windows, window_of
from pixsearch.pixels.raw import Frame
from pixsearch.pixels.types import Picture
from pixsearch.tasks.base import Task


def apply_frame(model: OnnxModel, task: Task, frame: Frame, *, memory_bytes: int = MEMORY_BYTES) -> Picture:
    """The frame as RGB of its own size, uint8 (H, W, 3), whatever its pattern and however odd its sides."""
    levels, (top, left) = frame.levels()
    whole = np.empty((2 * levels.shape[0], 2 * levels.shape[1], 3), np.uint8)
    inputs = {task.signature.inputs[0].name: levels}
    for rows, columns, part in run_windows(model, inputs, task.encode, task.decode, window_of(model.card, memory_bytes)):
        whole[rows, columns] = part
    height, width = frame.size
    return np.ascontiguousarray(whole[top : top + height, left : left + width])
