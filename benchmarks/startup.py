"""How long `pixsearch --help` takes, beside what starting Python takes anyway: the two run in turns, medians are compared.

    python benchmarks/startup.py [RUNS]

Prints a Markdown table and writes benchmarks/results/startup.json.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median

from pixsearch.rundir import environment, write_json

RESULTS = Path(__file__).parent / "results" / "startup.json"
RUNS = 21
LIMIT_S = 0.4
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "pixsearch --help": [str(Path(sys.executable).with_name("pixsearch")), "--help"],
    "pixsearch bench --help": [str(Path(sys.executable).with_name("pixsearch")), "bench", "--help"],
}


def main() -> None:
    """Time the commands and report."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    figures = {name: summary(seconds) for name, seconds in timed(runs).items()}
    where = environment()
    record = {"date": date.today().isoformat(), "runs": runs, "limit_s": LIMIT_S, "environment": where, "commands": figures}
    write_json(RESULTS, record)
    print(table(figures))
    kept = figures["pixsearch --help"]["median_s"] < LIMIT_S
    print(f"\n`pixsearch --help` {'keeps' if kept else 'MISSES'} its limit of {LIMIT_S} s.")
    print(f"{where['processor']}, {where['cores']} cores, Python {where['python']}, {record['date']}; {runs} runs each, in turns.")


def timed(runs: int) -> dict[str, list[tuple[float, float]]]:
    """(wall, processor) seconds of every run; a first run that fills the disk's cache is not counted."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for number in range(runs + 1):
        for name, command in COMMANDS.items():
            spent = once(command)
            seconds[name] += [spent] if number else []
    return seconds


def once(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one run, which must succeed."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"`{' '.join(command)}` ended with code {child.returncode}. Install the package into this environment first.")
    return wall, used.ru_utime + used.ru_stime


def summary(seconds: list[tuple[float, float]]) -> dict[str, float]:
    """Median and fastest wall time, median processor time, in seconds."""
    walls, processors = zip(*seconds, strict=True)
    return {"median_s": round(median(walls), 4), "min_s": round(min(walls), 4), "processor_median_s": round(median(processors), 4)}


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as a Markdown table."""
    lines = [f"| `{name}` | {f['median_s']:.3f} s | {f['min_s']:.3f} s | {f['processor_median_s']:.3f} s |" for name, f in figures.items()]
    return "\n".join(["| command | median wall | fastest | median processor |", "| --- | ---: | ---: | ---: |", *lines])


if __name__ == "__main__":
    main()
