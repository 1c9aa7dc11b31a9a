"""Fit modelled to measured latency: one scale a device, and the error on each model when it is fitted on the others."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixsearch.bench.measure import quick
from pixsearch.bench.modelled.devices import Device, Validation, device_named, save
from pixsearch.bench.spec import LatencySpec, checked_size
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.errors import DataError, PixsearchError, UsageError
from pixsearch.infer.session import OnnxModel

COLUMNS = ("model", "latency_ms")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Line:
    """One measured latency: the ONNX file, its output size (height, width), milliseconds of one frame on one thread."""

    model: Path
    size: tuple[int, int]
    latency_ms: float


def scale_of(modelled: Sequence[float], measured: Sequence[float]) -> float:
    """The factor for `modelled` that leaves the least squared error of the logarithms: the geometric mean of the ratios."""
    return math.exp(sum(math.log(real / model) for model, real in zip(modelled, measured, strict=True)) / len(measured))


def left_out(modelled: Sequence[float], measured: Sequence[float]) -> list[float]:
    """Each of `modelled` times the scale that was fitted on all others; at least two are needed."""
    fits = []
    for number, model in enumerate(modelled):
        others = [index for index in range(len(modelled)) if index != number]
        fits.append(model * scale_of([modelled[i] for i in others], [measured[i] for i in others]))
    return fits


def mean_error(modelled: Sequence[float], measured: Sequence[float]) -> float:
    """Mean absolute error as a share of what was measured."""
    return sum(abs(model / real - 1) for model, real in zip(modelled, measured, strict=True)) / len(measured)


def spearman(modelled: Sequence[float], measured: Sequence[float]) -> float:
    """Rank correlation; ties share their mean rank."""
    first, second = _ranks(modelled), _ranks(measured)
    middle = (len(first) - 1) / 2
    covariance = sum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    spread = math.sqrt(sum((a - middle) ** 2 for a in first) * sum((b - middle) ** 2 for b in second))
    return covariance / spread if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    return [sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2 for value in values]


def calibrate(path: Path, name: str, *, size: str, write: bool, say: Say) -> dict[str, Any]:
    """Model every latency in the CSV file at `path` on the device `name`, fit, and with `write` keep the scale.

    `DataError` names every line that cannot be used, `MachineError` what the emulator lacks.
    """
    device = device_named(name)
    if device is None:
        raise UsageError(f"`{name}` is a core, not a device. Add one to your table of devices and name that.")
    lines = read_lines(path, size)
    target = Arm64Target(name)
    modelled = []
    for number, line in enumerate(lines, 1):
        say(f"{number} of {len(lines)}: {line.model.name}")
        modelled.append(model_line(line, target) / device.scale)
    return _result(name, device, lines, modelled, write)


def model_line(line: Line, target: Arm64Target) -> float:
    """Modelled milliseconds of the frame that was measured."""
    precision = OnnxModel.open(line.model).card.precision
    spec = LatencySpec(f"arm64:{target.argument}", *line.size, precision)
    return quick(line.model, spec, target).latencies_ms[-1]


def _result(name: str, device: Device, lines: Sequence[Line], modelled: Sequence[float], write: bool) -> dict[str, Any]:
    measured = [line.latency_ms for line in lines]
    several = len(lines) > 1
    fits: Sequence[float | None] = left_out(modelled, measured) if several else [None] * len(lines)
    rows = [
        {
            "model": line.model.name,
            "size": f"{line.size[1]}x{line.size[0]}",
            "measured_ms": line.latency_ms,
            "modelled_ms": model,
            "left_out_ms": fit,
            "left_out_error": None if fit is None else fit / line.latency_ms - 1,
        }
        for line, model, fit in zip(lines, modelled, fits, strict=True)
    ]
    result: dict[str, Any] = {
        "device": name,
        "scale": scale_of(modelled, measured),
        "error": mean_error(modelled, measured),
        "left_out_error": mean_error([fit for fit in fits if fit is not None], measured) if several else None,
        "spearman": spearman(modelled, measured) if several else None,
        "rows": rows,
    }
    result["written"] = str(_keep(name, device, result)) if write else None
    return result


def _keep(name: str, device: Device, result: dict[str, Any]) -> Path:
    if result["left_out_error"] is None:
        return save(name, device.model_copy(update={"scale": result["scale"], "validation": None}))
    validation = Validation(
        error_percent=round(result["error"] * 100, 1),
        left_out_error_percent=round(result["left_out_error"] * 100, 1),
        spearman=round(result["spearman"], 3),
        networks=len(result["rows"]),
        on=f"{len(result['rows'])} models measured by the user",
    )
    return save(name, device.model_copy(update={"scale": result["scale"], "validation": validation}))


def read_lines(path: Path, size: str) -> list[Line]:
    """The lines of the CSV file; files are looked for beside it. `DataError` names every fault."""
    try:
        rows = list(csv.DictReader(path.read_text().splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"`{path}` cannot be read ({error}). Give a CSV file with the columns {', '.join(COLUMNS)}.") from None
    lacking = [name for name in COLUMNS if not rows or name not in rows[0]]
    if lacking:
        raise DataError(
            f"`{path}` has no column {', '.join(f'`{name}`' for name in lacking)} or no lines. Its first line names the columns."
        )
    lines, faults = [], []
    for number, row in enumerate(rows, 2):
        try:
            lines.append(_line(path, row, size))
        except (PixsearchError, ValueError) as fault:
            faults.append(f"  line {number}: {fault}")
    if faults:
        raise DataError(f"`{path}` has {len(faults)} line{'s' * (len(faults) > 1)} that cannot be used:\n" + "\n".join(faults))
    return lines


def _line(path: Path, row: dict[str, str], size: str) -> Line:
    model = path.parent / row["model"]
    if not model.is_file():
        raise DataError(f"there is no file `{model}`")
    latency_ms = float(row["latency_ms"])
    if not 0 < latency_ms < math.inf:
        raise ValueError(f"`{row['latency_ms']}` is no time in milliseconds")
    return Line(model, checked_size(row.get("size") or size), latency_ms)
