"""Read and write quantities as people type them: `10m`, `2.5G`, `90ms`, `1280x720`."""

from __future__ import annotations

import re

from pixsearch.errors import UsageError

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_COUNTS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
MOST_PIXELS = 100_000_000
_NUMBER = re.compile(r"^\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z]*)\s*$")


def _split(text: str, table: dict[str, float] | dict[str, int], what: str, example: str) -> tuple[float, str]:
    match = _NUMBER.match(text)
    if match is None or match[2] not in table:
        raise UsageError(f"`{text}` is not {what}. Write it as {example}.")
    return float(match[1]), match[2]


def parse_duration(text: str | float) -> float:
    """Seconds in `90s`, `10m`, `1.5h`; a bare number is seconds."""
    if isinstance(text, int | float):
        return float(text)
    table = {**_SECONDS, "": 1.0}
    number, unit = _split(text, table, "a duration", "`90s`, `10m` or `1h`")
    return number * table[unit]


def parse_count(text: str | float) -> float:
    """The number in `2.5G`, `10k`, `0.6`."""
    if isinstance(text, int | float):
        return float(text)
    number, unit = _split(text, _COUNTS, "a number", "`2500000`, `10K` or `2.5G`")
    return number * _COUNTS[unit]


def parse_bytes(text: str | int) -> int:
    """Bytes in `500MB`, `2GiB`; a bare number is bytes."""
    if isinstance(text, int):
        return text
    number, unit = _split(text, _BYTES, "a size", "`500MB` or `2GiB`")
    return int(number * _BYTES[unit])


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of `1280x720`, which names the width first."""
    match = re.fullmatch(r"\s*([1-9][0-9]*)[x×]([1-9][0-9]*)\s*", text)
    if match is None:
        raise UsageError(f"`{text}` is not a size. Write width and height as `1280x720`.")
    return int(match[2]), int(match[1])


def parse_shape(text: str) -> tuple[int, int]:
    """(height, width) of `360x640`, a tensor's sides, which name the height first."""
    match = re.fullmatch(r"\s*([1-9][0-9]*)[x×]([1-9][0-9]*)\s*", text)
    if match is None or int(match[1]) * int(match[2]) > MOST_PIXELS:
        raise UsageError(
            f"`{text}` is not the shape of an input. Write height and width as `360x640`, {MOST_PIXELS // 10**6} megapixels at most."
        )
    return int(match[1]), int(match[2])


def format_count(number: float) -> str:
    """`2.29 G`, `10.1 K`, `980`."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(number) >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.3g}"


def format_bytes(count: float) -> str:
    """`41 KB`, `1.2 GB` (decimal units)."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def format_duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
