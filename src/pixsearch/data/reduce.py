"""By how much a photo is reduced before it counts as clean.

A camera measures one colour a pixel and invents the others (Bayer), denoises, sharpens, and stores colour at half the
resolution in JPEG (4:2:0). Simulated on 13 sharp scenes (shot noise, Bayer, demosaicing, JPEG of quality 92), such a file
stands 38.3 dB from the scene on Y: no more than a good ×2 network reaches, so at full size training would fit the camera.
Halved it is 45.0 dB, quartered 50.4 dB. Halving is enough; sensors of 24 MP and more mostly share a colour filter
among four pixels, or outresolve their lens, and are quartered.
"""

from __future__ import annotations

from typing import get_args

from pixsearch.data.config import Reduce
from pixsearch.errors import UsageError

HALVED_FROM = 2_000_000
QUARTERED_FROM = 24_000_000


def choose_reduction(reduce: str, format_: str, width: int, height: int, min_side: int) -> tuple[int, str]:
    """The factor 1, 2 or 4 for a photo of this format and size, and the reason (empty for 1).

    `auto` reduces JPEG of 2 megapixels and more, as far as both sides stay at least `min_side`; smaller JPEG and other
    formats have been through an editor and count as they are. Raises UsageError for another word or number.
    """
    if reduce not in get_args(Reduce):
        raise UsageError(f"`{reduce}` is no way to reduce photos. Give `--reduce` one of {', '.join(get_args(Reduce))}.")
    if reduce != "auto":
        return int(reduce), "" if reduce == "1" else "asked for"
    pixels = width * height
    if format_ != "JPEG" or pixels < HALVED_FROM:
        return 1, ""
    factor = 4 if pixels >= QUARTERED_FROM else 2
    while factor > 1 and min(width, height) // factor < min_side:
        factor //= 2
    size = f"JPEG of {pixels / 1e6:.1f} MP, as cameras write it"
    reasons = {4: f"{size}, of a sensor finer than its lens and colour filters", 2: f"{size}: its pixels are half interpolated", 1: ""}
    return factor, reasons[factor]
