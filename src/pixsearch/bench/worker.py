"""The child process of target `local`: loads one model, then times it whenever it is told to; numpy and ONNX Runtime alone.

It is started as a file, not as a part of the package, so that nothing else is imported into the process whose time and
memory are measured. Its only argument is a JSON object {model, threads, settings}. It answers with one JSON line once
the model is loaded, then with one line for each request line on stdin, and ends with stdin.

Request: {inputs: {name: file.npy} or null to keep them, warmup, count, least, box_s or null, spread or null, outputs: folder or null}.
Answer: {latencies_ms, waited_ms, peak_bytes, outputs: {name: file.npy}}, or {error} when ONNX Runtime refuses.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from typing import IO, Any

import numpy as np
import onnxruntime as ort

ERRORS_ONLY = 3
Timings = tuple[list[float], list[float]]
TASKS = "/proc/self/task"
PROVIDER = "CPUExecutionProvider"


def main() -> None:
    """Load, then answer until stdin ends."""
    answers = claim_stdout()
    order = json.loads(sys.argv[1])
    runtime_bytes = resident_peak_bytes()
    try:
        session, load_ms = load(order)
    except Exception as error:  # ONNX Runtime's errors share no base class but this one
        answer(answers, {"error": str(error)})
        return
    answer(
        answers,
        {
            "load_ms": load_ms,
            "runtime_bytes": runtime_bytes,
            "provider": session.get_providers()[0],
            "runtime": f"onnxruntime {ort.__version__}",
        },
    )
    gc.disable()  # a collection amid a run would be timed
    serve(session, answers, order["threads"])


def claim_stdout() -> IO[str]:
    """A file on the real stdout; whatever libraries print goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def answer(file: IO[str], value: dict[str, Any]) -> None:
    """One JSON line, sent at once."""
    file.write(json.dumps(value) + "\n")
    file.flush()


def load(order: dict[str, Any]) -> tuple[ort.InferenceSession, float]:
    """The session and the milliseconds its creation took (reading, optimizing, packing weights)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = order["threads"]
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    for name, value in order["settings"].items():
        set_option(options, name, value)
    start = time.perf_counter()
    session = ort.InferenceSession(order["model"], options, providers=[PROVIDER])
    return session, (time.perf_counter() - start) * 1e3


def set_option(options: ort.SessionOptions, name: str, value: str) -> None:
    """Set an entry of the session's configuration (`session.…`), or an attribute: `graph_optimization_level` and `execution_mode`
    by the names that ONNX Runtime has for their values, switches by 0 or 1.
    """
    kinds = {"graph_optimization_level": ort.GraphOptimizationLevel, "execution_mode": ort.ExecutionMode}
    if "." in name:
        options.add_session_config_entry(name, value)
    elif name in kinds:
        setattr(options, name, getattr(kinds[name], value))
    else:
        setattr(options, name, value == "1")


def serve(session: ort.InferenceSession, answers: IO[str], threads: int) -> None:
    """Answer one request a line."""
    feed: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["inputs"] is not None:
                feed = {name: np.load(file) for name, file in request["inputs"].items()}
            latencies_ms, waited_ms = time_runs(session, feed, request, threads)
            peak_bytes = resident_peak_bytes()
            outputs = save_outputs(session, feed, request["outputs"])
        except Exception as error:  # a refused run (memory, shapes) is an answer, not a crash
            answer(answers, {"error": str(error)})
            continue
        answer(answers, {"latencies_ms": latencies_ms, "waited_ms": waited_ms, "peak_bytes": peak_bytes, "outputs": outputs})


def time_runs(session: ort.InferenceSession, feed: dict[str, Any], request: dict[str, Any], threads: int) -> Timings:
    """Milliseconds of each run after the warm-up, and those its threads stood in the queue for a core.

    Ends after `count` runs, or from `least` runs on with the time box or when the median has settled.
    """
    for _ in range(request["warmup"]):
        session.run(None, feed)
    latencies_ms: list[float] = []
    waited_ms: list[float] = []
    end = time.perf_counter() + (request["box_s"] if request["box_s"] is not None else float("inf"))
    while len(latencies_ms) < request["count"]:
        queued = queued_ns()
        start = time.perf_counter_ns()
        session.run(None, feed)
        latencies_ms.append((time.perf_counter_ns() - start) / 1e6)
        waited_ms.append((queued_ns() - queued) / 1e6 / threads)
        if len(latencies_ms) >= request["least"]:
            alone = [latency - waited for latency, waited in zip(latencies_ms, waited_ms, strict=True)] if threads == 1 else latencies_ms
            if time.perf_counter() > end or settled(alone, request["spread"]):
                break
    return latencies_ms, waited_ms


def queued_ns() -> int:
    """Nanoseconds that this process's threads were ready to run but had no core; 0 where the system does not count them."""
    total = 0
    with contextlib.suppress(OSError):
        for thread in Path(TASKS).iterdir():
            with contextlib.suppress(OSError, IndexError), (thread / "schedstat").open() as file:
                total += int(file.read().split()[1])
    return total


def save_outputs(session: ort.InferenceSession, feed: dict[str, Any], folder: str | None) -> dict[str, str]:
    """Run once more and write every output into `folder`; nothing without one."""
    if folder is None:
        return {}
    files = {}
    for number, (port, value) in enumerate(zip(session.get_outputs(), session.run(None, feed), strict=True)):
        files[port.name] = str(Path(folder) / f"output-{number}.npy")
        np.save(files[port.name], value)
    return files


def settled(latencies_ms: list[float], spread: float | None) -> bool:
    """Whether the median's standard error (1.25 σ / √n, σ from the quartiles) is below `spread` of the median."""
    if spread is None or len(latencies_ms) < 4:
        return False
    low, _, high = quantiles(latencies_ms, n=4)
    error_ms: float = 1.25 * (high - low) / 1.35 / len(latencies_ms) ** 0.5
    return error_ms < spread * median(latencies_ms)


def resident_peak_bytes() -> int:
    """The most memory this process has had resident.

    Linux: VmHWM, because ru_maxrss begins with the size of the process that started this one.
    """
    try:
        with Path("/proc/self/status").open() as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
