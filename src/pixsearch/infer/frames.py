"""Raw frames through a model that demosaics them."""

from __future__ import annotations

import numpy as np

from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import MEMORY_BYTES, apply_inputs
from pixsearch.pixels.raw import Frame
from pixsearch.pixels.types import Picture
from pixsearch.tasks.base import Task


def apply_frame(model: OnnxModel, task: Task, frame: Frame, *, memory_bytes: int = MEMORY_BYTES) -> Picture:
    """The frame as RGB of its own size, uint8 (H, W, 3), whatever its pattern and however odd its sides."""
    levels, (top, left) = frame.levels()
    whole = apply_inputs(model, task, {task.signature.inputs[0].name: levels}, memory_bytes=memory_bytes)
    height, width = frame.size
    return np.ascontiguousarray(whole[top : top + height, left : left + width])
