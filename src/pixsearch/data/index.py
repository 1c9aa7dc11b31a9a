"""Photos on disk become a checked index: every file is either usable, with its group of near-duplicates, or named with a reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pixsearch.data import phash
from pixsearch.data.config import default_cache_folder
from pixsearch.data.inspect import Facts, inspect, require_side
from pixsearch.data.memo import Memo, Stamp
from pixsearch.data.photo import Photo, Rejected
from pixsearch.data.progress import Note, Progress, silent
from pixsearch.data.reduce import choose_reduction
from pixsearch.data.walk import find_files
from pixsearch.data.workers import in_order
from pixsearch.errors import DataError

__all__ = ["Index", "Photo", "Rejected", "find_photos", "grouped", "listed", "resembling", "scan", "split"]

REMEMBERED_TOGETHER = 64
LISTED = 20


@dataclass(frozen=True)
class Index:
    """Usable photos in the order found, and what is left out; iterating goes over the photos."""

    photos: tuple[Photo, ...]
    rejected: tuple[Rejected, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """The photos' files."""
        return [photo.path for photo in self.photos]

    @property
    def files(self) -> list[Path]:
        """The files of all photos and clips, once each."""
        return list(dict.fromkeys(file.path for photo in self.photos for file in (photo.frames or (photo,))))

    @property
    def groups(self) -> list[str]:
        """The groups, in the order of their digests."""
        return sorted({photo.group for photo in self.photos})

    @property
    def pixels(self) -> int:
        """Pixels of all photos, after reduction."""
        return sum(photo.used_pixels for photo in self.photos)

    def __iter__(self) -> Iterator[Photo]:
        return iter(self.photos)

    def __len__(self) -> int:
        return len(self.photos)

    def require(self) -> Index:
        """The index itself; `DataError` listing the reasons when no photo is usable."""
        if self.photos:
            return self
        if not self.rejected:
            raise DataError("No photos were found: the folders are empty. Check the paths.")
        lines = [f"`{item.path}` {item.reason}" for item in self.rejected]
        raise DataError(f"None of {len(lines)} files is a usable photo:\n{listed(lines)}")


