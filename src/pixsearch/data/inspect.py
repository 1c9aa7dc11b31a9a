"""One file looked at thoroughly: decoded once, so that a damaged photo is found before anything is trained on it."""

from __future__ import annotations

import stat
import threading
from dataclasses import dataclass
from pathlib import Path

from pixsearch.data.phash import perceptual_hash
from pixsearch.data.photo import digest_of
from pixsearch.errors import DataError
from pixsearch.pixels.files import probe, read_picture

RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mrw"),
    *(".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw", ".x3f"),
)
"""Camera raw files are TIFF inside: OpenCV would decode the thumbnail and take it for the photo."""

LARGE_PIXELS = 32_000_000
_one_large_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Facts:
    """What an intact picture is: its hashes, and its size after EXIF orientation."""

    digest: str
    width: int
    height: int
    format: str
    phash: int


def inspect(path: Path, min_side: int) -> Facts:
    """Decode and hash the picture at `path`; thread-safe.

    Raises DataError, whose message ends a sentence that begins with the file's name, when it is no regular file, too
    small (before decoding), a camera's raw file, or cannot be decoded whole.
    """
    try:
        return _facts(path, min_side)
    except DataError as error:
        raise DataError(str(error).removeprefix(f"`{path.name}` ")) from error
    except MemoryError:
        raise DataError("needs more memory to decode than this machine has. Reduce it or leave it out.") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}. Mend its permissions or leave it out.") from error


def _facts(path: Path, min_side: int) -> Facts:
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError("is not a regular file. Leave it out.")
    if path.suffix.lower() in RAW_SUFFIXES:
        raise DataError("is a camera's raw file. Develop it to PNG or JPEG.")
    header = probe(path)
    require_side(header.width, header.height, min_side)
    if header.width * header.height < LARGE_PIXELS:
        return _decoded(path, header.format)
    with _one_large_at_a_time:
        return _decoded(path, header.format)


def _decoded(path: Path, format_: str) -> Facts:
    digest = digest_of(path)
    picture = read_picture(path)
    height, width = picture.shape[:2]
    return Facts(digest, width, height, format_, perceptual_hash(picture))


def require_side(width: int, height: int, min_side: int, after: str = "") -> None:
    """Raise DataError when the picture is smaller than `min_side` pixels on a side."""
    if min(width, height) < min_side:
        raise DataError(f"is too small{after}: {width}×{height}, with a side under {min_side} pixels.")
