"""Target `arm64:CORE`: real Arm kernels under qemu-user; what they give is exact, how long they take is modelled."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pixsearch.bench import setup, tools
from pixsearch.bench.bundle import find_bundle
from pixsearch.bench.modelled.cores import Core, core_named, write_cpuinfo
from pixsearch.bench.modelled.counts import Counts, read_counts
from pixsearch.bench.modelled.cycles import CycleModel
from pixsearch.bench.modelled.devices import Device, device_named
from pixsearch.bench.targets.base import Measurement, Modelled, Prepared, Repeat, Target
from pixsearch.bench.targets.runner import SETTINGS, Carrier, RunnerPrepared
from pixsearch.errors import DataError, UsageError
from pixsearch.tasks.base import Planes

DEFAULT = "a76"
COUNTS = "counts"
MARK_LOAD = "marks=load"
SAME = 1e-5


class Arm64Target(Target):
    """ONNX Runtime's CPU provider for AArch64 on an emulated core; `argument` is a core (`a76`) or a device of the table."""

    name = "arm64"
    modelled = True
    counts_load: ClassVar[bool] = True
    most_runs: ClassVar[int | None] = 2

    def __init__(self, argument: str = "") -> None:
        super().__init__(argument)
        self.device: Device | None = device_named(argument or DEFAULT)
        self.core: Core = self.device.design if self.device else core_named(argument or DEFAULT)
        self.clock_ghz = self.device.clock_ghz if self.device else self.core.clock_ghz
        self._cycles = CycleModel(self.core)

    @property
    def label(self) -> str:
        """`arm64 Cortex-A76 at 2.4 GHz, emulated`, with the device's name where one was asked for."""
        device = f" as in {self.argument}" if self.device else ""
        return f"arm64 {self.core.design} at {self.clock_ghz:g} GHz{device}, emulated"

    @property
    def cache_bytes(self) -> int:
        """The last-level cache that memory traffic is counted behind."""
        return self.device.cache_bytes if self.device else self.core.cache_bytes

    @property
    def validated(self) -> str:
        """What the modelled time was compared with, and how far off it was."""
        found = self.device.validation if self.device else None
        if found is None:
            return "no measured latency of this device was compared with it"
        return f"{found.left_out_error_percent:g} % mean error on {found.on}"

    @cached_property
    def source(self) -> str:
        """What the figures came from."""
        emulator, mca = tools.find("qemu-aarch64"), tools.find_llvm("llvm-mca")
        versions = [tools.version_of(program) if program else "?" for program in (emulator, mca)]
        return f"qemu-user {versions[0]}, llvm-mca {versions[1]} ({self.core.tables})"

    @property
    def method(self) -> str:
        """Source and validation of the modelled time, in one line."""
        return (
            f"executed instructions counted under emulation, cycles by block, every access a hit in the first-level cache, "
            f"no less than the memory traffic takes ({self.source}); {self.validated}"
        )

    @property
    def summed_up(self) -> str:
        """The same of a time that is summed up from operators."""
        return f"operators emulated one by one, their cycles summed up ({self.source}); {self.validated}"

    def model(self, counts: Counts) -> Modelled:
        """The cycles of what was counted; no memory bounds a bare core, for it belongs to no device."""
        found = self._cycles.cycles(counts)
        return Modelled(
            core=self.core.design,
            clock_ghz=self.clock_ghz,
            scale=self.device.scale if self.device else 1.0,
            cycles=found.cycles,
            instructions=counts.instructions,
            classes=counts.classes,
            loaded_bytes=counts.loaded_bytes,
            stored_bytes=counts.stored_bytes,
            memory_bytes=counts.memory_bytes,
            floor_ms=counts.memory_bytes / (self.device.memory_gb_per_s * 1e6) if self.device else 0.0,
            covered=found.covered,
            source=self.source,
            validated=self.validated,
        )

    def prepare(self, model: Path, threads: int) -> Prepared:
        """Start the emulator and let the runner load `model`."""
        self._check_threads(threads)
        if not model.is_file():
            raise DataError(f"There is no file `{model}`. Give a model that `pixsearch export` has written.")
        setup.check(self.name)
        return Arm64Prepared(model, self)

    def require(self, threads: int) -> None:
        """One thread, and every piece of the emulator."""
        self._check_threads(threads)
        setup.check(self.name)

    def _check_threads(self, threads: int) -> None:
        if threads != 1:
            raise UsageError(f"`{threads}` threads are asked for, but `arm64` models a single one. Ask for 1.")


