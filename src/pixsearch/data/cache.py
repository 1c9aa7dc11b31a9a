"""Pairs decoded once and mapped into memory: whole or absent on disk, shared by processes, small in memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from pixsearch.data.index import Photo
from pixsearch.data.operations import Inputs
from pixsearch.data.photo import names_of
from pixsearch.data.progress import Note, silent
from pixsearch.data.shelf import Held, Shelf
from pixsearch.data.writing import INDEX, PIXELS, VERSION, pair_bytes, write_pairs
from pixsearch.errors import DataError
from pixsearch.pixels.types import Picture, Samples
from pixsearch.rng import derive
from pixsearch.tasks.base import Pair, Task
from pixsearch.tasks.video import MADE, Video

FOLDER = "pairs"
RESIDENT_BYTES = 256 * 2**20
"""A larger map gives its pages back now and then: they count as the process's memory."""
AROUND = 4
"""A touched page brings its neighbours along (the system maps those it holds anyway): so many times as much is resident as was touched."""


class PairCache:
    """Pairs of whole pictures for `task`, as read-only views into one memory-mapped file, in the order of `photos`.

    `truths[i]` is (H·scale, W·scale, 3), of a clip (frames, H·scale, W·scale, 3), and `inputs[name][i]` (H, W, 3), uint8 RGB; there
    are no `inputs` where the task draws them.
    Whoever reads views directly tells `touch` how much. Safe to read from several threads; the file stays on disk as long as
    the object lives.
    """

    def __init__(self, held: Held, photos: Iterable[Photo], task: Task) -> None:
        self._held, self._task = held, task
        self.photos = tuple(photos)
        self.names = self.entries = names_of(self.photos)
        with (held.path / PIXELS).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        entries = {entry["key"]: entry for entry in _read_index(held.path)["entries"]}
        placed = [entries[photo.key] for photo in self.photos]
        self.truths = [self._view(entry["truth"]) for entry in placed]
        self.inputs = {name: [self._view(entry["inputs"][name]) for entry in placed] for name in placed[0]["inputs"]}
        self._touched = 0

    def _view(self, place: dict[str, Any]) -> Picture:
        shape = tuple(place["shape"])
        view: Picture = np.frombuffer(self._map, np.uint8, int(np.prod(shape)), place["offset"]).reshape(shape)
        return view

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: the file is mapped anew there, nothing of it is copied."""
        return _mapped_anew, (self._held.path, self.photos, self._task)

    def __len__(self) -> int:
        return len(self.photos)

    def pair(self, index: int) -> Pair:
        """The pair of picture `index`, as views: nothing is read before it is looked at.

        Inputs that a task draws are drawn from the photo's contents, so they are the same at every look.
        """
        truth, inputs = self.truths[index], {name: views[index] for name, views in self.inputs.items()}
        self.touch(truth.nbytes + sum(view.nbytes for view in inputs.values()))
        return Pair(inputs, truth) if inputs else self._task.drawn(truth, derive(0, self.photos[index].key))

    @property
    def origin(self) -> Inputs:
        """Where inputs come from."""
        if not self.inputs:
            return "drawn"
        return "made" if all(photo.input is None for photo in self.photos) else "given"

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every truth."""
        return [(truth.shape[-3], truth.shape[-2]) for truth in self.truths]

    @property
    def pixels(self) -> int:
        """Pixels of all truths."""
        return sum(height * width for height, width in self.sizes)

    @property
    def total_bytes(self) -> int:
        """Bytes on disk."""
        return len(self._map)

    def touch(self, count: int) -> None:
        """Note that `count` mapped bytes are about to be read; gives pages back when they add up."""
        self._touched += count
        if AROUND * self._touched > RESIDENT_BYTES:
            self.release()

    def release(self) -> None:
        """Give the resident pages back to the system; views stay valid and are read again when looked at."""
        self._touched = 0
        if self.total_bytes > RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


