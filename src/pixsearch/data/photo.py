"""What is known of one photo, and the picture it stands for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

import numpy as np

from pixsearch.errors import DataError
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.resize import resize
from pixsearch.pixels.types import Picture
from pixsearch.pixels.videos import read_frames


@dataclass(frozen=True)
class Photo:
    """A usable photo.

    `digest` is a hash of the file's bytes; `width` and `height` are upright, before `reduce` (1, 2 or 4) divides them;
    `phash` is a 64-bit perceptual hash. Near-duplicates share `group`, which is the least digest among them.
    `input` is the user's own degraded picture of it, where pairs were given.

    A clip is one, too: the pictures `frames` of a folder, or of a video file its `span` (number of the first frame, how many).
    """

    path: Path
    digest: str
    width: int
    height: int
    format: str
    size_bytes: int
    mtime_ns: int
    reduce: int
    reason_of_reduce: str
    phash: int
    group: str
    input: Photo | None = None
    frames: tuple[Photo, ...] = ()
    span: tuple[int, int] | None = None

    @property
    def is_clip(self) -> bool:
        """Whether it has several frames."""
        return self.count > 1

    @property
    def count(self) -> int:
        """How many frames it has."""
        return self.span[1] if self.span else len(self.frames) or 1

    @property
    def key(self) -> str:
        """What decides its pixels: digest and reduction, which part of a video, and the input's."""
        own = f"{self.digest}/{self.reduce}" + (f"@{self.span[0]}+{self.span[1]}" if self.span else "")
        return f"{own}+{self.input.key}" if self.input else own

    @property
    def used_size(self) -> tuple[int, int]:
        """(width, height) after reduction."""
        return self.width // self.reduce, self.height // self.reduce

    @property
    def used_pixels(self) -> int:
        """Pixels after reduction, of all frames."""
        width, height = self.used_size
        return width * height * self.count


@dataclass(frozen=True)
class Rejected:
    """A file or folder that is left out, and why: the end of a sentence that begins with its name."""

    path: Path
    reason: str


def digest_of(path: Path) -> str:
    """32 hexadecimal digits of the BLAKE2b hash of a file's bytes; `OSError` when it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_clean(photo: Photo) -> Picture:
    """The photo's pixels, reduced as its entry says: uint8 RGB (H, W, 3), of a clip (frames, H, W, 3).

    Reduction is MATLAB's antialiased bicubic after cropping to a multiple. `DataError` when the file is gone or its
    bytes are not those that were indexed.
    """
    if photo.frames:
        return np.stack([read_clean(frame) for frame in photo.frames])
    try:
        changed = digest_of(photo.path) != photo.digest
    except OSError as error:
        raise DataError(f"`{photo.path}` has vanished since it was indexed ({error.strerror}).") from error
    if changed:
        raise DataError(f"`{photo.path}` has changed since it was indexed.")
    if photo.span is None:
        return _reduced(photo, read_picture(photo.path))
    start, count = photo.span
    frames = [_reduced(photo, frame) for frame in islice(read_frames(photo.path, start), count)]
    if len(frames) < count:
        raise DataError(f"`{photo.path}` gives {len(frames)} frames from number {start} on, but gave {count} when it was indexed.")
    return np.stack(frames)


def _reduced(photo: Photo, picture: Picture) -> Picture:
    if photo.reduce == 1:
        return picture
    width, height = photo.used_size
    return resize(picture[: height * photo.reduce, : width * photo.reduce], height, width)


def unchanged(photo: Photo) -> bool:
    """Whether the file still has the size and time it was indexed with, or all files of a clip."""
    if photo.frames:
        return all(unchanged(frame) for frame in photo.frames)
    try:
        status = photo.path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (photo.size_bytes, photo.mtime_ns)


def names_of(photos: Sequence[Photo]) -> list[str]:
    """A short name for each: the stem where stems differ, else as much of the path as tells them apart; of parts of a clip also where."""
    times = Counter(photo.path for photo in photos)
    return short_names([_part_of(photo) if times[photo.path] > 1 else photo.path for photo in photos])


def _part_of(photo: Photo) -> PurePath:
    """The path of a part of a video or of a folder, with its first frame behind the name."""
    start = photo.span[0] if photo.span else photo.frames[0].path.stem if photo.frames else ""
    return photo.path.with_name(f"{photo.path.stem}@{start}{photo.path.suffix}")


def short_names(paths: Sequence[PurePath]) -> list[str]:
    """The same for paths: `chelsea`; `a/0001` and `b/0001`; the whole path where only the suffix differs."""
    names = [path.stem for path in paths]
    for depth in range(2, 1 + max((len(path.parts) for path in paths), default=0)):
        counts = Counter(names)
        if len(counts) == len(names):
            break
        names = [_tail(path, depth) if counts[name] > 1 else name for path, name in zip(paths, names, strict=True)]
    counts = Counter(names)
    return [name if counts[name] == 1 else str(path) for path, name in zip(paths, names, strict=True)]


def _tail(path: PurePath, depth: int) -> str:
    return PurePath(*path.parts[-depth:]).with_suffix("").as_posix()
