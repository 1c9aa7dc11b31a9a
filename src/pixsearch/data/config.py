"""Settings of the photos: which to train on and to select by, how they count as clean, where they are cached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pixsearch.config import ByteCount, Config

Reduce = Literal["auto", "1", "2", "4"]
DEFAULT_CAP = 20_000_000_000


def default_cache_folder() -> Path:
    """`$PIXSEARCH_CACHE`, else `pixsearch` in `$XDG_CACHE_HOME` or in `~/.cache`."""
    own = os.environ.get("PIXSEARCH_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "pixsearch"


class DataConfig(Config):
    """Photos, or the user's own pairs, to train on and to select by.

    Without `val` and `val_pairs` a share `holdout` of the groups of near-duplicates is held out to select by, at least one
    group and at most `holdout_most` (whole pictures are scored at every validation). Photos that resemble a picture to
    select by are left out of training either way. Pictures with a side under `min_side` pixels are left out.
    """

    photos: tuple[Path, ...] = ()
    val: tuple[Path, ...] = ()
    pairs: tuple[Path, Path] | None = None
    val_pairs: tuple[Path, Path] | None = None
    holdout: float = Field(default=0.15, gt=0.0, lt=1.0)
    holdout_most: int = Field(default=32, ge=1)
    reduce: Reduce = "auto"
    cache: Path | None = None
    cache_cap_bytes: ByteCount = Field(default=DEFAULT_CAP, gt=0)
    min_side: int = Field(default=64, ge=16)
    may_change: ClassVar[frozenset[str]] = frozenset({"cache", "cache_cap_bytes"})

    @model_validator(mode="after")
    def _one_source_each(self) -> DataConfig:
        if self.photos and self.pairs:
            raise ValueError("`photos` and `pairs` are both given; train on one of them")
        if self.val and self.val_pairs:
            raise ValueError("`val` and `val_pairs` are both given; select by one of them")
        if self.pairs and self.val:
            raise ValueError("`val` would be degraded unlike your `pairs`; select by `val_pairs` or leave it out")
        if self.pairs and self.reduce not in ("auto", "1"):
            raise ValueError("`pairs` are used as they are; leave `reduce` out")
        return self
