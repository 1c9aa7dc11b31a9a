"""One frame in, one frame out: a model that keeps its state from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping

from pixsearch.infer.ports import State
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import output_planes
from pixsearch.tasks.base import Pair, Planes, Task


class Stream:
    """`model`, which may have no state, on the frames of a clip in their order. Memory does not grow with the clip.

    Frames go through whole: what a state brings from far away would be lost between tiles.
    """

    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        self._state: State | None = None

    def run(self, inputs: Mapping[str, Planes], *, follows: bool) -> Planes:
        """The output (C, H·scale, W·scale) for planes (C, H, W); the state is empty unless it `follows` the frame before."""
        output, self._state = self.model.step(inputs, self._state if follows else None)
        return output


def output_of(stream: Stream, task: Task, pair: Pair) -> Planes:
    """The output planes for a pair: window by window, or of a model with a state as the next frame of the pairs before."""
    if not stream.model.card.signature.state:
        return output_planes(stream.model, task, pair.inputs)
    return stream.run({port.name: task.encode(port.name, pair.inputs[port.name]) for port in task.signature.inputs}, follows=pair.follows)
