"""What the strategies of `prune` are worth for the same CPU time, and a network of that size trained from scratch beside them.

A trained model is pruned by `uniform`, `importance` and `evolution` to a share of its multiply-adds and fine-tuned by its own answers.
`scratch` is the network that `uniform` leaves with weights drawn at random, trained without a teacher. All have the CPU time of `--steps`
steps of fine-tuning: a step's time of either kind and that of a candidate are taken first, in turns in one process; the evolution
gives up as many steps as its candidates cost, and the training from scratch gets as many more as its steps are cheaper. The time that
the model to be pruned was trained for is not counted. Channels are chosen, and evolved, on photos held out of `--data`; the sets are only
scored on. What is done is kept in the results' file and in `--work`, so the script can be stopped at any moment and goes on where it was.

    python benchmarks/prune_strategies.py --data photos/train --set Set5=photos/Set5 --set B100=photos/B100
    python benchmarks/prune_strategies.py --data photos/train --set Set5=photos/Set5 --set B100=photos/B100 --rows
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pixsearch.config import Config
from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data, open_pictures
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, build
from pixsearch.nn.modelfile import load_model
from pixsearch.prune.config import PruneConfig
from pixsearch.prune.session import make_judge, prune_stage
from pixsearch.prune.shares import by_magnitude, uniform
from pixsearch.prune.slicing import slice_network
from pixsearch.registry import SPACES
from pixsearch.rundir import Stage, write_json
from pixsearch.tasks.base import Task, task_for
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
from pixsearch.train.session import train_stage
from pixsearch.train.validate import validate
from resumed import open_results

HERE = Path(__file__).parent
STRATEGIES = ("uniform", "evolution", "scratch", "importance")
Json = dict[str, Any]


class Settings(Config):
    """What a row's record was begun with."""

    row: str
    prune: PruneConfig
    train: TrainConfig


def main() -> None:
    options = read_options()
    results = load(options)
    if not options.rows:
        run(options, results)
    print(table(options, results))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=HERE / "models" / "conv3-m5c24-leaky-x2-seed0.safetensors")
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="photos to fine-tune on; a part is held out to select by")
    parser.add_argument("--set", type=named, required=True, action="append", metavar="NAME=FOLDER", help="pictures to score on; repeat it")
    parser.add_argument("--keep-macs", type=float, default=0.5)
    parser.add_argument("--steps", type=int, default=2500, help="steps of fine-tuning that all rows have the CPU time of")
    parser.add_argument("--evaluations", type=int, default=24, help="candidates of the evolution")
    parser.add_argument("--population", type=int, default=12)
    parser.add_argument("--val-pictures", type=int, default=8, help="held-out photos that candidates are scored on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--cache", type=Path, help="folder of the decoded pictures")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "prune_strategies.json")
    parser.add_argument("--work", type=Path, default=Path("runs") / "prune_strategies", help="where trainings and their checkpoints go")
    parser.add_argument("--rows", action="store_true", help="only say what is done")
    return parser.parse_args()


