"""Where an exported model is measured: what every target offers, whether it measures or models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from pixsearch.registry import TARGETS
from pixsearch.tasks.base import Planes


@dataclass(frozen=True)
class Repeat:
    """How often to run: `warmup` runs that do not count, then up to `count` timed ones.

    Timing ends early, after `least` runs, once `box_s` seconds have passed or the standard error of the median has
    fallen below `spread` (a share of the median).
    """

    warmup: int = 3
    count: int = 40
    least: int = 1
    box_s: float | None = None
    spread: float | None = None


@dataclass(frozen=True)
class Modelled:
    """How a latency was computed instead of clocked, and what that was tried on.

    `core`, `clock_ghz` and `scale` turn `cycles` into milliseconds, which are never below `floor_ms`: `memory_bytes` over the
    memory's peak rate. `instructions` are counted, by class in `classes`; `covered` is the share modelled block by block.
    """

    core: str
    clock_ghz: float
    scale: float
    cycles: float
    instructions: int
    classes: Mapping[str, int]
    loaded_bytes: int
    stored_bytes: int
    memory_bytes: int
    floor_ms: float
    covered: float
    source: str
    validated: str

    @property
    def latency_ms(self) -> float:
        """The modelled time of one run."""
        return max(self.cycles / self.clock_ghz / 1e6 * self.scale, self.floor_ms)


@dataclass(frozen=True)
class Measurement:
    """What running a model gave.

    `latencies_ms` hold single runs by the clock, without loading and warm-up; `waited_ms` the part of each that its
    threads (on average) were ready but had no core, because the machine had other work; empty where a target cannot tell.
    `load_ms` is the time from file to ready session by the clock, None where that would say nothing about the device;
    `load_instructions` is what it executes, where that is counted: code that runs once, of which no model here makes milliseconds.
    `peak_bytes` is the most memory resident in the process that ran the model alone, of which `runtime_bytes` were
    there before the model was loaded; None where a target cannot tell. `outputs` hold arrays by the graph's names, float32
    (N, C, H, W), when they were asked for. `modelled` says how `latencies_ms` were computed where they were not clocked; the two
    never share a column. `provider` is the execution provider that has the model, `placed` the nodes that each has where a certain
    one was asked for. `power_w` are readings of what the battery gave, taken between runs, `battery` is its word for what it does; both
    empty where there is none. `conditions` is what the target told of itself around the runs (clock governor, temperature, …).
    """

    latencies_ms: tuple[float, ...]
    waited_ms: tuple[float, ...]
    threads: int
    load_ms: float | None
    peak_bytes: int | None
    runtime_bytes: int | None
    provider: str
    runtime: str
    modelled: Modelled | None = None
    load_instructions: int | None = None
    outputs: dict[str, Planes] = field(default_factory=dict)
    placed: Mapping[str, int] = field(default_factory=dict)
    power_w: tuple[float, ...] = ()
    battery: str = ""
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def alone_ms(self) -> tuple[float, ...]:
        """The latencies without the waiting: what they are when nothing else runs. Exact for one thread; else as clocked."""
        if self.threads != 1 or not self.waited_ms:
            return self.latencies_ms
        return tuple(latency - waited for latency, waited in zip(self.latencies_ms, self.waited_ms, strict=True))

    @property
    def waited_share(self) -> float | None:
        """The share of the timed runs that was waiting for a core (0: the machine was ours); None where unknown."""
        return sum(self.waited_ms) / sum(self.latencies_ms) if self.waited_ms else None


class Prepared(ABC):
    """A model ready on a target, to be run as often as wanted; a context manager that frees what it holds.

    Several may be open at once and take turns. One thread at a time may use one.
    """

    @abstractmethod
    def run(self, inputs: Mapping[str, Planes] | None, repeat: Repeat, *, want_outputs: bool = False) -> Measurement:
        """Time the model on `inputs`, float32 planes (N, C, H, W) by port name; None runs on the inputs of the run before.

        `MachineError` when the target fails, with its last words.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the target; closing twice is fine."""

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Target(ABC):
    """A place where models run. `argument` is what follows the colon of its name (`a76` in `arm64:a76`), or empty.

    `modelled` says whether its latencies are computed instead of clocked. `most_runs` is how many timed runs say all there is to
    say, None where more runs say more.
    """

    name: ClassVar[str]
    modelled: ClassVar[bool]
    most_runs: ClassVar[int | None] = None

    def __init__(self, argument: str = "") -> None:
        self.argument = argument

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is, honestly and in a few words, for tables."""

    @property
    def method(self) -> str:
        """How a modelled latency comes about and what that was tried on; empty where latency is clocked."""
        return ""

    def require(self, threads: int) -> None:
        """Raise what `prepare` would for want of tools or threads, before there is a model; by default nothing is looked at."""
        del threads

    @abstractmethod
    def prepare(self, model: Path, threads: int) -> Prepared:
        """Load the ONNX file at `model` for `threads` threads.

        `DataError` for a file that the target's runtime cannot load, `UsageError` for threads it does not have,
        `MachineError` when the target itself is missing or fails.
        """


def open_target(text: str) -> Target:
    """The target called `name` or `name:argument`."""
    name, _, argument = text.partition(":")
    target: Target = TARGETS.load(name)(argument)
    return target
