"""Video files frame by frame, through OpenCV: read forwards, written forwards, never more than one frame in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what FFmpeg would print is in the errors raised here

import cv2
import numpy as np

from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.pixels.types import Picture

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv", ".y4m")
"""What counts as a video file."""

CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
"""What can be written, by suffix: MPEG-4 part 2, or Motion JPEG."""

_USUAL = 25.0  # frames a second of a file that does not say


@dataclass(frozen=True)
class VideoFacts:
    """Frames a second, and how many frames the file says it has (0 when it does not say)."""

    fps: float
    count: int


def is_video(path: Path) -> bool:
    """Whether the file at `path` is called as videos are."""
    return path.suffix.lower() in SUFFIXES


def video_facts(path: Path) -> VideoFacts:
    """What the file at `path` says of itself; `DataError` when it is no video."""
    source = _opened(path)
    try:
        fps, count = source.get(cv2.CAP_PROP_FPS), source.get(cv2.CAP_PROP_FRAME_COUNT)
        return VideoFacts(float(fps) if 0 < fps < 1000 else _USUAL, max(0, int(count)))
    finally:
        source.release()


def read_frames(path: Path, start: int = 0) -> Iterator[Picture]:
    """The frames of the video at `path` from number `start` on, upright, uint8 RGB (H, W, 3); deeper ones are reduced to 8 bits.

    `DataError` when it is no video, holds no frame at `start`, or its frames change their size.
    """
    source = _opened(path)
    try:
        if start:
            source.set(cv2.CAP_PROP_POS_FRAMES, start)
        shape: tuple[int, ...] | None = None
        while True:
            there, frame = source.read()
            if not there:
                break
            if shape is not None and frame.shape != shape:
                raise DataError(
                    f"`{path.name}` changes its size from {shape[1]}×{shape[0]} to {frame.shape[1]}×{frame.shape[0]}. Cut it there."
                )
            shape = frame.shape
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        source.release()
    if shape is None:
        raise DataError(
            f"`{path.name}` holds no frame that can be decoded{f' at number {start}' if start else ''}. It is damaged or empty."
        )


def _opened(path: Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise DataError(f"There is no video `{path}`. Check the path.")
    source = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not source.isOpened():
        source.release()
        raise DataError(f"`{path.name}` is no video that can be decoded. It is damaged, or its codec is unknown to OpenCV.")
    return source


class VideoFile:
    """A video being written; use it as a context manager. It stands at `part_of(path)`, which an error removes; who wrote it renames it.

    `UsageError` for a suffix that cannot be written, `MachineError` when the encoder refuses.
    """

    def __init__(self, path: Path, fps: float) -> None:
        check_suffix(path)
        self.path, self._fps = path, fps
        self.part = self.part_of(path)
        self._writer: cv2.VideoWriter | None = None
        self._size: tuple[int, int] = (0, 0)

    @staticmethod
    def part_of(path: Path) -> Path:
        """Where the video for `path` is written."""
        return path.with_name(f".{path.stem}.part{path.suffix}")

    def write(self, frame: Picture) -> None:
        """The next frame, uint8 RGB (H, W, 3), all of one size."""
        if self._writer is None:
            self._writer = self._begun(frame)
        if frame.shape[1::-1] != self._size:
            raise DataError(
                f"`{self.path.name}` has frames of {self._size[0]}×{self._size[1]} and was given {frame.shape[1]}×{frame.shape[0]}."
            )
        self._writer.write(np.ascontiguousarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)))

    def _begun(self, frame: Picture) -> cv2.VideoWriter:
        self._size = frame.shape[1], frame.shape[0]
        codec = CODECS[self.path.suffix.lower()]
        self.part.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(self.part), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), self._fps, self._size)
        if not writer.isOpened():
            raise MachineError(f"OpenCV cannot write `{self.path.name}` with the codec {codec}. Write a folder of frames instead.")
        return writer

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.release()
        if kind is not None:
            self.part.unlink(missing_ok=True)


def check_suffix(path: Path) -> None:
    """`UsageError` for a video that cannot be written."""
    if path.suffix.lower() not in CODECS:
        raise UsageError(f"`{path}` has a suffix that cannot be written as a video. Use one of {', '.join(CODECS)}, or name a folder.")
