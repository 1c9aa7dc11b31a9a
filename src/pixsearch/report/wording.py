"""How figures, names and times are written, alike on the console and on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from pixsearch.units import format_bytes, format_count

ABSENT = "–"

_NAMES = {
    "psnr": ("PSNR", "dB"),
    "ssim": ("SSIM", ""),
    "macs_720p": ("MACs 720p", "multiply-adds"),
    "params": ("params", ""),
    "memory": ("memory", "bytes"),
}


def printable(value: object) -> str:
    """`value` as one line of text that any screen and any encoding can take: control characters and lone surrogates are spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def decibel(value: float | None) -> str:
    """`33.12`; a dash when it was not measured."""
    return ABSENT if value is None else f"{value:.2f}"


def gain(value: float | None) -> str:
    """`+2.05`, `−0.10`: a difference, always with its sign."""
    return ABSENT if value is None else f"{value:+.2f}".replace("-", "−")


def interval(bounds: tuple[float, float] | None) -> str:
    """`[+1.80, +2.31]`: the interval of a difference."""
    return ABSENT if bounds is None else f"[{gain(bounds[0])}, {gain(bounds[1])}]"


def similarity(value: float | None) -> str:
    """`.9304`: an SSIM, four digits."""
    return ABSENT if value is None else f"{value:.4f}".replace("0.", ".", 1)


def count(value: float | None) -> str:
    """`2.21 G`, `9.6 K`."""
    return ABSENT if value is None else format_count(value)


def size(value: float | None) -> str:
    """`41 KB`."""
    return ABSENT if value is None else format_bytes(value)


def milliseconds(value: float | None) -> str:
    """`6.61`, `78.0`, `1240`: three digits and no unit, for columns that carry it in their head."""
    if value is None:
        return ABSENT
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}"


def flicker(value: float | None) -> str:
    """A mean difference in levels of 255: `2.41`."""
    return ABSENT if value is None else f"{value:.2f}"


def sharpness(value: float | None) -> str:
    """A share of the truth's: `87 %`."""
    return ABSENT if value is None else f"{value * 100:.0f} %"


def figure(name: str, value: float | None) -> str:
    """A figure of a genotype with its unit, by the objective's name."""
    if value is None:
        return ABSENT
    if name == "psnr":
        return f"{decibel(value)} dB"
    if name == "ssim":
        return similarity(value)
    if name == "memory":
        return size(value)
    if name.startswith("latency"):
        return f"{milliseconds(value)} ms"
    return count(value)


def figures(named: Mapping[str, float | None]) -> list[tuple[str, str]]:
    """(title, figure with unit) of each of a genotype's figures, qualities before costs."""
    ordered = sorted(named.items(), key=lambda item: item[0] not in ("psnr", "ssim"))
    return [(title(name), figure(name, value)) for name, value in ordered]


def title(name: str) -> str:
    """What a column calls an objective: `MACs 720p`, `latency`; a latency's conditions are told by `conditions`."""
    return _NAMES[name][0] if name in _NAMES else "latency" if name.startswith("latency") else printable(name)


def axis(name: str) -> str:
    """What an axis calls an objective, with its unit."""
    if name.startswith("latency"):
        return f"latency, ms ({conditions(name)})"
    unit = _NAMES[name][1] if name in _NAMES else ""
    return f"{title(name)}, {unit}" if unit else title(name)


def conditions(name: str) -> str:
    """`local, 1280×720 out, float, 1 thread` out of `latency@local/1280x720/float/1t`; an emulated core's is `modelled`."""
    parts = printable(name).partition("@")[2].split("/")
    words = []
    for part in parts:
        threads = re.fullmatch(r"(\d+)t", part)
        frame = re.fullmatch(r"(\d+)x(\d+)", part)
        if threads:
            words.append(f"{threads[1]} thread{'s' if threads[1] != '1' else ''}")
        else:
            words.append(f"{frame[1]}×{frame[2]} out" if frame else f"modelled {part}" if part.startswith("arm64:") else part)
    return ", ".join(words)


def genotype_lines(genotype: Mapping[str, Any]) -> Iterator[str]:
    """The genes for people: the plain ones in one line, then each list with an item a line."""
    plain = {key: value for key, value in genotype.items() if not isinstance(value, list | dict)}
    if plain:
        yield " · ".join(f"{printable(key)} {printable(value)}" for key, value in plain.items())
    for key, value in genotype.items():
        if isinstance(value, list):
            for number, item in enumerate(value, start=1):
                yield f"{printable(key)} {number}: {_item(item)}"
        elif isinstance(value, dict):
            yield f"{printable(key)}: {_item(value)}"


def _item(item: Any) -> str:
    """One layer: `op` first and bare, other genes by name; genes that are zero, false or absent say nothing."""
    if not isinstance(item, dict):
        return printable(item if isinstance(item, str) else json.dumps(item))
    words = [printable(item["op"])] if "op" in item else []
    words += [f"{printable(key)} {printable(value)}" for key, value in item.items() if key != "op" and value not in (0, False, None, "")]
    return " ".join(words)


def bound(name: str, at_least: bool, value: float) -> str:
    """`MACs 720p ≤ 2.5 G`."""
    return f"{title(name)} {'≥' if at_least else '≤'} {figure(name, value)}"


def error(value: float | None) -> str:
    """`3.6e-07`: the largest difference between two outputs."""
    return ABSENT if value is None else f"{value:.1e}"


def plural(number: int, noun: str) -> str:
    """`1 picture`, `3 pictures`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def levels(shares: Mapping[str, float]) -> str:
    """`none` or `1: 11%, 2: 0.3%` of samples that differ by so many of 255 levels."""
    off = {level: share for level, share in shares.items() if level != "0" and share > 0}
    return ", ".join(f"{level}: {share:.2g}%" for level, share in ((k, v * 100) for k, v in off.items())) or "none"


def formats(chosen: Sequence[str]) -> str:
    """`float, 3 × int32, float`: the formats of layers in their order, runs of one together."""
    runs = [(name, len(list(same))) for name, same in groupby(chosen)]
    return ", ".join(name if count == 1 else f"{count} × {name}" for name, count in runs)
