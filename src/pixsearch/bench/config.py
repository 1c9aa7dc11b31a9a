"""Settings of a bench: which pictures, where and how latency is taken, how many crops are kept for the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from pixsearch.bench.spec import PRECISIONS, SIZE, LatencySpec, checked_size
from pixsearch.config import LISTED, ByteCount, Config, Seconds, as_fault
from pixsearch.data.config import DEFAULT_CAP, DataConfig, Reduce


class BenchConfig(Config):
    """What is scored on `images` (folders or files) and timed on `target`.

    `size` is the OUTPUT frame's, as `1280x720`. Every model is run `repeats` times for each of the `threads` counts, in `rounds`
    turns, after `warmup` runs that do not count; `time_box_s` ends a slow model's timing early. `crops` is the most
    crops kept in all, squares of `crop_side` output pixels. `seed` is the bootstrap's. For the middle of the first
    `target_pictures`, `target_side` output pixels wide, the target's own output is compared with this machine's. `sustain_s` adds
    a run of so many seconds without a pause. `tune` looks for the fastest session options of each model on target `local`. With `estimate`
    a modelled latency is summed up from the table of operator costs instead of emulating the whole network.
    """

    images: tuple[Path, ...] = Field(min_length=1)
    target: str = "local"
    threads: Annotated[tuple[int, ...], LISTED] = (1,)
    size: str = f"{SIZE[1]}x{SIZE[0]}"
    repeats: int = Field(default=40, ge=1, le=100_000)
    warmup: int = Field(default=3, ge=0, le=1000)
    rounds: int = Field(default=5, ge=1, le=1000)
    time_box_s: float = Field(default=10.0, gt=0)
    crops: int = Field(default=6, ge=0, le=100)
    crop_side: int = Field(default=160, ge=32, le=1024)
    target_pictures: int = Field(default=4, ge=0, le=1000)
    target_side: int = Field(default=192, ge=32, le=4096)
    sustain_s: Seconds = Field(default=0.0, ge=0, le=600)
    tune: bool = False
    estimate: bool = False
    reduce: Reduce = "1"
    min_side: int = Field(default=64, ge=16)
    cache: Path | None = None
    cache_cap_bytes: ByteCount = Field(default=DEFAULT_CAP, gt=0)
    seed: int = 0
    may_change: ClassVar[frozenset[str]] = frozenset({"cache", "cache_cap_bytes"})

    @field_validator("threads")
    @classmethod
    def _positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or min(value) < 1:
            raise ValueError("give thread counts of at least 1, as in `1,2`")
        return tuple(dict.fromkeys(value))

    @field_validator("target")
    @classmethod
    def _known(cls, value: str) -> str:
        if "/" in value:
            raise ValueError("it names more than a target; give size and threads by `size` and `threads`")
        return as_fault(LatencySpec.parse, value).target

    @field_validator("size")
    @classmethod
    def _sized(cls, value: str) -> str:
        height, width = as_fault(checked_size, value)
        return f"{width}x{height}"

    def spec(self, threads: int) -> LatencySpec:
        """The latency's spec for one of the thread counts; precision is each model's own."""
        height, width = checked_size(self.size)
        return LatencySpec(self.target, height, width, PRECISIONS[0], threads)

    def data(self) -> DataConfig:
        """How the pictures are opened: as they are, unless `reduce` says otherwise."""
        return DataConfig(reduce=self.reduce, min_side=self.min_side, cache=self.cache, cache_cap_bytes=self.cache_cap_bytes)
