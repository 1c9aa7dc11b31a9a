"""What earlier scans found out, by path, size and times, so that a second scan of the same folder reads no pixels."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from pixsearch.data.inspect import Facts

VERSION = 1
_COLUMNS = (
    "path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, digest TEXT, width INTEGER, height INTEGER, format TEXT, phash TEXT"
)
_SETTLED_NS = 100_000_000


class Stamp(NamedTuple):
    """A file's size and times, taken before it is read; not `settled` when a later write might leave them as they are."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    settled: bool

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of the file now; `OSError` when it is gone."""
        status = path.stat()
        settled = max(status.st_mtime_ns, status.st_ctime_ns) < time.time_ns() - _SETTLED_NS
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, settled)


class Memo:
    """Facts of intact files in an SQLite file, shared between processes; use it as a context manager.

    It only saves time: where it cannot be opened, read or written, scans go on without it. A file counts as the same
    when path, size, modification and change time agree; one touched within the last tenth of a second is not remembered.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"index.{VERSION}.sqlite"
        self._base: sqlite3.Connection | None = None
        with contextlib.suppress(OSError, sqlite3.Error):
            folder.mkdir(parents=True, exist_ok=True)
            self._base = _opened(self.path)

    def recall(self, path: Path, stamp: Stamp) -> Facts | None:
        """What is known of the file, None when it is new or changed."""
        if self._base is None:
            return None
        try:
            row = self._base.execute(
                "SELECT digest, width, height, format, phash FROM facts WHERE path = ? AND size = ? AND mtime = ? AND ctime = ?",
                (str(path.absolute()), *stamp[:3]),
            ).fetchone()
        except (sqlite3.Error, UnicodeEncodeError):
            return None
        return Facts(row[0], row[1], row[2], row[3], int(row[4], 16)) if row else None

    def remember(self, found: Iterable[tuple[Path, Stamp, Facts]]) -> None:
        """Write down the facts of files, with the stamps they had before they were read."""
        rows = [_row(*entry) for entry in found if entry[1].settled]
        if self._base is None or not rows:
            return
        with contextlib.suppress(sqlite3.Error, UnicodeEncodeError), self._base:
            self._base.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def __enter__(self) -> Memo:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._base is not None:
            self._base.close()


def _opened(path: Path) -> sqlite3.Connection:
    """The connection; a file that is no database is begun anew."""
    try:
        return _connected(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # locked or not writable, but not damaged
            raise
        path.unlink()
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=5)
    try:
        base.execute(f"CREATE TABLE IF NOT EXISTS facts ({_COLUMNS})")
    except sqlite3.Error:
        base.close()
        raise
    return base


def _row(path: Path, stamp: Stamp, facts: Facts) -> tuple[object, ...]:
    return (str(path.absolute()), *stamp[:3], facts.digest, facts.width, facts.height, facts.format, f"{facts.phash:016x}")