def named(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, Path(folder)


def load(options: argparse.Namespace) -> Json:
    protocol = {name: getattr(options, name) for name in ("keep_macs", "steps", "evaluations", "population", "val_pictures")}
    protocol |= {"model": options.model.stem, "data": [path.name for path in options.data]}
    return open_results(options.results, protocol, prices={}, rows={})


def run(options: argparse.Namespace, results: Json) -> None:
    network, card = load_model(options.model)
    task = task_for(card.signature)
    data = open_data(DataConfig(photos=tuple(options.data), cache=options.cache), task)
    if not results["prices"]:
        results["prices"] = prices(options, network, data, task)
        write_json(options.results, results)
    for row in options.only:
        key = f"{row}/seed {options.seed}"
        if key not in results["rows"]:
            print(key, flush=True)
            steps = steps_of(row, options, results["prices"])
            began, before = time.process_time(), (options.work / f"{row}-{options.seed}").exists()
            trained = train(row, steps, options, data, task)
            cpu_s = None if before else round(time.process_time() - began, 1)
            results["rows"][key] = {"steps": steps, "cpu_s": cpu_s, **scores(trained, options, task)}
            write_json(options.results, results)


def tuning(options: argparse.Namespace, steps: int) -> TrainConfig:
    return TrainConfig(steps=steps, threads=1, seed=options.seed, validations=1)


def pruning(options: argparse.Namespace, row: str) -> PruneConfig:
    more = {name: getattr(options, name) for name in ("evaluations", "population", "val_pictures")} if row == "evolution" else {}
    return PruneConfig.model_validate({"strategy": row, "keep_macs": options.keep_macs, **more})


def prices(options: argparse.Namespace, network: Network, data: Data, task: Task) -> Json:
    """CPU seconds of a step with a teacher, of one without, and of a candidate: medians of three takes in turns."""
    space = SPACES.load(network.genotype.space)(network.signature)
    kept, steps = by_magnitude(network).kept(uniform(network, space, options.keep_macs)), 40
    settings = tuning(options, steps)
    judge = make_judge(network, data, task, pruning(options, "evolution"), settings)
    patches = Patches(data.train, task, batch=settings.batch, patch=settings.patch, seed=1)
    rng = np.random.default_rng(0)
    takes: dict[str, list[float]] = {"taught_step": [], "step": [], "candidate": []}
    for number in range(4):
        taken = {
            "taught_step": clocked(lambda: fit(slice_network(network, kept), patches, settings, teacher=network)) / steps,
            "step": clocked(lambda: fit(slice_network(network, kept), patches, settings)) / steps,
            "candidate": clocked(lambda: [judge.judge(judge.cuts.sample(rng)) for _ in range(3)]) / 3,
        }
        for name, seconds in taken.items() if number else ():  # the first take warms up
            takes[name].append(seconds)
    return {name: statistics.median(seconds) for name, seconds in takes.items()}


def clocked(work: Any) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def steps_of(row: str, options: argparse.Namespace, cost: Json) -> int:
    """The steps that a row's CPU time is enough for."""
    if row == "scratch":
        return round(float(options.steps * cost["taught_step"] / cost["step"]))
    candidates = float(options.evaluations * cost["candidate"] / cost["taught_step"])
    return int(options.steps) - (round(candidates) if row == "evolution" else 0)


def train(row: str, steps: int, options: argparse.Namespace, data: Data, task: Task) -> Path:
    """The model of a row, which goes on where it was stopped."""
    folder, settings = options.work / f"{row}-{options.seed}", tuning(options, steps)
    network, card = load_model(options.model)
    config = pruning(options, "uniform" if row == "scratch" else row)
    name = "train" if row == "scratch" else "prune"
    with Stage(folder, name, Settings(row=row, prune=config, train=settings), resume=(folder / name / "events.jsonl").exists()) as stage:
        if row != "scratch":
            return prune_stage(network, card, data, task, config, settings, stage)
        space = SPACES.load(network.genotype.space)(network.signature)
        fresh = build(by_magnitude(network).genotype(uniform(network, space, options.keep_macs)), task.signature, seed=options.seed)
        return train_stage(fresh, data, task, settings, stage, "scratch")


def scores(model: Path, options: argparse.Namespace, task: Task) -> Json:
    """What the table shows, and every picture's PSNR for the intervals."""
    network, card = load_model(model)
    sets = {name: open_pictures([folder], task, DataConfig(cache=options.cache)) for name, folder in options.set}
    figures = {name: validate(network, cache, task) for name, cache in sets.items()}
    return {
        "description": SPACES.load(network.genotype.space)(network.signature).describe(network.genotype),
        "macs_720p": card.macs_720p,
        "held_out_psnr_db": card.training["scores"]["psnr_db"],
        "sets": {name: {"psnr_db": found["psnr_db"], "ssim": found["ssim"]} for name, found in figures.items()},
        "pictures": {name: {p: one["psnr_db"] for p, one in found["pictures"].items()} for name, found in figures.items()},
        "date": datetime.now(UTC).date().isoformat(),
    }


def table(options: argparse.Namespace, results: Json) -> str:
    """The table in Markdown, gains over `uniform` with their 95 % intervals over pictures; what was not run says so."""
    names = [name for name, _ in options.set]
    heads = ["", "seed", "steps", "MACs 720p", *(f"{name}, gain over uniform" for name in names), "architecture"]
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    seeds = sorted({options.seed, *(int(key.rpartition(" ")[2]) for key in results["rows"])})
    for seed, row in product(seeds, STRATEGIES):
        found, even = (results["rows"].get(f"{name}/seed {seed}") for name in (row, "uniform"))
        if found is None:
            lines.append(f"| {row} | {seed} | not run |" + " |" * (len(heads) - 3))
            continue
        cells = [f"{found['sets'][name]['psnr_db']:.3f}{gain(found, even, name)}" for name in names]
        known = [row, str(seed), str(found["steps"]), f"{found['macs_720p'] / 1e9:.2f} G", *cells, found["description"]]
        lines.append("| " + " | ".join(known) + " |")
    return "\n".join(lines)


def gain(found: Json, other: Json | None, name: str) -> str:
    """The mean difference of two rows over the pictures of a set and where it lies in 95 of 100 draws of them."""
    if other is None or other is found:
        return ""
    ours, theirs = found["pictures"][name], other["pictures"][name]
    gains = np.array([ours[picture] - theirs[picture] for picture in ours])
    draws = gains[np.random.default_rng(0).integers(len(gains), size=(2000, len(gains)))].mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f", {gains.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    main()
