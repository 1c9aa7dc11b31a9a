"""Samples per second of the tool's training against a bare PyTorch loop over ready tensors, in turns within one process.

    python benchmarks/train_overhead.py [--segments 15] [--steps 150] [--threads 1]

The tool draws its batches from the cache of real photos, averages weights, watches the loss, and writes events and checkpoints; the bare
loop has its batches as tensors and does nothing but Adam's steps. Both train the same network in the same precision and
layout. A last row shows the bare loop as it is usually written: float32, and channels first.
Writes benchmarks/results/train_overhead.json and prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_data
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, build
from pixsearch.rundir import Stage, environment
from pixsearch.space.named import named
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.compute import Compute, choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit

ROOT = Path(__file__).parents[1]
ARCH = "plain-m4c16"
READY = 64  # batches that lie ready for the bare loop
BARE = "bare loop"

Segment = Callable[[int], None]


def bare(network: Network, batches: list[tuple[torch.Tensor, torch.Tensor]], compute: Compute) -> Segment:
    """A loop over ready tensors and nothing else."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def run(steps: int) -> None:
        for step in range(steps):
            inputs, truth = batches[step % READY]
            with compute.autocast():
                output = network(inputs)
            loss = F.l1_loss(output.float(), truth)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return run


def ours(network: Network, patches: Patches, settings: dict[str, Any], run_folder: Path) -> Segment:
    """The tool's own loop, with its record on disk; each segment is a training of its own."""
    number = 0

    def run(steps: int) -> None:
        nonlocal number
        number += 1
        config = TrainConfig(steps=steps, **settings)
        with Stage(run_folder / f"run{number}", "train", config) as stage:
            started = time.perf_counter(), time.process_time()
            fit(network, patches, config, checkpoints=Checkpoints(stage.path / "checkpoints", ""), note=stage.note)
            run.spent = time.perf_counter() - started[0], time.process_time() - started[1]  # type: ignore[attr-defined]

    return run


def contestants(settings: dict[str, Any], folder: Path) -> dict[str, Segment]:
    """The loops to be timed, by what the table calls them."""
    task, compute = SuperResolution(2, "y"), choose(TrainConfig(steps=1, **settings))
    photos = sorted((ROOT / "sample_images").glob("*.png"))
    data = open_data(DataConfig(photos=tuple(photos[:-2]), val=tuple(photos[-2:]), cache=folder / "cache"), task)
    patches = Patches(data.train, task, batch=settings["batch"], patch=settings["patch"], seed=0)
    drawn = [patches.draw(step) for step in range(READY)]
    plain = [(torch.from_numpy(batch.inputs["input"]), torch.from_numpy(batch.truth)) for batch in drawn]
    placed = [(compute.move(inputs), compute.move(truth)) for inputs, truth in plain]
    full = Compute(compute.device, torch.float32, compute.threads)

    def network() -> Network:
        return build(named(ARCH, task.signature)[1], task.signature)

    return {
        BARE: bare(compute.place(network()), placed, compute),
        "pixsearch, Adam": ours(network(), patches, {**settings, "optimizer": "adam"}, folder / "adam"),
        "pixsearch, Muon (default)": ours(network(), patches, settings, folder / "muon"),
        "bare loop, float32, channels first": bare(network(), plain, full),
    }


def measure(segments: dict[str, Segment], count: int, steps: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of wall clock and of processor for each segment; all loops in turns, the first round not counted."""
    times: dict[str, dict[str, list[float]]] = {name: {"wall_s": [], "cpu_s": []} for name in segments}
    for turn in range(count + 1):
        for name, run in segments.items():
            before = time.perf_counter(), time.process_time()
            run(steps)
            spent = getattr(run, "spent", (time.perf_counter() - before[0], time.process_time() - before[1]))
            if turn:
                times[name]["wall_s"].append(spent[0])
                times[name]["cpu_s"].append(spent[1])
    return times


def summarize(times: dict[str, dict[str, list[float]]], samples: int) -> list[dict[str, Any]]:
    """A row a loop: samples per second, and how much longer it takes than the bare loop in the same turn, with quartiles."""
    rows = []
    for name, spent in times.items():
        row: dict[str, Any] = {"loop": name, "samples_per_s": samples / statistics.median(spent["wall_s"])}
        for clock in ("wall_s", "cpu_s"):
            ratios = [mine / base for mine, base in zip(spent[clock], times[BARE][clock], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            row[f"overhead_{clock[:-2]}"] = {"median": middle - 1, "quartiles": [low - 1, high - 1]}
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| loop | samples/s | over the bare loop, wall clock | processor time |", "| --- | --- | --- | --- |"]
    for row in rows:
        cells = [shown(row["overhead_wall"]), shown(row["overhead_cpu"])] if row["loop"] != BARE else ["–", "–"]
        lines.append(f"| {row['loop']} | {row['samples_per_s']:.0f} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def shown(overhead: dict[str, Any]) -> str:
    low, high = overhead["quartiles"]
    return f"{overhead['median']:+.1%} ({low:+.1%} … {high:+.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=15)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "train_overhead.json")
    asked = parser.parse_args()
    settings = {"batch": asked.batch, "patch": asked.patch, "threads": asked.threads}
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        times = measure(contestants(settings, Path(folder)), asked.segments, asked.steps)
    rows = summarize(times, asked.steps * asked.batch)
    precision = choose(TrainConfig(steps=1)).precision
    record = {
        "arch": ARCH,
        **settings,
        "precision": precision,
        "steps": asked.steps,
        "environment": environment(),
        "rows": rows,
        "times": times,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{ARCH}, batch {asked.batch}, patch {asked.patch}, {precision}, {asked.threads} threads, {asked.segments} turns\n")
    print(table(rows))


if __name__ == "__main__":
    main()
