"""The table of what operators cost on Arm cores: filled by the emulator as they are asked for, kept in the user's cache folder.

An operator is emulated by itself on two low frames as wide as the one asked for, of 8 and 16 rows or more. Its cycles grow by the same
amount with every further row: kernels work row by row, or through blocks of pixels that are small beside a row. So two frames give the
cost at every height. Across widths it is not so simple (a kernel for short rows is another loop), so a width has entries of its own.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pixsearch.bench import setup
from pixsearch.bench.bundle import onnxruntime_version, sources_digest
from pixsearch.bench.modelled.operators import Operator, UnpricedError
from pixsearch.bench.targets.arm64 import SAME, Arm64Prepared, Arm64Target
from pixsearch.bench.targets.base import Repeat
from pixsearch.data.config import default_cache_folder
from pixsearch.data.progress import Note, silent
from pixsearch.errors import DataError, MachineError

VERSION = 1
ROWS = 8
LEAST_PIXELS = 2048
_ONCE = Repeat(warmup=0, count=1)
_MOST_RUNS = 8
_COLUMNS = "source TEXT, key TEXT, low REAL, high REAL, PRIMARY KEY (source, key)"
_BARE = "nothing"


@dataclass(frozen=True)
class Frames:
    """The two input heights that operators are emulated at, for inputs of one width."""

    low: int
    high: int
    width: int

    @classmethod
    def under(cls, width: int, multiple: int) -> Frames:
        """For inputs of `width` whose sides are multiples of `multiple`."""
        rows = ROWS
        while rows * width < LEAST_PIXELS or rows % multiple:
            rows += ROWS
        return cls(rows, 2 * rows, width)

    def at(self, height: int, low: float, high: float) -> float:
        """The cost at `height` when it is `low` and `high` at the two."""
        return max(0.0, low + (high - low) / (self.high - self.low) * (height - self.low))


class CostTable:
    """Cycles of operators on the core of `target`, beyond those of a run of nothing; a context manager that ends the emulator.

    Entries belong to the core, the runtime and the tools that made them. They are shared between processes; where the file cannot be
    written, they last as long as the table. One thread at a time may use it. `note` hears how filling it comes along.
    """

    note: Note = staticmethod(silent)

    def __init__(self, target: Arm64Target, folder: Path | None = None) -> None:
        self.target = target
        setup.check(target.name)
        # What a count of cycles depends on: a device's clock, memory and scale come later.
        tools = f"onnxruntime {onnxruntime_version()}, {target.source}, {sources_digest('count.c', 'runner.c', 'steady.c')}"
        self.source = f"{target.core.name}, {tools}"
        self._known: dict[str, tuple[float, float]] = {}
        self._base: sqlite3.Connection | None = None
        self._bench: _Bench | None = None
        place = folder or default_cache_folder()
        with contextlib.suppress(OSError, sqlite3.Error):
            place.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(place / f"operators.{VERSION}.sqlite", timeout=30.0)
            self._base.execute(f"CREATE TABLE IF NOT EXISTS costs ({_COLUMNS})")
            rows = self._base.execute("SELECT key, low, high FROM costs WHERE source = ?", (self.source,))
            self._known = {key: (low, high) for key, low, high in rows}

    def __len__(self) -> int:
        """How many operators are known."""
        return len(self._known)

    def bare(self) -> float:
        """Cycles of a run that computes next to nothing."""
        if _BARE not in self._known:
            cycles = self._emulator().cycles(_nothing(), {"x": np.zeros((1, 1), np.float32)})
            self._keep(_BARE, cycles, cycles)
        return self._known[_BARE][0]

    def look_up(self, key: str) -> tuple[float, float] | None:
        """Cycles on the low and the high frame, None when they are not known yet."""
        return self._known.get(key)

    def fill(self, key: str, low: Operator, high: Operator) -> tuple[float, float]:
        """Emulate an operator on the two frames, alone; `UnpricedError` where that cannot be done."""
        bare, bench = self.bare(), self._emulator()
        try:
            costs = [bench.cycles(one.alone(), one.noise()) - bare for one in (low, high)]
        except (DataError, MachineError) as error:
            self.close_emulator()
            raise UnpricedError(f"`{low.kind}` cannot be emulated by itself: {error}") from error
        self._keep(key, *costs)
        return self._known[key]

    def _keep(self, key: str, low: float, high: float) -> None:
        self._known[key] = (low, high)
        if self._base is not None:
            with contextlib.suppress(sqlite3.Error), self._base:
                self._base.execute("INSERT OR REPLACE INTO costs VALUES (?, ?, ?, ?)", (self.source, key, low, high))

    def _emulator(self) -> _Bench:
        if self._bench is None:
            self._bench = _Bench(self.target.core.name)
        return self._bench

    def close_emulator(self) -> None:
        """End the emulator; it is started again when it is needed."""
        bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()

    def close(self) -> None:
        """End the emulator and let go of the file."""
        self.close_emulator()
        if self._base is not None:
            self._base.close()

    def __enter__(self) -> CostTable:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _nothing() -> onnx.ModelProto:
    """A model whose run is all overhead: one value in, one out."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "nothing", value[:1], value[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


class _Core(Arm64Target):
    """A bare core without counts of memory traffic and of loading, which cost time."""

    counts_load = False

    @property
    def cache_bytes(self) -> int:
        return 0


class _Bench:
    """One emulator that takes model after model: starting it takes far longer than an operator does."""

    def __init__(self, core: str) -> None:
        self._core = _Core(core)
        self._folder = tempfile.TemporaryDirectory(prefix="pixsearch-operators-")
        self._path = Path(self._folder.name) / "operator.onnx"
        self._prepared: Arm64Prepared | None = None

    def cycles(self, model: onnx.ModelProto, inputs: Mapping[str, npt.NDArray[Any]]) -> float:
        """Modelled cycles of one run: the least, once it has come twice. Now and then a run keeps ONNX Runtime's books as well."""
        self._path.write_bytes(model.SerializeToString())
        if self._prepared is None:
            self._prepared = Arm64Prepared(self._path, self._core)
        else:
            self._prepared.load(self._path)
        seen: list[float] = []
        while len(seen) < _MOST_RUNS:
            modelled = self._prepared.run(None if seen else inputs, _ONCE).modelled
            assert modelled is not None
            seen.append(modelled.cycles)
            least = min(seen)
            if sum(cycles - least <= SAME * least for cycles in seen) > 1:
                break
        return min(seen)

    def close(self) -> None:
        """End it."""
        if self._prepared is not None:
            self._prepared.close()
        self._folder.cleanup()
