"""Target `local`: this computer, one fresh child process a model, so that time and memory are the model's own."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pixsearch.bench.targets.base import Measurement, Prepared, Repeat, Target
from pixsearch.bench.targets.child import Child
from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.rundir import environment
from pixsearch.tasks.base import Planes

WORKER = Path(__file__).parents[1] / "worker.py"
SETTINGS = {
    # Threads spin within a run, as by default, but not between runs: models that wait for their turn take no core.
    "session.force_spinning_stop": "1",
}
LOAD_TIMEOUT_S = 120.0
RUN_TIMEOUT_S = 900.0
NO_PHONE = ("x86_64", "AMD64", "i686", "ppc64le", "s390x")


class LocalTarget(Target):
    """ONNX Runtime's CPU provider on this computer."""

    name = "local"
    modelled = False
    run_timeout_s: ClassVar[float] = RUN_TIMEOUT_S

    def __init__(self, argument: str = "") -> None:
        super().__init__(argument)
        if argument:
            raise UsageError(f"The target `local` takes nothing after a colon, but was given `{argument}`. Write `local`.")

    @property
    def label(self) -> str:
        """`local x86_64 AMD EPYC, not a phone`."""
        processor = environment()["processor"]
        words = f"local {platform.machine()} {processor}".strip()
        return f"{words}, not a phone" if platform.machine() in NO_PHONE else words

    def prepare(self, model: Path, threads: int) -> Prepared:
        """Start the child and let it load `model`."""
        return self.prepare_with(model, threads, {})

    def prepare_with(self, model: Path, threads: int, options: Mapping[str, str]) -> LocalPrepared:
        """The same with `options` of the session beside the usual ones; see `worker.set_option` for what they may be."""
        offered = cores()
        if threads > offered:
            raise UsageError(f"`{threads}` threads are asked for, but this computer offers {offered}. Ask for at most {offered}.")
        if not model.is_file():
            raise DataError(f"There is no file `{model}`. Give a model that `pixsearch export` has written.")
        return LocalPrepared(model, threads, self.run_timeout_s, {**SETTINGS, **options})


class LocalPrepared(Prepared):
    """A child process that holds one model; see `worker.py` for what is said between the two."""

    def __init__(self, model: Path, threads: int, timeout_s: float, settings: Mapping[str, str]) -> None:
        self._model, self._threads, self._timeout_s = model, threads, timeout_s
        self._folder = Path(tempfile.mkdtemp(prefix="pixsearch-bench-"))
        self._child: Child | None = None
        try:
            order = {"model": str(model), "threads": threads, "settings": dict(settings)}
            # -P: the worker's folder must not shadow modules of the standard library.
            command = [sys.executable, "-P", str(WORKER), json.dumps(order)]
            self._child = Child(command, child_environment(), self._folder, f"The process that measures `{model.name}`")
            self._loaded = self._child.hear(LOAD_TIMEOUT_S)
            if "error" in self._loaded:
                raise DataError(f"`{model}` cannot be loaded by ONNX Runtime ({_brief(self._loaded['error'])}). Export it again.")
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process that holds the model."""
        return self._alive().pid

    def _alive(self) -> Child:
        if self._child is None:
            raise MachineError(f"The process that measures `{self._model.name}` was closed. Prepare the model again.")
        return self._child

    def run(self, inputs: Mapping[str, Planes] | None, repeat: Repeat, *, want_outputs: bool = False) -> Measurement:
        """Hand `inputs` over as files, wait for the timings."""
        child = self._alive()
        request = {
            **asdict(repeat),
            "inputs": None if inputs is None else self._save(inputs),
            "outputs": str(self._folder) if want_outputs else None,
        }
        answer = child.ask(request, self._timeout_s)
        if "error" in answer:
            raise MachineError(f"`{self._model.name}` could not be run ({_brief(answer['error'])}). Ask for a smaller size.")
        return self._measurement(answer)

    def _save(self, inputs: Mapping[str, Planes]) -> dict[str, str]:
        files = {}
        for number, (name, planes) in enumerate(inputs.items()):
            files[name] = str(self._folder / f"input-{number}.npy")
            try:
                np.save(files[name], np.ascontiguousarray(planes, None if planes.dtype == np.uint8 else np.float32))
            except OSError as error:
                raise MachineError(f"`{self._folder}` cannot be written ({error.strerror}). Free the disk or set TMPDIR.") from error
        return files

    def _measurement(self, answer: dict[str, Any]) -> Measurement:
        return Measurement(
            latencies_ms=tuple(answer["latencies_ms"]),
            waited_ms=tuple(answer["waited_ms"]),
            threads=self._threads,
            peak_bytes=answer["peak_bytes"],
            outputs={name: np.load(file) for name, file in answer["outputs"].items()},
            **self._loaded,
        )

    def close(self) -> None:
        """End the child, remove its folder."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def cores() -> int:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def child_environment() -> dict[str, str]:
    """The parent's, but numpy's own thread pool is kept from starting: its memory would count as the model's."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def _brief(text: str) -> str:
    """ONNX Runtime's message in one line, without its code prefix."""
    line = " ".join(text.split())
    return line.removeprefix("[ONNXRuntimeError] : ")[:300].rstrip(".")
