"""The demo's wall time by stage, and what it came to: `make demo` as it is, its record read afterwards.

    python benchmarks/demo_time.py

Prints a Markdown table and writes benchmarks/results/demo_time.json. The run goes to runs/demo-time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from pixsearch.events import read_events
from pixsearch.rundir import STAGES, environment, read_json, write_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "demo_time.json"
RUN = ROOT / "runs" / "demo-time"
LIMIT_S = 8 * 60


def main() -> None:
    """Run the demo and report."""
    command = [sys.executable, "-m", "pixsearch.cli", "run", "sample_images/demo.yaml", "--out", str(RUN.relative_to(ROOT)), "--again"]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    total = time.perf_counter() - start
    stages = {name: stage_seconds(name) for name in STAGES if (RUN / name).exists()}
    rows = read_json(RUN / "bench" / "bench.json")["rows"]
    models = [{key: row[key] for key in ("label", "psnr_db", "ssim", "gain_db", "macs_720p", "params", "file_bytes")} for row in rows]
    record = {"date": date.today().isoformat(), "limit_s": LIMIT_S, "total_s": total, "stages_s": stages, "rows": models}
    write_json(RESULTS, {**record, "environment": environment()})
    print(table(stages, total))
    print(f"\nThe demo {'keeps' if total < LIMIT_S else 'MISSES'} its limit of {LIMIT_S // 60} minutes.\n")
    print(outcome(models))


def stage_seconds(name: str) -> float:
    """From a stage's first event to its last."""
    times = [event["time"] for event in read_events(RUN / name / "events.jsonl")]
    return float(times[-1] - times[0])


def table(stages: dict[str, float], total: float) -> str:
    """Seconds by stage as Markdown; the rest is starting up, reading photos and writing the report."""
    rest = total - sum(stages.values())
    lines = ["| stage | seconds |", "| --- | ---: |"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in {**stages, "start-up and report": rest, "**all**": total}.items()]
    return "\n".join(lines)


def outcome(models: list[dict[str, Any]]) -> str:
    """What the models came to, as Markdown."""
    lines = ["| model | PSNR-Y | gain | SSIM |", "| --- | ---: | ---: | ---: |"]
    for row in models:
        gain = "" if row["gain_db"] is None else f"{row['gain_db']:+.2f}"
        lines.append(f"| {row['label']} | {row['psnr_db']:.2f} | {gain} | {row['ssim']:.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
