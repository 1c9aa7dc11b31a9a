"""What augmentation is worth where photos are few: networks trained on T91 under each kind of it, for equally many steps.

A row is one `pixsearch train --augment KIND` of a network on one thread, on all photos of --data or on the first few; the averaged weights
of the end are scored on Set5, on B100 and on the training photos themselves, which shows whether there is anything to gain: a network
that does no better on photos it knows is too small to overfit. Every finished row is kept, and a row that is stopped goes on from
its checkpoint the next time.

    python benchmarks/augmentation.py --data photos/train/T91 --sets photos/val [--only KIND ...] [--seeds 0 1 2]
    python benchmarks/augmentation.py --data photos/train/T91 --sets photos/val --rows

`--sets` holds the folders Set5 and B100. `--photos 10` trains on the first ten photos alone, `--network NAME` another network.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from networks import network
from pixsearch.bench.accuracy import Accuracy, difference
from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_pictures
from pixsearch.events import read_events
from pixsearch.nn.modelfile import load_deployed
from pixsearch.rundir import environment, read_json, write_json
from pixsearch.tasks.base import Scores
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.config import Augment
from pixsearch.train.validate import validate

HERE = Path(__file__).parent
KINDS: tuple[str, ...] = get_args(Augment)
SETS = ("Set5", "B100")
AGAINST = "flips"


def main() -> None:
    options = read_options()
    for seed in options.seeds:
        for kind in options.only or KINDS:
            if not options.rows and "psnr_db" not in load(options)["rows"].get(key(options, kind, seed), {}):
                train(options, kind, seed)
    print(table(options))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of photos to train on")
    parser.add_argument("--sets", type=Path, required=True, help="the folder of the sets to score on")
    parser.add_argument("--photos", type=int, help="train on the first so many photos alone")
    parser.add_argument("--network", default="plain-m4c16")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", default=[], choices=KINDS, metavar="KIND")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "augmentation.json")
    parser.add_argument("--work", type=Path, default=Path("runs") / "augmentation", help="where trainings and their checkpoints go")
    parser.add_argument("--rows", action="store_true", help="only show which rows are done")
    return parser.parse_args()


def load(options: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = read_json(options.results) if options.results.exists() else {"machine": environment(), "rows": {}}
    return results


def save(options: argparse.Namespace, row: str, fields: dict[str, Any]) -> None:
    results = load(options)
    results["rows"].setdefault(row, {}).update(fields)
    options.results.parent.mkdir(exist_ok=True)
    write_json(options.results, results)


def key(options: argparse.Namespace, kind: str, seed: int) -> str:
    """The row's place in the results."""
    return "/".join([options.network, f"{options.photos or 'all'} photos", str(options.steps), kind, f"seed {seed}"])


def photos(options: argparse.Namespace) -> list[Path]:
    """The photos to train on, by name."""
    found = sorted(path for path in options.data.iterdir() if path.suffix in (".png", ".bmp", ".jpg"))
    return found[: options.photos]


def train(options: argparse.Namespace, kind: str, seed: int) -> None:
    """Train the row, or go on with it, and score what comes out."""
    row = key(options, kind, seed)
    task, run = TaskConfig(scale=2).make(), options.work / row.replace("/", "-").replace(" ", "-")
    genotype = run.parent / f"{run.name}.json"
    genotype.parent.mkdir(parents=True, exist_ok=True)
    write_json(genotype, network(options.network, task.signature).to_json())
    data = [text for path in photos(options) for text in ("--data", str(path))]
    source = ["--arch", str(genotype), *data, "--val", str(options.sets / SETS[0]), "--augment", kind]
    new = [*source, "--steps", str(options.steps), "--threads", "1", "--seed", str(seed), "--out", str(run), "--again"]
    what = ["--resume", str(run)] if any((run / "train" / "checkpoints").glob("step-*")) else new
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pixsearch.cli", "train", *what]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = load(options)["rows"].get(row, {}).get("cpu_s", 0.0) + after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    save(options, row, {"cpu_s": round(used, 1)})
    if done.returncode:
        raise SystemExit(f"`{row}` stopped with exit code {done.returncode}; the same command goes on with it.")
    trained, _ = load_deployed(run / "train" / "model.safetensors")
    own = validate(trained, open_pictures(photos(options), task, DataConfig(reduce="1")), task)["psnr_db"]
    scored = {name: validate(trained, open_pictures([options.sets / name], task, DataConfig(reduce="1")), task) for name in SETS}
    figures = {
        "own_psnr_db": round(own, 4),
        "psnr_db": {name: round(found["psnr_db"], 4) for name, found in scored.items()},
        "pictures": {name: {p: round(f["psnr_db"], 4) for p, f in found["pictures"].items()} for name, found in scored.items()},
        "policies": [event for event in read_events(run / "train" / "events.jsonl") if event["kind"] == "policy"][::5],
    }
    save(options, row, {**figures, "date": datetime.now(UTC).date().isoformat()})


def table(options: argparse.Namespace) -> str:
    """A line for each kind in Markdown: means over seeds, their spread, and the gain over flips, paired by seed and picture."""
    rows = load(options)["rows"]
    heads = ["augmentation", "seeds", "CPU min", "training photos", *SETS, *(f"over {AGAINST}, {name}" for name in SETS)]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for kind in KINDS:
        done = {seed: rows.get(key(options, kind, seed), {}) for seed in options.seeds}
        known = {seed: row for seed, row in done.items() if "psnr_db" in row}
        if not known:
            lines.append([kind, "not run", *[""] * (len(heads) - 2)])
            continue
        minutes = statistics.mean(row["cpu_s"] for row in known.values()) / 60
        own = statistics.mean(row["own_psnr_db"] for row in known.values())
        scores = [with_spread([row["psnr_db"][name] for row in known.values()]) for name in SETS]
        gains = [gain(known, {seed: rows.get(key(options, AGAINST, seed), {}) for seed in known}, name) for name in SETS]
        shown = ", ".join(map(str, known))
        lines.append([kind, shown, f"{minutes:.1f}", f"{own:.2f}", *scores, *(["", ""] if kind == AGAINST else gains)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def with_spread(scores: list[float]) -> str:
    """The mean, and between which scores it lies."""
    mean = statistics.mean(scores)
    return f"{mean:.3f}" + (f" ({min(scores):.3f} … {max(scores):.3f})" if len(scores) > 1 else "")


def gain(rows: dict[int, dict[str, Any]], against: dict[int, dict[str, Any]], name: str) -> str:
    """The mean difference over the seeds that both have, with its 95 % interval over pictures (means over seeds) and each seed's own."""
    seeds = [seed for seed in rows if "psnr_db" in against[seed]]
    if not seeds:
        return "not run"
    mine, other = (mean_scores([side[seed]["pictures"][name] for seed in seeds]) for side in (rows, against))
    found = difference(mine, other, seed=0)
    low, high = found.interval_db or (found.mean_db, found.mean_db)
    each = [rows[seed]["psnr_db"][name] - against[seed]["psnr_db"][name] for seed in seeds]
    singly = f"; by seed {', '.join(f'{value:+.3f}' for value in each)}" if len(each) > 1 else ""
    return f"{found.mean_db:+.3f} ({low:+.3f} … {high:+.3f}{singly})"


def mean_scores(scores: list[dict[str, float]]) -> Accuracy:
    """Each picture's mean over the seeds; SSIM is not looked at."""
    return Accuracy({picture: Scores(statistics.mean(each[picture] for each in scores), 0.0) for picture in scores[0]})


if __name__ == "__main__":
    main()
