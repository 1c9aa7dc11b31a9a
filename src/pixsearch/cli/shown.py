"""What the commands that keep no record say: a plan, the machine, photos looked at, photos written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pixsearch.units import format_bytes, format_count, format_duration

LISTED = 20


def _facts(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in rows:
        table.add_row(name, Text(value))
    return table


def plan_table(result: dict[str, Any]) -> RenderableType:
    """The settings, the costs of the space's smallest, median and largest member, and the estimate of time."""
    settings = Text(yaml.safe_dump(result["settings"], sort_keys=False, default_flow_style=None, width=110).rstrip())
    members = Table(title=f"The space `{result['space']}`: {result['size']:.3g} genotypes", title_justify="left", box=None, pad_edge=False)
    for name in ("member", "MACs 720p", "params", "memory", "architecture"):
        members.add_column(name, justify="left" if name in {"member", "architecture"} else "right")
    for name, member in result["members"].items():
        costs = format_count(member["macs_720p"]), format_count(member["params"]), format_bytes(member["memory"])
        members.add_row(name, *costs, Text(member["description"]))
    return Group(Text("Settings", style="bold"), settings, Text(), members, Text(), *_estimate(result["estimate"]))


def _estimate(estimate: dict[str, Any]) -> list[Text]:
    each, total, count = estimate["seconds_per_candidate"], estimate["seconds"], estimate["candidates"]
    return [
        Text(f"Estimate: {format_duration(each)} a candidate, {count} candidates in {format_duration(total)}."),
        Text(str(estimate["basis"]), style="dim"),
    ]


def machine_table(machine: dict[str, Any]) -> RenderableType:
    """What the machine offers."""
    load = ", ".join(f"{value:.1f}" for value in machine["load_average"])
    return _facts(
        "Machine",
        [
            ("processor", f"{machine['processor']} ({machine['architecture']})"),
            ("cores", f"{machine['usable_cores']} usable of {machine['cores']}, load {load}"),
            ("memory", f"{format_bytes(machine['free_memory_bytes'])} free of {format_bytes(machine['memory_bytes'])}"),
            ("gpu", ", ".join(machine["gpus"]) or "none; training runs on the processor"),
            ("torch", f"{machine['torch']}, {machine['torch_threads']} thread(s)"),
            ("onnxruntime", f"{machine['onnxruntime']}: {', '.join(machine['providers'])}"),
            ("cache", f"{machine['cache']}, {format_bytes(machine['free_disk_bytes'])} free"),
            *((f"target {name}", label) for name, label in machine["targets"].items()),
        ],
    )


def photos_table(photos: dict[str, Any]) -> RenderableType:
    """What would be used of the photos, and each file that would not be, with its reason."""
    reduced = ", ".join(f"{count} by {factor}" for factor, count in photos["reduced"].items()) or "none"
    facts = _facts(
        "Photos",
        [
            ("used", f"{photos['used']} ({photos['pixels'] / 1e6:.1f} megapixels)"),
            ("groups", f"{photos['groups']} after near-duplicates are put together"),
            ("reduced", reduced),
            ("left out", str(len(photos["rejected"]))),
            ("cache", f"about {format_bytes(photos['cache_bytes'])}"),
            *_clip_facts(photos),
        ],
    )
    lines = [Text(f"  {item['path']}: {item['reason']}") for item in photos["rejected"][:LISTED]]
    more = len(photos["rejected"]) - LISTED
    return Group(Text(), facts, *lines, *([Text(f"  … and {more} more (`--json` names all)")] if more > 0 else []))


def _clip_facts(photos: dict[str, Any]) -> list[tuple[str, str]]:
    """What tasks of video find, and each clip with its frames."""
    if not photos["clips"]:
        return [("clips", "none; the video tasks make clips of the photos")]
    frames = sum(clip["frames"] for clip in photos["clip_list"])
    total = f"{photos['clips']} for the video tasks, {frames} frames, cache about {format_bytes(photos['clip_cache_bytes'])}"
    each = [
        ("", f"{clip['path']}: {clip['frames']} frames from {clip['first']} on, {clip['width']}×{clip['height']}"
         + (", video" if clip["format"] == "video" else ""))
        for clip in photos["clip_list"][:LISTED]
    ]  # fmt: skip
    more = photos["clips"] - LISTED
    return [("clips", total), *each, *([("", f"… and {more} more (`--json` names all)")] if more > 0 else [])]


def noise_table(noise: dict[str, Any]) -> RenderableType:
    """A camera's noise, and the options that a task takes it by."""
    unknown = {"shot": "not told by dark frames; add a flat one", "read": "not told by frames of one brightness; add a dark one"}
    rows = [(name, unknown[name] if noise[name] is None else f"{noise[name]:.3g}") for name in ("shot", "read")]
    options = " ".join(f"--{name} {noise[name]:.3g}" for name in ("shot", "read") if noise[name] is not None)
    low, high = noise["means"]
    return _facts("Noise", [*rows, ("signal", f"{low:.3f} to {high:.3f} of white"), ("as options", f"--noise camera {options}")])


def applied_lines(result: dict[str, Any]) -> RenderableType:
    """One line a photo or a video written."""
    return Group(*(Text(_applied(done)) for done in result["photos"]))


def _applied(done: dict[str, Any]) -> str:
    line = f"{done['file']}: {done['width']}×{done['height']} in {format_duration(done['seconds'])}"
    if "frames" not in done:
        return line
    rate = f"{done['frames']} frames, {done['fps']:.3g} frames per second"
    return ", ".join(filter(None, [line, rate, done["said"]]))
