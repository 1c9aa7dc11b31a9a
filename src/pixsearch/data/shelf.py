"""A folder of finished caches: each whole or absent, built by one process at a time, removed when room is needed and nobody uses it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pixsearch.data.progress import Note
from pixsearch.errors import DataError, MachineError
from pixsearch.interrupt import check_stop
from pixsearch.rundir import free_bytes
from pixsearch.units import format_bytes

IN_USE = "in-use"
SPARE_BYTES = 100_000_000
"""What is left free on the disk for the run's own files."""


class Held:
    """A finished cache that cannot be removed as long as this object lives: it holds a shared lock on its file `in-use`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._close = weakref.finalize(self, os.close, lock)


class Shelf:
    """Caches in `folder`, each a folder called by its key; together at most `cap_bytes`.

    Safe between processes: building holds an exclusive lock `KEY.lock`, using a shared one on `KEY/in-use`, removing an
    exclusive one on the same. A process that is killed leaves a `KEY.part`, which the next builder sweeps away.
    """

    def __init__(self, folder: Path, cap_bytes: int, note: Note) -> None:
        self.folder, self.cap_bytes, self._note = folder, cap_bytes, note

    def find(self, key: str, whole: Callable[[Path], bool]) -> Held | None:
        """The cache if it is there and `whole` agrees; it counts as used now."""
        place = self.folder / key
        try:
            lock = os.open(place / IN_USE, os.O_RDONLY)
        except OSError:
            return None
        held = Held(place, lock)
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not _is_at(lock, place / IN_USE) or not whole(place):
            return None
        with contextlib.suppress(OSError):
            os.utime(place / IN_USE)
        return held

    def take(self, key: str, need_bytes: int, whole: Callable[[Path], bool], write: Callable[[Path], None]) -> Held:
        """The cache, built by `write(folder)` where it is absent or not `whole`.

        Raises `DataError` when it is larger than the cap, `MachineError` when the disk is full or cannot be written.
        """
        with self._readable_faults():
            held = self.find(key, whole)
            self.folder.mkdir(parents=True, exist_ok=True)
            while held is None:  # again only where another process removed it the moment it was built
                with self._builder(key):
                    held = self.find(key, whole)
                    if held is None:
                        self._build(key, need_bytes, write)
                        held = self.find(key, whole)
            return held

    def _build(self, key: str, need_bytes: int, write: Callable[[Path], None]) -> None:
        self._sweep()
        self._make_room(need_bytes)
        part, place = self.folder / f"{key}.part", self.folder / key
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            write(part)
            (part / IN_USE).touch()
            if place.exists():
                shutil.rmtree(place)
            part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    @contextmanager
    def _builder(self, key: str) -> Iterator[None]:
        """Holds the lock for building `key`; waits for another process that builds it."""
        with (self.folder / f"{key}.lock").open("w") as file:
            told = False
            while not _locked(file.fileno()):
                if not told:
                    self._note("cache", action="waiting", path=str(self.folder / key), reason="another process is building it")
                    told = True
                time.sleep(0.1)
                check_stop("Start the same command again to go on.")
            yield

    def _sweep(self) -> None:
        """Remove what killed builders left behind: a `.part` whose lock nobody holds."""
        for part in self.folder.glob("*.part"):
            with (self.folder / f"{part.stem}.lock").open("w") as lock:
                if _locked(lock.fileno()):
                    shutil.rmtree(part, ignore_errors=True)

    def _make_room(self, need_bytes: int) -> None:
        """Remove the caches used longest ago until `need_bytes` fit under the cap and on the disk."""
        if need_bytes > self.cap_bytes:
            raise DataError(
                f"The decoded photos would take {format_bytes(need_bytes)}, more than the cap of {format_bytes(self.cap_bytes)} "
                "(`cache_cap_bytes`). Raise it by `--cache-cap`, reduce the photos by `--reduce 2` or give fewer."
            )
        sizes = {place: _size(place) for place in self._by_last_use()}
        for place in list(sizes):
            if sum(sizes.values()) + need_bytes <= self.cap_bytes and need_bytes + SPARE_BYTES <= free_bytes(self.folder):
                return
            if _remove(place):
                self._note("cache", action="removed", path=str(place), bytes=sizes.pop(place), reason="room is needed for another")
        self._check_room(need_bytes, sum(sizes.values()))

    def _check_room(self, need_bytes: int, used_bytes: int) -> None:
        if used_bytes + need_bytes > self.cap_bytes:
            raise DataError(
                f"The decoded photos would take {format_bytes(need_bytes)}, and other runs are using {format_bytes(used_bytes)} of "
                f"`{self.folder}`: more than the cap of {format_bytes(self.cap_bytes)}. Raise `--cache-cap` or wait for them."
            )
        free = free_bytes(self.folder)
        if need_bytes + SPARE_BYTES > free:
            raise MachineError(
                f"The decoded photos would take {format_bytes(need_bytes)}, but the disk of `{self.folder}` has {format_bytes(free)} free. "
                "Free some, choose another folder by `--cache`, or reduce the photos by `--reduce 2`."
            )

    def _by_last_use(self) -> list[Path]:
        used = {place: _last_use(place) for place in self.folder.iterdir() if place.is_dir() and place.suffix != ".part"}
        return sorted(used, key=lambda place: used[place])

    @contextmanager
    def _readable_faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                advice = "Free some space, or choose another folder by `--cache`"
            else:
                advice = "Mend its permissions, or choose another folder by `--cache`"
            raise MachineError(f"The cache `{self.folder}` cannot be written ({error.strerror}). {advice}.") from error


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    """Whether the open `file` is still what `path` names."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _last_use(place: Path) -> float:
    try:
        return (place / IN_USE).stat().st_mtime
    except OSError:
        return 0.0


def _size(place: Path) -> int:
    try:
        return sum(file.stat().st_size for file in place.iterdir())
    except OSError:
        return 0


def _remove(place: Path) -> bool:
    """Remove a cache unless somebody uses it."""
    try:
        lock = os.open(place / IN_USE, os.O_RDONLY)
    except OSError:
        shutil.rmtree(place, ignore_errors=True)  # damaged: it was never whole
        return not place.exists()
    try:
        if not _locked(lock):
            return False
        (place / IN_USE).unlink()
        shutil.rmtree(place, ignore_errors=True)
        return not place.exists()
    finally:
        os.close(lock)