def listed(lines: Sequence[str]) -> str:
    """The first twenty lines, indented, and how many more there are."""
    more = [f"… and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return "\n".join(f"  {line}" for line in [*lines[:LISTED], *more])


def scan(
    sources: Iterable[Path],
    *,
    reduce: str = "auto",
    min_side: int = 64,
    exclude: Iterable[Path] = (),
    memo: Path | None = None,
    note: Note = silent,
) -> Index:
    """Look at every file in `sources` (folders or files, any nesting) but those under `exclude`.

    Files are decoded whole once; what was learnt is kept in the folder `memo` (the cache folder by default), so that the next scan is
    fast. A byte for byte copy is left out, near-duplicates share a group. Raises `DataError` for sources that do not exist;
    everything else is in `rejected`.
    """
    found, rejected = find_photos(sources, reduce=reduce, min_side=min_side, exclude=exclude, memo=memo, note=note)
    return Index(tuple(grouped(without_copies(found, rejected))), tuple(rejected))


def without_copies(found: Iterable[Photo], rejected: list[Rejected]) -> list[Photo]:
    """Those of `found` that no earlier one equals in `key`; the others are added to `rejected`."""
    first: dict[str, Photo] = {}
    for photo in found:
        original = first.setdefault(photo.key, photo)
        if original is not photo:
            rejected.append(Rejected(photo.path, f"is a copy of `{original.path}`, which is used."))
    return list(first.values())


def find_photos(
    sources: Iterable[Path], *, reduce: str, min_side: int, exclude: Iterable[Path] = (), memo: Path | None = None, note: Note = silent
) -> tuple[list[Photo], list[Rejected]]:
    """All intact photos, copies among them and each a group of its own, and the rejected files."""
    files, rejected = find_files(sources, exclude)
    photos = []
    for path, seen in _looked_at(files, min_side, memo or default_cache_folder(), note):
        try:
            photos.append(_photo(path, seen, reduce, min_side))
        except DataError as error:
            rejected.append(Rejected(path, str(error)))
    return photos, rejected


Seen = tuple[Stamp, Facts] | DataError


def _looked_at(files: Sequence[Path], min_side: int, folder: Path, note: Note) -> Iterator[tuple[Path, Seen]]:
    """Each file with its facts, remembered or found out, or why there are none."""
    progress = Progress(note, "index", len(files))
    with Memo(folder) as memo:
        known = {path: _recalled(memo, path) for path in files}
        fresh: list[tuple[Path, Stamp, Facts]] = []
        try:
            new = in_order(lambda path: _look(path, min_side), [path for path in files if known[path] is None])
            for path in files:
                seen = known[path] or next(new)
                if known[path] is None and not isinstance(seen, DataError):
                    fresh.append((path, *seen))
                if len(fresh) >= REMEMBERED_TOGETHER:
                    memo.remember(fresh)
                    fresh.clear()
                progress.advance()
                yield path, seen
        finally:
            memo.remember(fresh)


def _recalled(memo: Memo, path: Path) -> tuple[Stamp, Facts] | None:
    try:
        stamp = Stamp.of(path)
    except OSError:
        return None
    facts = memo.recall(path, stamp)
    # A file whose permissions were taken away must not pass because it could once be read.
    return (stamp, facts) if facts and _may_read(path) else None


def _may_read(path: Path) -> bool:
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def _look(path: Path, min_side: int) -> Seen:
    try:
        stamp = Stamp.of(path)
        return stamp, inspect(path, min_side)
    except OSError as error:
        return DataError(f"cannot be read: {error.strerror}. Mend its permissions or leave it out.")
    except DataError as error:
        return error


def _photo(path: Path, seen: Seen, reduce: str, min_side: int) -> Photo:
    if isinstance(seen, DataError):
        raise seen
    stamp, facts = seen
    require_side(facts.width, facts.height, min_side)
    factor, reason = choose_reduction(reduce, facts.format, facts.width, facts.height, min_side)
    require_side(facts.width // factor, facts.height // factor, min_side, f" when reduced by {factor}")
    size = (facts.width, facts.height, facts.format, stamp.size_bytes, stamp.mtime_ns)
    return Photo(path, facts.digest, *size, factor, reason, facts.phash, facts.digest)


def grouped(photos: Sequence[Photo]) -> list[Photo]:
    """The photos with their groups of near-duplicates filled in, whatever groups they had."""
    members = phash.groups([photo.phash for photo in photos])
    least: dict[int, str] = {}
    for photo, member in zip(photos, members, strict=True):
        least[member] = min(least.get(member, photo.digest), photo.digest)
    return [replace(photo, group=least[member]) for photo, member in zip(photos, members, strict=True)]


def split(index: Index, holdout: float, most: int | None = None) -> tuple[Index, Index]:
    """`index` without, and with only, a share `holdout` of its groups (at least one, at most `most` and all but one).

    Groups are held out whole and in the order of their digests, so the split depends on the files' contents alone.
    Raises `DataError` when there is only one group.
    """
    groups = index.groups
    if len(groups) < 2:
        raise DataError(
            f"{len(index)} usable photo{'s are all near-duplicates' if len(index) > 1 else ' is too few'}: nothing can be held out. "
            "Give more photos, or others with `--val`."
        )
    wanted = max(1, round(holdout * len(groups)))
    held = set(groups[: min(wanted, most or wanted, len(groups) - 1)])
    kept, out = ([photo for photo in index if (photo.group in held) is side] for side in (False, True))
    return Index(tuple(kept)), Index(tuple(out))


def resembling(photos: Iterable[Photo], others: Iterable[int]) -> list[Photo]:
    """Those of `photos` whose perceptual hash is near one of `others`: the same picture, or a near-duplicate."""
    candidates, known = list(photos), list(others)
    near = {a for a, b in phash.near_pairs([*(photo.phash for photo in candidates), *known]) if a < len(candidates) <= b}
    return [photo for index, photo in enumerate(candidates) if index in near]
