"""Behind `pixsearch target`: setting up, listing and calibrating."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pixsearch.cli.output import Output
from pixsearch.errors import UsageError


def set_up(name: str, *, aar: Path | None, dry_run: bool, output: Output) -> None:
    """Get what `name` lacks, saying what is fetched and how large it is; `aar` is ONNX Runtime for Android that is here already."""
    from pixsearch.bench import android, setup, tools

    setup.needs(name)
    if aar and name != "android":
        raise UsageError(f"`--aar` is for `android`, not for `{name}`. Leave it out.")
    if aar and not dry_run:
        android.take_aar(aar)
    print(f"{name}: kept in {tools.home()}", file=sys.stderr)
    if not dry_run:
        setup.set_up(name, lambda line: print(line, file=sys.stderr, flush=True))
    found = pieces(name)
    output.add("setup", {"target": name, "folder": str(tools.home()), "pieces": found}, _pieces_table(found))


def pieces(name: str) -> list[dict[str, Any]]:
    """What the target needs: where each piece is, or how it would be got."""
    from pixsearch.bench import setup

    found = [(piece, piece.place) for piece in setup.needs(name)]
    return [{"name": p.name, "purpose": p.purpose, "found": str(place) if place else None, "source": p.cost} for p, place in found]


def _pieces_table(rows: list[dict[str, Any]]) -> RenderableType:
    table = _table("piece", "for", "where")
    for row in rows:
        table.add_row(row["name"], row["purpose"], Text(row["found"] or f"missing: {row['source']}"))
    return table


def list_all(output: Output) -> None:
    """All targets and all devices."""
    from pixsearch.bench.modelled.devices import devices, own_file
    from pixsearch.cli.machine import targets

    known = {name: device.to_json() for name, device in devices().items()}
    found = targets()
    kinds = _table("target", "on this machine")
    for name, text in found.items():
        kinds.add_row(name, Text(text))
    result = {"targets": found, "devices": known, "own_devices": str(own_file())}
    output.add("targets", result, kinds, Text(), _device_table(known), Text(f"your own devices: {own_file()}", style="dim"))


def _device_table(devices: dict[str, dict[str, Any]]) -> RenderableType:
    table = _table("device", "core", "GHz", "GB/s", "scale", "error")
    for name, device in devices.items():
        found = device["validation"]
        error = f"{found['left_out_error_percent']:g} % ({found['on']})" if found else "not compared"
        figures = (f"{device[field]:g}" for field in ("clock_ghz", "memory_gb_per_s", "scale"))
        table.add_row(name, device["core"], *figures, error)
    return table


def calibrate_device(measured: Path, device: str, *, size: str, write: bool, output: Output) -> None:
    """Fit, show, and with `write` keep."""
    from pixsearch.bench.modelled.calibrate import calibrate

    result = calibrate(measured, device, size=size, write=write, say=lambda line: print(line, file=sys.stderr, flush=True))
    table = _table("model", "size", "measured ms", "modelled ms", "fitted on the others", "error")
    for row in result["rows"]:
        fitted = "" if row["left_out_ms"] is None else f"{row['left_out_ms']:.3g}"
        error = "" if row["left_out_error"] is None else f"{row['left_out_error']:+.1%}"
        table.add_row(row["model"], row["size"], f"{row['measured_ms']:.3g}", f"{row['modelled_ms']:.3g}", fitted, error)
    lines = [
        Text(
            f"{device}: scale {result['scale']:.3f}; mean absolute error {_percent(result['error'])} without it, "
            f"{_percent(result['left_out_error'])} on models it was not fitted on."
        )
    ]
    if result["written"]:
        lines.append(Text(f"kept in {result['written']}"))
    output.add("calibrate", result, table, *lines)


def _percent(share: float | None) -> str:
    return "unknown (one model)" if share is None else f"{share:.1%}"


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table
