"""Clips among the user's files: videos, and runs of numbered pictures that show nearly the same; all other pictures are photos."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pixsearch.data import phash
from pixsearch.data.index import Index, find_photos, grouped, without_copies
from pixsearch.data.inspect import require_side
from pixsearch.data.photo import Photo, Rejected, digest_of
from pixsearch.data.progress import Note, silent
from pixsearch.errors import DataError
from pixsearch.pixels.types import Picture
from pixsearch.pixels.videos import is_video, read_frames, video_facts

LEAST, MOST = 3, 32
"""Frames of a clip."""

PARTS = 4
"""Clips that are taken of a longer video or run, spread evenly over it."""


def scan_clips(
    sources: Iterable[Path],
    *,
    reduce: str = "auto",
    min_side: int = 64,
    exclude: Iterable[Path] = (),
    memo: Path | None = None,
    note: Note = silent,
) -> Index:
    """Clips and photos in `sources`, as `index.scan` finds photos; a copy is left out.

    A run is at least three pictures of one size in one folder whose names differ by a number alone, each nearly the same as the one
    before it by that number.
    """
    photos, rejected = find_photos(sources, reduce=reduce, min_side=min_side, exclude=exclude, memo=memo, note=note)
    return clips_among(photos, rejected, reduce=reduce, min_side=min_side)


def clips_among(photos: Sequence[Photo], rejected: Sequence[Rejected], *, reduce: str, min_side: int) -> Index:
    """The clips that intact photos make and that are among the rejected files, and the photos that belong to none."""
    found: list[Photo] = []
    for run in runs(photos):
        found += [of_run(run[part]) for part in parts(len(run))] if len(run) >= LEAST else run
    films = [item.path for item in rejected if is_video(item.path)]
    left = [item for item in rejected if item.path not in set(films)]
    for film in films:
        try:
            found += of_video(film, reduce, min_side)
        except DataError as error:
            left.append(Rejected(film, str(error).removeprefix(f"`{film.name}` ")))
        except OSError as error:
            left.append(Rejected(film, f"cannot be read: {error.strerror}. Mend its permissions or leave it out."))
    return Index(tuple(grouped(without_copies(found, left))), tuple(left))


def runs(photos: Sequence[Photo]) -> Iterator[list[Photo]]:
    """The photos in runs, most of them alone; in the order of each run's first."""
    alike: dict[tuple[object, ...], list[Photo]] = defaultdict(list)
    for photo in photos:
        alike[photo.path.parent, re.sub(r"\d+", "#", photo.path.name), photo.used_size].append(photo)
    for together in alike.values():
        run: list[Photo] = []
        for photo in sorted(together, key=lambda photo: [int(number) for number in re.findall(r"\d+", photo.path.name)]):
            if run and (photo.path.name == run[-1].path.name or phash.distance(photo.phash, run[-1].phash) > phash.NEAR):
                yield run
                run = []
            run.append(photo)
        yield run


def parts(count: int) -> list[slice]:
    """Which frames of `count` become clips: all of a short video, else `PARTS` clips of `MOST` frames at most, evenly spread."""
    if count <= MOST:
        return [slice(0, count)]
    number = min(PARTS, count // MOST)
    starts = [round(i * (count - MOST) / max(number - 1, 1)) for i in range(number)]
    return [slice(start, start + MOST) for start in starts]


def of_run(frames: Sequence[Photo]) -> Photo:
    """The clip that `frames` make, called after their folder."""
    first = frames[0]
    digest = hashlib.blake2b("".join(frame.key for frame in frames).encode(), digest_size=16).hexdigest()
    size_bytes, mtime_ns = sum(frame.size_bytes for frame in frames), max(frame.mtime_ns for frame in frames)
    return replace(
        first, path=first.path.parent, digest=digest, size_bytes=size_bytes, mtime_ns=mtime_ns, group=digest, frames=tuple(frames)
    )


def of_video(path: Path, reduce: str, min_side: int) -> list[Photo]:
    """The clips of a video file; `DataError` when it cannot be decoded, is too small or too short.

    All of one file count as near-duplicates of each other.
    """
    factor = 1 if reduce == "auto" else int(reduce)
    status, digest = path.stat(), digest_of(path)
    clips: list[Photo] = []
    for part in parts(video_facts(path).count or MOST):
        first, count = _looked_at(path, part, factor, min_side)
        if count >= LEAST:
            height, width = first.shape[:2]
            size = (width, height, "video", status.st_size, status.st_mtime_ns, factor, "asked for" if factor > 1 else "")
            hashed = clips[0].phash if clips else phash.perceptual_hash(first)
            clips.append(Photo(path, digest, *size, hashed, digest, span=(part.start, count)))
    if not clips:
        raise DataError(f"has fewer than {LEAST} frames. Give a longer video.")
    return clips


def _looked_at(path: Path, part: slice, factor: int, min_side: int) -> tuple[Picture, int]:
    """The first frame of a part, and how many there are."""
    frames = islice(read_frames(path, part.start), part.stop - part.start)
    first = next(frames)
    require_side(first.shape[1] // factor, first.shape[0] // factor, min_side)
    return first, 1 + sum(1 for _ in frames)
