"""Candidates a minute of a search in one process, in a pool and on Ray, in turns so that a machine's drift hits all alike.

Every turn searches anew with the same seed, so all executors train the same candidates; the first candidate of each worker, for
which it is started and everything is imported, is counted apart.

    python benchmarks/search_workers.py --data sample_images --turns 3 --candidates 16 --steps 200
"""

from __future__ import annotations

import argparse
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.events import read_events
from pixsearch.interrupt import graceful_interrupt
from pixsearch.rundir import Stage, environment, write_json
from pixsearch.search.config import SearchConfig
from pixsearch.search.session import search_stage
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig

HERE = Path(__file__).parent
CREWS: dict[str, dict[str, Any]] = {
    "in-process": {},
    "pool, 2 workers": {"executor": "pool", "workers": 2},
    "Ray, 2 workers": {"executor": "ray", "workers": 2},
}
Json = dict[str, Any]


def main() -> None:
    options = read_options()
    task = TaskConfig(scale=2).make()
    data = open_data(DataConfig(photos=tuple(options.data)), task)
    results: Json = {"settings": settings(options), "machine": environment(), "rows": []}
    with graceful_interrupt():
        for turn in range(options.turns):
            names = list(CREWS)[:: -1 if turn % 2 else 1]
            for name in names:
                results["rows"].append({"turn": turn, "executor": name, **search(options, data, task, name)})
                write_json(options.results, results)
    print(table(results["rows"]))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[HERE.parent / "sample_images"], help="photos")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=16, help="of each search")
    parser.add_argument("--steps", type=int, default=200, help="training steps of a candidate")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "search_workers.json")
    parser.add_argument("--work", type=Path, default=Path("runs") / "search_workers", help="where the searches' records go")
    return parser.parse_args()


def settings(options: argparse.Namespace) -> Json:
    return {"candidates": options.candidates, "steps": options.steps, "turns": options.turns, "data": [path.name for path in options.data]}


def search(options: argparse.Namespace, data: Data, task: Task, name: str) -> Json:
    """One search of one generation, and what its record says of its speed."""
    config = SearchConfig(
        strategy="random",
        evaluations=options.candidates,
        population=options.candidates,
        proxy_steps=options.steps,
        threads=1,
        **CREWS[name],
    )
    shutil.rmtree(options.work, ignore_errors=True)
    load = os.getloadavg()[0]
    with Stage(options.work, "search", config) as stage:
        search_stage(data, task, config, stage)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": round(load, 1),
        **speed(options.work, config.workers or 1),
    }


def speed(run: Path, workers: int) -> Json:
    """Seconds to the end of each worker's first candidate, then candidates a minute."""
    events = list(read_events(run / "search" / "events.jsonl"))
    began = next(event["time"] for event in events if event["kind"] == "begun")
    ended = [event["time"] for event in events if event["kind"] == "candidate"]
    steady = 60 * (len(ended) - workers) / (ended[-1] - ended[workers - 1])
    cpu_s = median(event["cpu_s"] for event in events if event["kind"] == "candidate")
    return {"first_s": round(ended[workers - 1] - began, 2), "per_minute": round(steady, 2), "cpu_s_each": round(cpu_s, 2)}


def table(rows: list[Json]) -> str:
    """Medians over the turns, as Markdown."""
    lines = [
        "| executor | candidates a minute | from … to | over in-process | first of each worker after | processor s a candidate |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    base = median(row["per_minute"] for row in rows if row["executor"] == "in-process")
    for name in CREWS:
        mine = [row for row in rows if row["executor"] == name]
        rates = sorted(row["per_minute"] for row in mine)
        first, cpu = (median(row[key] for row in mine) for key in ("first_s", "cpu_s_each"))
        spread = f"{rates[0]:.1f} … {rates[-1]:.1f}"
        lines.append(f"| {name} | {median(rates):.1f} | {spread} | ×{median(rates) / base:.2f} | {first:.1f} s | {cpu:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