class ClipCache(PairCache):
    """Pairs of the single frames of clips, clip by clip in the order of time; of a photo, those of a clip that is made of it.

    `truths` and `entries` are whole clips and photos; `names` (`walk/003`), `sizes` and pairs are frames. Noise and motion follow from
    the contents, so they are the same at every look. Frames are best looked at in their order: those around one are kept.
    """

    def __init__(self, held: Held, photos: Iterable[Photo], task: Video) -> None:
        super().__init__(held, photos, task)
        self._video = task
        self._places = [(entry, time) for entry, photo in enumerate(self.photos) for time in range(photo.count if photo.is_clip else MADE)]
        self.names = [f"{self.entries[entry]}/{time:03d}" for entry, time in self._places]
        self._made: tuple[int, list[Picture]] = (-1, [])
        self._seen: dict[tuple[int, int], Samples] = {}

    def __len__(self) -> int:
        return len(self._places)

    def pair(self, index: int) -> Pair:
        """The pair of frame number `index` with the frames around it."""
        entry, time = self._places[index]
        truth = self.truths[entry]
        self.touch(truth.nbytes if truth.ndim == 3 else self._video.window * truth[0].nbytes)
        frames = self._frames(entry)
        return self._video.among(frames, time, lambda number: self._look(entry, number, frames[number]))

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every frame's truth."""
        whole = super().sizes
        return [whole[entry] for entry, _ in self._places]

    def _look(self, entry: int, time: int, frame: Picture) -> Samples:
        """What is seen of a frame; those around the frame that was asked for last are kept."""
        known = self._seen.get((entry, time))
        if known is None:
            known = self._video.seen(frame, self._seed(entry), time)
            kept = list(self._seen.items())[-2 * self._video.window :]
            self._seen = {**dict(kept), (entry, time): known}
        return known

    def _frames(self, entry: int) -> list[Picture]:
        truth = self.truths[entry]
        if truth.ndim == 4:
            return list(truth)
        if self._made[0] != entry:
            self._made = entry, self._video.clip(truth, self._seed(entry))
        return self._made[1]

    def _seed(self, entry: int) -> int:
        return derive(0, self.photos[entry].key)


def build_cache(photos: Iterable[Photo], task: Task, folder: Path, cap_bytes: int, note: Note = silent) -> PairCache:
    """The pairs of `photos` for `task`, out of the cache folder or decoded into it now; indices follow `photos`.

    The cache is found again by the photos' contents, their reductions and the task, wherever the files lie. Raises
    `DataError` for no photos, photos that changed since they were indexed, and more than `cap_bytes`; `MachineError` for a full disk.
    Tells `note` an event `cache` {action: "built" | "reused", pictures, bytes, seconds, path}.
    """
    photos = list(photos)
    if not photos:
        raise DataError("There are no photos to cache. Give folders that hold some.")
    start = monotonic()
    unique = list({photo.key: photo for photo in photos}.values())
    shelf = Shelf(folder / FOLDER, cap_bytes, note)
    built: list[Path] = []

    def write(place: Path) -> None:
        write_pairs(unique, task, place, note)
        built.append(place)

    held = shelf.take(_key(unique, task), sum(pair_bytes(photo, task) for photo in unique), _is_whole, write)
    cache = _mapped(held, photos, task)
    action = "built" if built else "reused"
    seconds = round(monotonic() - start, 2)
    note("cache", action=action, pictures=len(cache), bytes=cache.total_bytes, seconds=seconds, path=str(held.path))
    return cache


def _mapped_anew(place: Path, photos: tuple[Photo, ...], task: Task) -> PairCache:
    held = Shelf(place.parent, 0, silent).find(place.name, _is_whole)
    if held is None:
        raise DataError(
            f"The cached photos `{place}` are gone, or this process cannot see them. Give `--cache` a folder that all workers see."
        )
    return _mapped(held, photos, task)


def _mapped(held: Held, photos: Iterable[Photo], task: Task) -> PairCache:
    return ClipCache(held, photos, task) if isinstance(task, Video) else PairCache(held, photos, task)


def _key(photos: Iterable[Photo], task: Task) -> str:
    text = json.dumps([VERSION, task.pair_key, sorted(photo.key for photo in photos)])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _is_whole(place: Path) -> bool:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        index = _read_index(place)
        return bool(index["version"] == VERSION and index["bytes"] == (place / PIXELS).stat().st_size)
    return False


def _read_index(place: Path) -> Any:
    return json.loads((place / INDEX).read_text())
