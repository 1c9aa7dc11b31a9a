"""A video or a folder of frames in, the same out, frame by frame: memory does not grow with the length."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pixsearch.errors import DataError, UsageError
from pixsearch.infer.deep import apply_decoded
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.sound import give_sound
from pixsearch.infer.streams import Stream
from pixsearch.interrupt import check_stop
from pixsearch.pixels.files import CONTAINERS, Decoded, probe, read_decoded, write_picture
from pixsearch.pixels.types import Picture
from pixsearch.pixels.videos import VideoFile, check_suffix, is_video, read_frames, video_facts
from pixsearch.space.sequence import offsets
from pixsearch.tasks.base import Task

FPS = 25.0
"""Frames a second of a video that is made of a folder of frames."""

TELL_EVERY_S = 2.0
_LISTED = 20

Note = Callable[..., None]


def apply_clip(
    model: OnnxModel, task: Task, source: Path, destination: Path, *, sigma: float | None, memory_bytes: int, note: Note
) -> dict[str, Any]:
    """The frames of `source`, a video file or a folder of numbered pictures, through `model`, one after another.

    `destination` is a video file, or a folder that gets a PNG for each frame (a folder's frames keep their names). 16 bit and
    alpha are kept from pictures to pictures. Returns {source, file, width, height, frames, fps, seconds, sound}; `fps` is how many
    frames a second were made. Tells `note` an event `frames` now and then. A clip of one frame is one whose neighbours are missing.
    Raises DataError for frames that cannot be read or differ in size, UsageError for a destination that cannot be written.
    """
    began = told = time.perf_counter()
    names, frames = _opened(source)
    stream, number = Stream(model) if model.card.signature.state else None, 0
    last = Decoded(np.zeros((1, 1, 3), np.uint8), None, False)
    with _sink(destination, source, names) as write:
        for seen in windows(frames, getattr(task, "window", 1)):
            check_stop("The result was not finished. Run the command again.")
            last = apply_decoded(model, task, seen, sigma=sigma, memory_bytes=memory_bytes, stream=stream, follows=number > 0)
            write(number, last)
            number += 1
            if time.perf_counter() - told > TELL_EVERY_S:
                told = time.perf_counter()
                note("frames", file=str(destination), frames=number, fps=number / (told - began))
    seconds = time.perf_counter() - began
    sound, said = _finished(destination, source)
    height, width = last.pixels.shape[:2]
    done = {"source": str(source), "file": str(destination), "width": width, "height": height, "frames": number, "fps": number / seconds}
    done |= {"seconds": seconds, "sound": sound, "said": said}
    note("applied", **done)
    return done


def windows(frames: Iterable[Decoded], count: int) -> Iterator[Decoded]:
    """Each frame with those around it stacked behind it, (H, W, 3·count) in the order of `space.sequence`; `count` is odd.

    At the ends the nearest frame stands for those that are missing. At most `count` frames are held. DataError when one has
    another size or depth than the one before.
    """
    held: deque[Decoded] = deque(maxlen=count)
    for frame in _lengthened(_alike(frames), count // 2):
        held.append(frame)
        if len(held) == count:
            yield _stacked(held, count // 2)


def _lengthened(frames: Iterable[Decoded], by: int) -> Iterator[Decoded]:
    """`frames`, the first and the last repeated `by` times more."""
    last = None
    for frame in frames:
        yield from [frame] * (by + 1 if last is None else 1)
        last = frame
    yield from [] if last is None else [last] * by


def _stacked(held: deque[Decoded], half: int) -> Decoded:
    middle = held[half]
    if not half:
        return middle
    pixels = np.concatenate([held[half + offset].pixels for offset in offsets(len(held))], axis=-1)
    return Decoded(pixels, middle.alpha, middle.grey)


def _alike(frames: Iterable[Decoded]) -> Iterator[Decoded]:
    first: tuple[Any, ...] | None = None
    for number, frame in enumerate(frames):
        kind = frame.pixels.shape, frame.pixels.dtype
        if first is not None and kind != first:
            raise DataError(
                f"Frame {number} is {kind[0][1]}×{kind[0][0]} of {kind[1]}, the one before it {first[0][1]}×{first[0][0]} of {first[1]}. "
                "Frames of a clip have one size and depth."
            )
        first = kind
        yield frame


def _opened(source: Path) -> tuple[list[Path], Iterator[Decoded]]:
    """The files of the frames (none of a video's), and the frames as they are asked for."""
    if is_video(source):
        return [], (Decoded(frame, None, False) for frame in read_frames(source))
    files = frame_files(source)
    return files, (read_decoded(file) for file in files)


def frame_files(folder: Path) -> list[Path]:
    """The pictures in `folder` by the numbers in their names; DataError naming all files that are none, and sizes that differ."""
    files = sorted((path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")), key=_numbers)
    if not files:
        raise DataError(f"`{folder}` holds no frames. Give a video, or a folder of numbered pictures.")
    sizes: dict[tuple[int, int], Path] = {}
    faults = []
    for file in files:
        try:
            found = probe(file)
            sizes.setdefault((found.width, found.height), file)
        except DataError as error:
            faults.append(str(error))
    if len(sizes) > 1:
        named = ", ".join(f"`{path.name}` {width}×{height}" for (width, height), path in sizes.items())
        faults.append(f"Frames of a clip have one size, but `{folder.name}` holds {named}.")
    if faults:
        raise DataError("\n".join(faults[:_LISTED]))
    return files


def _numbers(path: Path) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", path.stem)], path.name


def _sink(destination: Path, source: Path, names: list[Path]) -> AbstractContextManager[Callable[[int, Decoded], None]]:
    """What takes the frames: a video file where `destination` has a suffix, else a folder."""
    if destination.suffix and not destination.is_dir():
        check_suffix(destination)
        return _video_sink(destination, video_facts(source).fps if is_video(source) else FPS)
    if destination.exists() and source.is_dir() and destination.resolve() == source.resolve():
        raise UsageError(f"`{destination}` holds the frames that are read, and those are not overwritten. Choose another folder.")
    destination.mkdir(parents=True, exist_ok=True)

    def write(number: int, frame: Decoded) -> None:
        name = f"{number + 1:06d}.png"
        if names:
            deep = frame.pixels.dtype == np.uint16 or frame.alpha is not None
            fits = names[number].suffix.lower() in CONTAINERS and not deep
            name = names[number].name if fits else f"{names[number].stem}.png"
        write_picture(destination / name, frame.pixels, frame.alpha, spend=True)

    return nullcontext(write)


@contextmanager
def _video_sink(destination: Path, fps: float) -> Iterator[Callable[[int, Decoded], None]]:
    """A video file that takes decoded frames."""
    with VideoFile(destination, fps) as video:
        yield lambda _, frame: video.write(_picture(frame))


def _picture(frame: Decoded) -> Picture:
    """As a video holds it: 8 bits, three channels, no alpha."""
    if frame.alpha is not None:
        raise DataError("A video cannot hold the alpha of the frames. Name a folder to write to.")
    pixels = np.asarray(cv2.convertScaleAbs(frame.pixels, alpha=1 / 257) if frame.pixels.dtype == np.uint16 else frame.pixels, np.uint8)
    return np.repeat(pixels[..., np.newaxis], 3, axis=-1) if pixels.ndim == 2 else pixels


def _finished(destination: Path, source: Path) -> tuple[str | None, str]:
    """Give a written video its sound and its name."""
    if destination.is_dir():
        return None, ""
    part = VideoFile.part_of(destination)
    sound, said = give_sound(part, source) if is_video(source) else (None, "")
    part.replace(destination)
    return sound, said
