"""Behind `pixsearch apply` and `pixsearch doctor`: pictures in, pictures or findings out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pixsearch.cli import shown
from pixsearch.cli.machine import machine_facts
from pixsearch.cli.output import Output
from pixsearch.config import validate
from pixsearch.units import parse_bytes


def apply_to(
    model: Path,
    source: Path,
    destination: Path,
    *,
    threads: int,
    memory: str,
    sigma: float | None,
    raw: dict[str, object],
    tuned: bool,
    output: Output,
) -> None:
    """Run a model on one photo or raw frame, or a folder of them; `tuned` with the session options that its run has recorded."""
    from pixsearch.bench.recorded import recorded
    from pixsearch.bench.worker import set_option
    from pixsearch.infer.apply import How, apply_path
    from pixsearch.pixels.raw import RawConfig

    found = recorded(model, threads) if tuned and model.is_file() else None
    options = dict(found.options) if found else {}
    if found:
        print(found.text, file=sys.stderr, flush=True)

    def adjust(session: Any) -> None:
        for name, value in options.items():
            set_option(session, name, value)

    how = How(threads, parse_bytes(memory), validate(RawConfig, raw, "`pixsearch apply`"), sigma, adjust)
    result = {**apply_path(model, source, destination, how, tell), "session_options": options}
    output.add("apply", result, shown.applied_lines(result))


def tell(kind: str, **fields: Any) -> None:
    """On stderr how a video comes along, now and then."""
    if kind == "frames":
        print(f"{fields['file']}: {fields['frames']} frames, {fields['fps']:.3g} frames per second", file=sys.stderr, flush=True)


def diagnose(photos: list[Path], *, reduce: str | None, cache: Path | None, output: Output) -> None:
    """What would be used of `photos`, and what the machine offers."""
    result: dict[str, Any] = {"machine": machine_facts(cache)}
    tables = [shown.machine_table(result["machine"])]
    if photos:
        from pixsearch.data.examine import examine

        result["photos"] = examine(photos, reduce=reduce or "auto", memo=cache)
        tables.append(shown.photos_table(result["photos"]))
    output.add("doctor", result, *tables)


def measure_noise(frames: list[Path], raw: dict[str, object], output: Output) -> None:
    """The noise in flat or dark raw frames, as the settings of a task take it."""
    from pixsearch.pixels.noise import measured
    from pixsearch.pixels.raw import RawConfig, read_raw

    said = validate(RawConfig, raw, "`pixsearch doctor`")
    found = measured([read_raw(frame, said).signal() for frame in frames])
    result = {"frames": [str(frame) for frame in frames], **found._asdict()}
    output.add("noise", result, shown.noise_table(result))
