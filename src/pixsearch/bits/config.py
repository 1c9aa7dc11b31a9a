"""Settings of the choice of formats."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from pixsearch.bench.spec import LatencySpec
from pixsearch.bits.formats import EVERY, Format
from pixsearch.config import LISTED, Config, Seconds, as_fault
from pixsearch.errors import UsageError

EVALUATIONS = 64


def _share(value: object) -> object:
    """`10%` as people type it, or a plain share."""

    def read(text: str) -> float:
        try:
            return float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
        except ValueError:
            raise UsageError(f"`{text}` is no share. Write it as `10%` or `0.1`.") from None

    return as_fault(read, value.strip()) if isinstance(value, str) else value


def _target(text: str | None) -> str | None:
    if text is not None:
        as_fault(LatencySpec.parse, text)
    return text


class BitsConfig(Config):
    """Which formats layers can have, where a candidate's latency is taken, how much of it may be added, and how many candidates are tried.

    `formats` names those that may be used, `int8` among them. `target` is `arm64:a76`, `arm64:DEVICE` (both modelled), `local` …,
    perhaps with an output size: `arm64:a76/640x360`; left out, an emulated A76 where its tools are there, else this machine.
    `extra_latency` is what the mixture may take beyond the model all in int8, as a share of that; below 0 it has to be faster.
    `evaluations` counts candidates, `budget_s` ends the search earlier.
    """

    formats: Annotated[tuple[Format, ...], LISTED] = EVERY
    target: Annotated[str | None, AfterValidator(_target)] = None
    extra_latency: Annotated[float, BeforeValidator(_share)] = Field(default=0.1, gt=-1.0, le=100.0)
    evaluations: int = Field(default=EVALUATIONS, ge=1)
    budget_s: Seconds | None = Field(default=None, gt=0.0)
    population: int = Field(default=16, ge=4)
    seed: int = 0

    @field_validator("formats")
    @classmethod
    def _with_int8(cls, value: tuple[Format, ...]) -> tuple[Format, ...]:
        if "int8" not in value:
            raise ValueError("`int8` is what the others are compared with, and has to be among them")
        return tuple(one for one in EVERY if one in value)

    may_change: ClassVar[frozenset[str]] = frozenset({"evaluations", "budget_s"})
