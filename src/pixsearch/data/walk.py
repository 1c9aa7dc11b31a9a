"""Every file under the user's folders, whatever the nesting; what cannot be entered or leads in a circle is named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pixsearch.data.photo import Rejected
from pixsearch.errors import DataError

Identity = tuple[int, int]


def find_files(sources: Iterable[Path], exclude: Iterable[Path] = ()) -> tuple[list[Path], list[Rejected]]:
    """All files in `sources` (folders or files) in a stable order, and what was not looked into.

    A path that two sources share is found once. Raises `DataError` naming all sources that do not exist.
    """
    sources = list(sources)
    missing = [str(source) for source in sources if not os.path.lexists(source)]
    if missing:
        raise DataError(f"There is no `{'`, `'.join(missing)}`. Check the path.")
    walk = _Walk(exclude)
    files = [path for source in sources for path in walk.files(source)]
    return files, walk.rejected


class _Walk:
    """One walk over all sources: remembers what was seen, so that nothing is found twice."""

    def __init__(self, exclude: Iterable[Path]) -> None:
        self.rejected: list[Rejected] = []
        self._seen = {_place(path) for path in exclude}
        self._folders: dict[Identity, Path] = {}

    def files(self, source: Path) -> Iterator[Path]:
        """The files at or under `source`, folders opened in turn; each waits with the folders it was reached through."""
        waiting: list[tuple[Path, tuple[Identity, ...]]] = [(source, ())]
        while waiting:
            path, above = waiting.pop()
            if _place(path) in self._seen:
                continue
            self._seen.add(_place(path))
            identity = self._identity(path)
            if identity is None:
                continue
            if not path.is_dir():
                yield path
            elif self._new(path, identity, above):
                waiting += [(child, (*above, identity)) for child in reversed(self._children(path))]

    def _identity(self, path: Path) -> Identity | None:
        try:
            status = path.stat()
        except OSError as error:
            self._reject(path, _why_not(path, error))
            return None
        return status.st_dev, status.st_ino

    def _new(self, folder: Path, identity: Identity, above: tuple[Identity, ...]) -> bool:
        """Whether the folder was not entered under another name."""
        first = self._folders.setdefault(identity, folder)
        if identity in above:
            self._reject(folder, f"is a symlink loop: it leads back to `{first}`.")
        elif first is not folder:
            self._reject(folder, f"leads to `{first}`, which is read already.")
        return first is folder

    def _children(self, folder: Path) -> list[Path]:
        try:
            children = sorted(folder.iterdir())
        except OSError as error:
            self._reject(folder, f"cannot be entered: {error.strerror}. Mend its permissions or leave it out.")
            return []
        hidden = [child for child in children if child.name.startswith(".") and child.is_dir()]
        for child in hidden:
            self._reject(child, "is a hidden folder and was not looked into.")
        return [child for child in children if child not in hidden]

    def _reject(self, path: Path, reason: str) -> None:
        self.rejected.append(Rejected(path, reason))


def _place(path: Path) -> str:
    return os.path.normpath(path.absolute())


def _why_not(path: Path, error: OSError) -> str:
    if not path.is_symlink():
        return f"cannot be read: {error.strerror}. Mend its permissions or leave it out."
    if isinstance(error, FileNotFoundError):
        return f"is a broken link: `{path.readlink()}` does not exist."
    return f"is a symlink loop or a link that cannot be followed: {error.strerror}."
