"""What a latency is a latency of: target, output size, precision and threads, as `local/1280x720/float/1t`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pixsearch.errors import UsageError
from pixsearch.registry import TARGETS, closest
from pixsearch.units import parse_size

PRECISIONS = ("float", "fp16", "int8", "a16w8")
SIZE = (720, 1280)
LARGEST = 100_000_000  # output pixels; more is a typing error, and would not fit into memory as planes


@dataclass(frozen=True)
class LatencySpec:
    """One way to take a latency; `str()` gives the full form, `parse` reads it back.

    `target` is a registered target with what may follow its colon (`local`, `arm64:a76`). `height` and `width` are
    those of the OUTPUT frame in pixels. `precision` is one of `PRECISIONS`.
    """

    target: str
    height: int = SIZE[0]
    width: int = SIZE[1]
    precision: str = "float"
    threads: int = 1

    @classmethod
    def parse(cls, text: str) -> LatencySpec:
        """The spec in `target[/WxH][/precision][/Nt]`; parts after the target may be left out and come in any order.

        `UsageError` names the part that is wrong, with the closest match where there is one.
        """
        target, *parts = (part.strip() for part in text.split("/"))
        _check_target(target, text)
        given: dict[str, Any] = {}
        for part in parts:
            found = _read_part(part, text)
            twice = sorted(set(found) & set(given))
            if twice:
                raise UsageError(f"`{text}` gives its {twice[0]} twice. Write it as `{target}/1280x720/float/1t`.")
            given |= found
        return cls(target, **given)

    def __str__(self) -> str:
        return f"{self.target}/{self.width}x{self.height}/{self.precision}/{self.threads}t"

    def input_size(self, scale: int, multiple: int = 1) -> tuple[int, int]:
        """(height, width) of the input whose output comes nearest to this size without exceeding it.

        Sides are the output's divided by `scale`, rounded down, then padded up to `multiple` as inference would.
        """
        smallest = min(self.height, self.width)
        if smallest < scale:
            raise UsageError(f"An output of {self.width}x{self.height} is smaller than one input pixel at ×{scale}. Ask for a larger size.")
        height, width = (side // scale + -(side // scale) % multiple for side in (self.height, self.width))
        return height, width


def _check_target(target: str, text: str) -> None:
    name, known = target.partition(":")[0], TARGETS.names()
    if name not in known:
        raise UsageError(f"There is no target `{name}` (in `{text}`).{closest(name, known)} Known: {', '.join(known)}.")


def _read_part(part: str, text: str) -> dict[str, Any]:
    if part in PRECISIONS:
        return {"precision": part}
    if re.fullmatch(r"[1-9][0-9]{0,3}t", part):
        return {"threads": int(part[:-1])}
    if re.match(r"[0-9]+[x×]", part):
        return dict(zip(("height", "width"), checked_size(part), strict=True))
    hint = closest(part, list(PRECISIONS))
    raise UsageError(
        f"`{part}` (in `{text}`) is no size (`1280x720`), no precision ({', '.join(PRECISIONS)}) and no number of threads (`1t`).{hint}"
    )


def checked_size(text: str) -> tuple[int, int]:
    """(height, width) in `1280x720`; `UsageError` for what is no size or absurdly large."""
    height, width = parse_size(text)
    if height * width > LARGEST:
        raise UsageError(f"`{text}` has {height * width / 1e6:.0f} megapixels. Ask for at most {LARGEST // 10**6}.")
    return height, width
