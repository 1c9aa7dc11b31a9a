"""A training's curves for TensorBoard, out of the same events that the record holds."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pixsearch.errors import MachineError
from pixsearch.events import Event

if TYPE_CHECKING:
    from tensorboard.summary import Writer

CURVES = {
    "step": {"loss": "train/loss", "rate": "train/rate", "samples_per_s": "train/samples_per_s"},
    "validation": {"psnr_db": "validation/psnr_db", "ssim": "validation/ssim"},
}
"""Which fields of which events become which curves."""


class TensorBoard:
    """A listener of events that draws `CURVES` into files in `folder`; use it as a context manager around the stage.

    A resumed training adds a file to those of its parts before. `MachineError` where TensorBoard is not installed; a full disk makes
    it fall silent, and the training goes on.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError:
            raise MachineError(
                "TensorBoard is not installed. Run `pip install 'pixsearch[tensorboard]'`, or leave `--tensorboard` out."
            ) from None
        self._folder, self._open = folder, Writer
        self._writer: Writer | None = None
        self._silent = False

    def __call__(self, event: Event) -> None:
        """Add the event's points, if it has any."""
        curves = CURVES.get(event["kind"], {})
        points = {tag: event[field] for field, tag in curves.items() if event.get(field) is not None}
        if points and not self._silent:
            try:
                self._write(points, event)
            except OSError:
                self._silent = True

    def _write(self, points: dict[str, float], event: Event) -> None:
        if self._writer is None:  # not before the stage has made its folder
            self._writer = self._open(str(self._folder))
        for tag, value in points.items():
            self._writer.add_scalar(tag, value, event["step"], wall_time=event["time"])
        self._writer.flush()

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
