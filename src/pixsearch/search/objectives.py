"""What a search optimises: named figures, each with a direction and perhaps a bound, as the user types them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pixsearch.bench.spec import LatencySpec
from pixsearch.errors import UsageError
from pixsearch.registry import closest
from pixsearch.units import format_bytes, format_count, parse_bytes, parse_count, parse_duration

Figures = Mapping[str, float]
LATENCY = "latency@"

_SHAPE = re.compile(r"^\s*([^<>=\s]+)\s*(?:(<=|>=|<|>|==?)\s*(.*?))?\s*$")


def _decibels(text: str) -> float:
    return parse_count(re.sub(r"\s*dB$", "", text))


def _milliseconds(text: str) -> float:
    if re.fullmatch(r"[\d.]+", text):
        raise UsageError(f"`{text}` has no unit of time. Write it as `{text}ms` or `{text}s`.")
    return float(f"{parse_duration(text) * 1e3:.15g}")  # 0.009 s are 9 ms, not 9.000000000000002


@dataclass(frozen=True)
class _Kind:
    """How the bounds of one kind of figure are read and written; `units` from large to small, 1 last."""

    direction: Literal["max", "min"]
    read: Callable[[str], float]
    show: Callable[[float], str]
    units: tuple[tuple[float, str], ...]
    example: str


_COUNT = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"), (1.0, ""))
_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "B"))
_KINDS = {
    "psnr": _Kind("max", _decibels, lambda v: f"{v:.2f} dB", ((1.0, "dB"),), "psnr>=32dB"),
    "ssim": _Kind("max", parse_count, lambda v: f"{v:.4f}", ((1.0, ""),), "ssim>=0.9"),
    "macs_720p": _Kind("min", parse_count, format_count, _COUNT, "macs_720p<=2.5G"),
    "params": _Kind("min", parse_count, format_count, _COUNT, "params<=20K"),
    "memory": _Kind("min", lambda t: float(parse_bytes(t)), format_bytes, _BYTES, "memory<=64MB"),
    "latency": _Kind("min", _milliseconds, lambda v: f"{v:.3g} ms", ((1.0, "ms"),), "latency@local<=90ms"),
}


@dataclass(frozen=True)
class Objective:
    """One figure to push up (`max`) or down (`min`), and the bound it must keep.

    `name` is the key of the figure in every record: `psnr` (dB), `ssim`, `macs_720p` (multiply-adds for a 1280×720
    output), `params` (count), `memory` (bytes of activations), or a latency in full such as
    `latency@local/1280x720/float/1t` (milliseconds). `bound` is in the same unit.
    """

    name: str
    direction: Literal["max", "min"]
    bound: float | None = None
    latency: LatencySpec | None = None

    @property
    def _kind(self) -> _Kind:
        return _KINDS["latency" if self.latency else self.name]

    @property
    def is_cost(self) -> bool:
        """Whether smaller is better."""
        return self.direction == "min"

    @property
    def is_closed_form(self) -> bool:
        """Whether the figure is known from the genotype alone, before anything is built."""
        return self.is_cost and self.latency is None

    def loss(self, value: float) -> float:
        """What is minimised: minus the quality, or the cost's decimal logarithm, so that halving a cost counts alike everywhere."""
        return math.log10(max(value, 1e-9)) if self.is_cost else -value

    def violation(self, figures: Figures) -> float:
        """By what share of the bound it is broken; 0 when it is kept, absent, or the figure is not known."""
        if self.bound is None or self.name not in figures:
            return 0.0
        beyond = figures[self.name] - self.bound
        return max(0.0, beyond if self.is_cost else -beyond) / self.bound

    def show(self, value: float) -> str:
        """`value` with its unit, for people."""
        return self._kind.show(value)

    def __str__(self) -> str:
        if self.bound is None:
            return self.name
        return f"{self.name}{'<=' if self.is_cost else '>='}{_write(self.bound, self._kind)}"


def _write(bound: float, kind: _Kind) -> str:
    """The bound in its handiest unit, such that reading it gives the very same number."""
    *larger, (_, unit) = kind.units
    for factor, named in [(f, u) for f, u in larger if bound >= f] + [(1.0, unit)]:
        text = f"{bound / factor:.12g}{named}"
        if kind.read(text) == bound:
            return text
    return f"{bound!r}{unit}"


def parse_objective(text: str) -> Objective:
    """The objective in `psnr`, `macs_720p<=2.5G`, `latency@local<=90ms` …; `UsageError` says what is wrong with it."""
    match = _SHAPE.match(text)
    if match is None:
        raise UsageError(f"`{text}` is not an objective. Write a figure and perhaps a bound, as in `macs_720p<=2.5G`.")
    name, sign, bound = match.groups()
    latency = LatencySpec.parse(name.removeprefix(LATENCY)) if name.startswith(LATENCY) else None
    kind = _KINDS["latency"] if latency else _named(name)
    full = f"{LATENCY}{latency}" if latency else name
    return Objective(full, kind.direction, _bound(text, sign, bound, kind) if sign else None, latency)


def _named(name: str) -> _Kind:
    if name == "latency":
        raise UsageError("`latency` names no target. Write it as `latency@local`, or in full as `latency@local/1280x720/float/1t`.")
    if name not in _KINDS:
        known = [*(k for k in _KINDS if k != "latency"), "latency@local"]
        raise UsageError(f"There is no figure `{name}`.{closest(name, known)} Known: {', '.join(known)}.")
    return _KINDS[name]


def _bound(text: str, sign: str, bound: str, kind: _Kind) -> float:
    wanted = "<=" if kind.direction == "min" else ">="
    if sign != wanted:
        what = "a cost, which is bounded from above" if kind.direction == "min" else "a quality, which is bounded from below"
        raise UsageError(f"`{text}` bounds {what}. Write `{wanted}` instead of `{sign}`, as in `{kind.example}`.")
    try:
        value = kind.read(bound)
    except UsageError as error:
        raise UsageError(f"`{text}` has a bound that cannot be read: {error}") from None
    if not 0 < value < math.inf:
        raise UsageError(f"`{text}` has the bound `{bound}`, which is not above 0. Write it as in `{kind.example}`.")
    return value


def parse_objectives(texts: Sequence[str]) -> tuple[Objective, ...]:
    """All objectives of a search; each figure once, and a quality among them."""
    objectives = tuple(parse_objective(text) for text in texts)
    names = [o.name for o in objectives]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"The figure `{twice}` is named {names.count(twice)} times. Keep one objective for it.")
    if all(o.is_cost for o in objectives):
        raise UsageError(f"`{', '.join(names) or 'nothing'}` asks for no quality, so the smallest network would win. Add `psnr`.")
    return objectives


def growth(name: str) -> str:
    """The key of the figure that says by how much the quality `name` grew since the last version of shared weights."""
    return f"{name}_growth"


def violation(objectives: Sequence[Objective], figures: Figures) -> float:
    """By what shares of their bounds all objectives together are broken."""
    return sum(o.violation(figures) for o in objectives)


def broken(objectives: Sequence[Objective], figures: Figures) -> list[str]:
    """The objectives whose bounds are broken, as text."""
    return [str(o) for o in objectives if o.violation(figures) > 0]
