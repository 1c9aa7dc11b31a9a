"""What methods without a network score on every task but super-resolution, and which unsharp mask is the best.

    python benchmarks/task_baselines.py --sets photos/val

`--sets` is as for train_quality.py, whose rows say which task is scored on which set.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pixsearch.bench.accuracy import Pairs, on_inputs, score
from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_pictures
from pixsearch.rundir import environment, write_json
from pixsearch.tasks.base import Method
from pixsearch.tasks.enhance import UNSHARP, unsharp
from train_quality import ROWS, pictures_of, task_of

HERE = Path(__file__).parent
SIGMAS, AMOUNTS = (0.8, 1.2, 1.6, 2.0), (0.2, 0.4, 0.6, 0.9, 1.3, 1.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True, help="the folder of the sets to score on")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "task_baselines.json")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for row in ROWS:
        task = task_of(row)
        if task.name == "sr":
            continue
        methods: dict[str, Method] = {task.baseline_name: task.baseline, **task.other_baselines}
        if task.name == "enhance":
            methods |= {f"unsharp mask, σ {sigma:g} × {amount:g}": unsharp(sigma, amount) for sigma in SIGMAS for amount in AMOUNTS}
        for name in row.sets:
            pairs = Pairs(open_pictures(pictures_of(name, options.sets), task, DataConfig(reduce="1")))
            for label, method in methods.items():
                found = score(on_inputs(method), task, pairs)
                rows.append(
                    {"task": row.name, "set": name, "method": label, "psnr_db": round(found.psnr_db, 3), "ssim": round(found.ssim, 4)}
                )
                print(f"| {row.name} | {name} | {label} | {found.psnr_db:.2f} | {found.ssim:.4f} |", flush=True)
    write_json(options.results, {"machine": environment(), "rows": rows})
    best = max((row for row in rows if row["method"].startswith("unsharp mask, ")), key=lambda row: row["psnr_db"])
    print(f"The best unsharp mask is {best['method']}; the task has σ {UNSHARP[0]:g} × {UNSHARP[1]:g}.")


if __name__ == "__main__":
    main()
