"""What each lever of the trainer is worth: one change at a time, all given the same time.

A row is a network and the settings in which it differs from the trainer's defaults, or a trial: a lever that the trainer does not
have, as a change of its loop. It takes as many steps as fit into the time that the defaults take for --steps, by the ratio of
their speeds measured in turns before it begins, so that a lever that makes steps slower pays for it. The averaged weights of
the end are scored on all pictures of each folder of --val. Every finished row is kept, so the script goes on where it was stopped.

    python benchmarks/train_levers.py --data photos/train --val photos/Set5 photos/B100 [--steps 20000] [--only ROW ...]
    python benchmarks/train_levers.py --data photos/train --val photos/Set5 photos/B100 --rows
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lever_trials import TRIALS, fit_trial
from networks import network
from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data, open_pictures
from pixsearch.data.patches import Patches
from pixsearch.nn.build import build, deploy
from pixsearch.rundir import read_json, write_json
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
from pixsearch.train.validate import validate
from resumed import open_results

HERE = Path(__file__).parent
TURNS, TIMED = 5, 40  # to compare speeds: turns, and steps in each


class Row(NamedTuple):
    """A network by name (see networks.py) and what differs from the defaults."""

    name: str
    network: str = "plain-m4c16"
    settings: Mapping[str, Any] = {}


ROWS = (
    Row("defaults"),
    Row("defaults, another seed", settings={"seed": 1}),
    Row("Adam", settings={"optimizer": "adam"}),
    Row("bicubic skip", "conv3-m4c16-leaky"),
    Row("linear branches", settings={"branches": "linear"}),
    Row("ECB branches", settings={"branches": "ecb"}),
    Row("ECB branches, another seed", settings={"branches": "ecb", "seed": 1}),
    Row("hardswish", "conv3-m4c16-hardswish-nearest"),
    Row("PReLU", "ecbsr-m4c16"),
    Row("EMA 0.9995", settings={"ema": 0.9995}),
    Row("batch 32", settings={"batch": 32}),
    Row("patch 48", settings={"patch": 48}),
    Row("float32", settings={"precision": "float32"}),
    *(Row(name) for name in TRIALS),
)

NETWORKS = (
    "plain-m4c16",
    "conv3-m4c16-hardswish",
    "conv3-m7c12-leaky",
    "conv3-m6c13-leaky",
    "dw3-m9c27-leaky",
    "ib3-m6c16h32-leaky",
    "s2d-conv3-m5c27-leaky",
    "s2d-conv3-m4c30-leaky",
)
"""Candidates for the best hand-picked network under 2.4 G multiply-adds."""

ROW_SETS = {"levers": ROWS, "networks": tuple(Row(name, name) for name in NETWORKS)}


def main() -> None:
    options = read_options()
    protocol = {"steps": options.steps, "scale": 2, "data": options.data.name, "val": [path.name for path in options.val]}
    results = open_results(options.results, protocol, rows={})
    if not options.rows:
        task = TaskConfig(scale=2).make()
        data = open_data(DataConfig(photos=(options.data,), val=(options.val[0],)), task)
        for row in ROW_SETS[options.set]:
            if row.name not in results["rows"] and (not options.only or row.name in options.only):
                print(f"{row.name} …", flush=True)
                done = train(row, data, task, options)
                results = read_json(options.results) if options.results.exists() else results  # another process may have added rows
                results["rows"][row.name] = done
                write_json(options.results, results)
    print(table(results, ROW_SETS[options.set]))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="photos to train on")
    parser.add_argument("--val", type=Path, required=True, nargs="+", help="folders of photos to score on")
    parser.add_argument("--set", choices=ROW_SETS, default="levers", help="levers of one network, or networks with the defaults")
    parser.add_argument("--steps", type=int, default=20_000, help="steps that the defaults take in a row's time")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "train_levers.json")
    parser.add_argument("--teacher", type=Path, help="the trained model of the rows that have a teacher")
    parser.add_argument("--rows", action="store_true", help="only show which rows are done")
    return parser.parse_args()


def train(row: Row, data: Data, task: Task, options: argparse.Namespace) -> dict[str, Any]:
    """The row's scores by folder, its steps and what they took."""
    settings = {"threads": 1, "seed": 0, **row.settings}
    slower = slowness(row, data, task, settings, options.teacher)
    config = TrainConfig(steps=round(options.steps / slower), **settings)
    began = time.process_time()
    trained = deploy(run(row, data, task, config, options.teacher))
    took = time.process_time() - began
    scores = {path.name: validate(trained, open_pictures([path], task, DataConfig()), task)["psnr_db"] for path in options.val}
    return {
        "network": row.network,
        "settings": dict(row.settings),
        "steps": config.steps,
        "slower": round(slower, 3),
        "cpu_s": round(took, 1),
        "psnr_db": {name: round(score, 4) for name, score in scores.items()},
        "date": datetime.now(UTC).date().isoformat(),
    }


def slowness(row: Row, data: Data, task: Task, settings: dict[str, Any], teacher: Path | None) -> float:
    """How many times the processor time of a step with the defaults a step of the row takes; both in turns, the first not counted."""
    ratios = []
    for _ in range(1 + TURNS):
        spent = []
        for each, with_settings in ((ROWS[0], {"threads": 1, "seed": 0}), (row, settings)):
            began = time.process_time()
            run(each, data, task, TrainConfig(steps=TIMED, **with_settings), teacher)
            spent.append(time.process_time() - began)
        ratios.append(spent[1] / spent[0])
    return statistics.median(ratios[1:])


def run(row: Row, data: Data, task: Task, config: TrainConfig, teacher: Path | None) -> Any:
    patches = Patches(data.train, task, batch=config.batch, patch=config.patch, seed=config.seed)
    fresh = build(network(row.network, task.signature), task.signature, branches=config.branches, seed=config.seed)
    return fit_trial(fresh, patches, config, TRIALS[row.name](), teacher) if row.name in TRIALS else fit(fresh, patches, config)


def table(results: dict[str, Any], rows: tuple[Row, ...]) -> str:
    folders = results["protocol"]["val"]
    lines = [["lever", "network", "steps", "time of a step", *folders], ["---", "---", *["---:"] * (2 + len(folders))]]
    for row in rows:
        done = results["rows"].get(row.name)
        known = [str(done["steps"]), f"{done['slower']:.2f} ×"] if done else ["not run"] * 2
        scores = [f"{done['psnr_db'][folder]:.2f}" if done else "not run" for folder in folders]
        lines.append([row.name, row.network, *known, *scores])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
