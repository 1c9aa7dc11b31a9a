"""A model in the C runner, wherever that runs: what all targets but `local` share. `Carrier` is the way there and back."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pixsearch.bench.targets.base import Measurement, Prepared, Repeat
from pixsearch.bench.targets.child import Child
from pixsearch.errors import DataError, MachineError
from pixsearch.tasks.base import Planes

SETTINGS = ("session.force_spinning_stop=1",)
"""As on target `local`: threads spin within a run, not between runs."""
TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 6: np.int32, 10: np.float16}
LOAD_TIMEOUT_S = 600.0
RUN_TIMEOUT_S = 3600.0


class Carrier(ABC):
    """The way to a machine: a scratch folder of one model's there, and the runner started there with its pipes here."""

    @abstractmethod
    def place(self, name: str) -> str:
        """The path there of the scratch file `name`; it holds no tab."""

    @abstractmethod
    def push(self, file: Path, name: str) -> None:
        """Copy `file` to `place(name)`. `MachineError` when the machine cannot be reached or is full."""

    @abstractmethod
    def pull(self, name: str, file: Path) -> None:
        """Copy `place(name)` back to `file`."""

    @abstractmethod
    def command(self, arguments: Sequence[str]) -> list[str]:
        """What to start here so that the runner starts there with `arguments` (MODEL THREADS CPUS KEY=VALUE…)."""

    @abstractmethod
    def close(self) -> None:
        """Remove the scratch folder, also from a machine that is hard to reach; never raises."""

    def conditions(self) -> dict[str, Any]:
        """What the machine tells of its present state."""
        return {}

    def rest(self) -> None:
        """Wait until the machine is as fit as it was, where it tells."""
        return


class RunnerPrepared(Prepared):
    """One model, loaded in a runner that `carrier` has started."""

    load_timeout_s: ClassVar[float] = LOAD_TIMEOUT_S
    run_timeout_s: ClassVar[float] = RUN_TIMEOUT_S

    def __init__(
        self,
        model: Path,
        threads: int,
        carrier: Carrier,
        environment: dict[str, str],
        cpus: str = "-",
        settings: Sequence[str] = SETTINGS,
    ) -> None:
        self._model, self._threads, self._carrier = model, threads, carrier
        self._scratch = tempfile.TemporaryDirectory(prefix="pixsearch-bench-")
        self._folder = Path(self._scratch.name)
        self._child: Child | None = None
        try:
            carrier.push(model, "model.onnx")
            command = carrier.command([carrier.place("model.onnx"), str(threads), cpus, *settings])
            self._child = Child(command, environment, self._folder, f"The runner that measures `{model.name}`")
            self._loaded = self._child.hear(self.load_timeout_s)
            self._check_loaded()
        except BaseException:
            self.close()
            raise

    def _check_loaded(self) -> None:
        reason = self._loaded.get("error")
        if reason is None:
            return
        if self._loaded.get("at") == "machine":
            raise MachineError(f"`{self._model.name}` could not be run on the target ({_brief(reason)}).")
        raise DataError(f"`{self._model}` cannot be loaded by ONNX Runtime on the target ({_brief(reason)}). Export it again.")

    def load(self, model: Path) -> None:
        """Go on with another model in the same process; `DataError` when the runtime cannot load it."""
        self._model = model
        self._carrier.push(model, "model.onnx")
        self._loaded = self._alive().ask(_line("load", self._carrier.place("model.onnx")), self.load_timeout_s)
        self._check_loaded()

    def run(self, inputs: Mapping[str, Planes] | None, repeat: Repeat, *, want_outputs: bool = False) -> Measurement:
        """Hand `inputs` over as files, wait for the timings."""
        self._hand_over(inputs or {})
        self._carrier.rest()
        before = self._carrier.conditions()
        box_s, spread = (-1.0 if value is None else value for value in (repeat.box_s, repeat.spread))
        answer = self._ask("run", repeat.warmup, repeat.count, repeat.least, box_s, spread)
        outputs = self._outputs() if want_outputs else {}
        after = self._carrier.conditions()
        return self._measurement(answer, outputs, {"before": before, "after": after} if before else {})

    def _alive(self) -> Child:
        if self._child is None:
            raise MachineError(f"The runner that measures `{self._model.name}` was closed. Prepare the model again.")
        return self._child

    def _hand_over(self, inputs: Mapping[str, Planes]) -> None:
        self._alive()
        ports: list[str] = self._loaded["inputs"]
        unknown = sorted(set(inputs) - set(ports))
        if unknown:
            raise MachineError(f"`{self._model.name}` could not be run (it takes {', '.join(ports)}, not {', '.join(unknown)}).")
        for name, planes in inputs.items():
            number = ports.index(name)
            file = self._folder / f"input-{number}"
            self._write(np.ascontiguousarray(planes), file)
            self._carrier.push(file, file.name)
            self._alive().say(_line("input", number, self._carrier.place(file.name), *planes.shape))

    def _write(self, planes: Planes, file: Path) -> None:
        try:
            planes.tofile(file)
        except OSError as error:
            raise MachineError(f"`{self._folder}` cannot be written ({error.strerror}). Free the disk or set TMPDIR.") from error

    def _ask(self, *words: object) -> dict[str, Any]:
        answer = self._alive().ask(_line(*words), self.run_timeout_s)
        if "error" in answer:
            raise MachineError(f"`{self._model.name}` could not be run ({_brief(answer['error'])}). Ask for a smaller size.")
        return answer

    def _outputs(self) -> dict[str, Planes]:
        names = [f"output-{number}" for number in range(len(self._loaded["outputs"]))]
        answer = self._ask("save", *map(self._carrier.place, names))
        outputs = {}
        for port, name, shape, kind in zip(self._loaded["outputs"], names, answer["shapes"], answer["types"], strict=True):
            self._carrier.pull(name, self._folder / name)
            outputs[port] = np.fromfile(self._folder / name, TYPES[kind]).reshape(shape)
        return outputs

    def _measurement(self, answer: dict[str, Any], outputs: dict[str, Planes], conditions: dict[str, Any]) -> Measurement:
        return Measurement(
            latencies_ms=tuple(answer["latencies_ms"]),
            waited_ms=tuple(answer["waited_ms"]),
            threads=self._threads,
            load_ms=self._loaded["load_ms"],
            peak_bytes=answer["peak_bytes"],
            runtime_bytes=self._loaded["runtime_bytes"],
            provider=self._loaded["provider"],
            placed=self._loaded["placed"],
            runtime=self._loaded["runtime"],
            outputs=outputs,
            power_w=tuple(answer["power_w"]),
            battery=answer["battery"],
            conditions=conditions,
        )

    def close(self) -> None:
        """End the runner, remove what it left there and here."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
        self._carrier.close()
        self._scratch.cleanup()


def _brief(text: str) -> str:
    """ONNX Runtime's message in one line."""
    return " ".join(text.split())[:300].rstrip(".")


def _line(*words: object) -> str:
    return "\t".join(map(str, words))
