"""Settings of export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pixsearch.config import Config, known_in
from pixsearch.registry import SCHEMES


class ExportConfig(Config):
    """What is written beside the float models, and what it may cost.

    `calibrate` holds photos (folders or files) from which the ranges of int8 are taken; a share of them, whole groups
    of near-duplicates, is held out to measure the loss. `gate_db` is the largest loss of PSNR against the float model
    that is let through. `scheme` says how numbers are stored; left out, as the model was trained, or `arm`. `int8_of` says
    which of several models are quantized. `reduce` says by how much camera JPEGs are reduced before they count as clean,
    `cache` where decoded photos are kept.
    """

    int8: bool = False
    scheme: Annotated[str, known_in(SCHEMES)] | None = None
    int8_of: Literal["last", "all"] = "last"
    calibrate: tuple[Path, ...] = ()
    gate_db: float = Field(default=0.15, gt=0.0)
    seed: int = 0
    reduce: Literal["auto", "1", "2", "4"] = "auto"
    cache: Path | None = None
    may_change: ClassVar[frozenset[str]] = frozenset({"cache"})