class Emulator(Carrier):
    """qemu-user on this machine; a scratch folder here serves as the one there."""

    def __init__(self, core: Core, cache_bytes: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pixsearch-arm64-"))
        self._core, self._cache_bytes = core, cache_bytes
        write_cpuinfo(core, self.folder / "root")

    def place(self, name: str) -> str:
        """In the scratch folder."""
        return str(self.folder / name)

    def push(self, file: Path, name: str) -> None:
        """A link is enough."""
        place = self.folder / name
        place.unlink(missing_ok=True)
        place.symlink_to(file.absolute())

    def pull(self, name: str, file: Path) -> None:
        """It is here already."""
        shutil.move(self.folder / name, file)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """qemu with the counting plugin, then the bundle's runner."""
        bundle = find_bundle("aarch64")
        assert bundle is not None  # `setup.check` has seen it
        plugin = f"{setup.plugin()},out={self.folder / COUNTS},cache={self._cache_bytes}"
        emulator = [str(tools.find("qemu-aarch64")), "-plugin", plugin, "-cpu", self._core.emulated, "-L", str(self.folder / "root")]
        emulator += ["-E", f"LD_PRELOAD={setup.steady()}"]
        return [*emulator, *bundle.command(str(bundle.folder)), *arguments]

    def close(self) -> None:
        """Remove the scratch folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Arm64Prepared(RunnerPrepared):
    """A model in the emulator; every timed run is one that the plugin counts."""

    def __init__(self, model: Path, target: Arm64Target) -> None:
        self._target = target
        self._emulator = Emulator(target.core, target.cache_bytes)
        marks = (MARK_LOAD,) if target.counts_load else ()
        super().__init__(model, 1, self._emulator, dict(os.environ), settings=(*SETTINGS, *marks))
        self._load_instructions = self._counted_load() if marks else None

    def run(self, inputs: Mapping[str, Planes] | None, repeat: Repeat, *, want_outputs: bool = False) -> Measurement:
        """Count each run and model its time; a time box counts modelled milliseconds."""
        self._hand_over(inputs or {})
        self._warm_up(repeat.warmup)
        runs: list[Measurement] = []
        spent_ms = 0.0
        while len(runs) < repeat.count:
            runs.append(self._modelled(self._counted()))
            spent_ms += runs[-1].latencies_ms[0]
            boxed = repeat.box_s is not None and spent_ms >= repeat.box_s * 1e3
            if len(runs) >= repeat.least and (boxed or settled([run.latencies_ms[0] for run in runs], repeat.spread)):
                break
        latencies_ms = tuple(run.latencies_ms[0] for run in runs)
        return replace(runs[-1], latencies_ms=latencies_ms, outputs=self._outputs() if want_outputs else {})

    def _counted_load(self) -> int:
        """What opening the session took: the runner has marked it, and has not run yet."""
        try:
            return read_counts(self._emulator.folder / COUNTS).instructions
        except BaseException:
            self.close()
            raise

    def _warm_up(self, most: int) -> None:
        """Run until the number of instructions stays the same, at most `most` times: the first runs plan their memory."""
        before = 0
        for _ in range(most):
            now = self._counted().instructions
            if abs(now - before) <= SAME * now:
                break
            before = now

    def _counted(self) -> Counts:
        self._ask("run", 0, 1, 1, -1, -1)
        return read_counts(self._emulator.folder / COUNTS)

    def _modelled(self, counts: Counts) -> Measurement:
        modelled = self._target.model(counts)
        return Measurement(
            latencies_ms=(modelled.latency_ms,),
            waited_ms=(),
            threads=1,
            load_ms=None,  # the emulator's loading time is nobody's
            load_instructions=self._load_instructions,
            peak_bytes=None,
            runtime_bytes=None,
            provider=self._loaded["provider"],
            runtime=self._loaded["runtime"],
            modelled=modelled,
        )


def settled(latencies_ms: Sequence[float], spread: float | None) -> bool:
    """Whether two runs agree within `spread` of the latency; noise is no normal one here, so there is nothing to estimate."""
    return spread is not None and len(latencies_ms) > 1 and abs(latencies_ms[-1] - latencies_ms[-2]) <= spread * latencies_ms[-1]
