"""How well shared weights rank networks of one cost: Kendall's tau between the supernet's order and that of stand-alone trainings.

Members of the space `mobile` are drawn as a search draws them, within a narrow band of multiply-adds, where cost itself says little.
Each is trained from scratch for the same steps on the same batches. A supernet is trained on random members below the band's
upper end, as a search with `--strategy cars` warms up, and every member is scored by its slices of the weights and the best tail for
them, on a few of the pictures as in a search: before any training, which says what the fitted tails know by themselves, after the warm-up,
and after a generation whose parents the members are. What is done is kept in the results' file, so the script can be stopped at
any moment and goes on where it was.

    python benchmarks/supernet_ranking.py --data photos/train --val photos/B100
    python benchmarks/supernet_ranking.py --data photos/train --val photos/B100 --rows
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.interrupt import graceful_interrupt
from pixsearch.nn.build import build
from pixsearch.rng import derive, stream
from pixsearch.rundir import write_json
from pixsearch.search.bounds import fits_bounds
from pixsearch.search.evaluators.supernet import SharedTraining, SupernetPlan
from pixsearch.search.objectives import parse_objectives
from pixsearch.search.strategies.base import Sampler
from pixsearch.search.strategies.operators import spread_sampler
from pixsearch.search.windows import Selection
from pixsearch.space.base import read_genotype
from pixsearch.space.mobile import MobileGenotype, MobileSpace
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
from pixsearch.train.validate import validate
from pixsearch.units import parse_count
from resumed import open_results

HERE = Path(__file__).parent
RESAMPLES = 2000
PARTS = {
    "untrained": "shared weights, not trained",
    "warmup": "shared weights after warm-up",
    "population": "shared weights trained on with the members as parents",
}
Json = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """The settings of one comparison, its members and its results so far."""

    options: argparse.Namespace
    task: Task
    sample: Sampler
    members: list[MobileGenotype]
    results: Json

    @property
    def space(self) -> MobileSpace:
        return MobileSpace(self.task.signature)

    def save(self) -> None:
        write_json(self.options.results, self.results)


def main() -> None:
    options = read_options()
    task = TaskConfig(scale=options.scale).make()
    results = load_results(options)
    bench = Bench(options, task, *draw_members(options, MobileSpace(task.signature), results["alone"]), results)
    if not options.rows:
        run(bench)
    print(table(bench))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="photos to train on")
    parser.add_argument("--val", type=Path, required=True, nargs="+", help="photos to score on")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--members", type=int, default=30)
    parser.add_argument("--macs", default="600M", help="the middle of the band, multiply-adds for 720p")
    parser.add_argument("--band", type=float, default=0.15, help="how far it reaches to either side, as a share")
    parser.add_argument("--train-steps", type=int, default=1000, help="steps of each stand-alone training")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--warmup-steps", type=int, default=2000, help="steps of the shared weights on random members")
    parser.add_argument("--population-steps", type=int, default=1500, help="steps after that on the members alone")
    parser.add_argument("--supernet-batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=8, help="pictures that members are scored on by shared weights, as in a search")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "supernet_ranking.json")
    parser.add_argument("--work", type=Path, default=Path("runs") / "supernet_ranking", help="where the shared weights are kept")
    parser.add_argument("--only", choices=("alone", "supernet"), help="do this part alone")
    parser.add_argument("--rows", action="store_true", help="only say what is done")
    return parser.parse_args()


def draw_members(options: argparse.Namespace, space: MobileSpace, trained: Json) -> tuple[Sampler, list[MobileGenotype]]:
    """The sampler of a search bounded by the band's upper end, and different members that it draws within the band.

    Those that are `trained` come first: what is drawn may change with the space.
    """
    middle = parse_count(options.macs)
    low, high = middle * (1 - options.band), middle * (1 + options.band)
    objectives = parse_objectives(["psnr", f"macs_720p<={high:.0f}"])
    sample = spread_sampler(space, objectives, fits_bounds(space, objectives))
    rng = stream(options.seed, "ranking")
    found: dict[str, MobileGenotype] = {id: read_genotype(row["genotype"], space.signature)[1] for id, row in trained.items()}
    while len(found) < options.members:
        genotype = sample(rng)
        if low <= space.macs_720p(genotype) <= high:
            found[genotype.id] = genotype
    return sample, list(found.values())


def protocol(options: argparse.Namespace) -> Json:
    """What every row of one file has in common."""
    names = (
        "scale",
        "members",
        "macs",
        "band",
        "train_steps",
        "batch",
        "patch",
        "warmup_steps",
        "population_steps",
        "supernet_batch",
        "pictures",
        "seed",
    )
    folders = {name: [path.name for path in getattr(options, name)] for name in ("data", "val")}
    return {**folders, **{name: getattr(options, name) for name in names}}


def load_results(options: argparse.Namespace) -> Json:
    return open_results(options.results, protocol(options), alone={}, untrained={}, warmup={}, population={})


def run(bench: Bench) -> None:
    """Stand-alone trainings one by one, and the shared weights with their scores."""
    options = bench.options
    data = open_data(DataConfig(photos=tuple(options.data), val=tuple(options.val)), bench.task)
    with graceful_interrupt():
        for number, genotype in enumerate(bench.members, 1):
            if options.only != "supernet" and genotype.id not in bench.results["alone"]:
                print(f"{number} of {len(bench.members)}: training {genotype.id} ({bench.space.describe(genotype)})", flush=True)
                bench.results["alone"][genotype.id] = train_alone(bench, data, genotype)
                bench.save()
        if options.only != "alone" and not bench.results["population"]:
            train_together(bench, data)


def settings(options: argparse.Namespace, seed: int, batch: int) -> TrainConfig:
    return TrainConfig(steps=options.train_steps, batch=batch, patch=options.patch, threads=1, seed=seed, validations=1)


def batches(bench: Bench, data: Data, batch: int) -> Patches:
    return Patches(data.train, bench.task, batch=batch, patch=bench.options.patch, seed=derive(bench.options.seed, "batches"))


def train_alone(bench: Bench, data: Data, genotype: MobileGenotype) -> Json:
    config = settings(bench.options, derive(bench.options.seed, genotype.id) % 2**31, bench.options.batch)
    began = cpu_seconds()
    network = fit(build(genotype, bench.task.signature, seed=config.seed), batches(bench, data, config.batch), config)
    return {
        "psnr_db": validate(network, data.val, bench.task)["psnr_db"],
        "macs_720p": bench.space.macs_720p(genotype),
        "description": bench.space.describe(genotype),
        "genotype": genotype.to_json(),
        "cpu_s": round(cpu_seconds() - began, 1),
        "date": datetime.now(UTC).date().isoformat(),
    }


def train_together(bench: Bench, data: Data) -> None:
    """Score all members before the shared weights are trained, after their warm-up and after a generation whose parents they are."""
    options = bench.options
    evaluator = SharedTraining(
        bench.space,
        parse_objectives(["psnr", "macs_720p"]),
        bench.task,
        batches(bench, data, options.supernet_batch),
        Selection(data.val, bench.task, pictures=options.pictures, window=1024),
        settings(options, 0, options.supernet_batch),
        seed=options.seed,
        sample=bench.sample,
        plan=SupernetPlan(options.warmup_steps, 0.0, options.population_steps),
        checkpoints=Checkpoints(options.work, "Run it again."),
    )
    for part, parents in (("untrained", None), ("warmup", ()), ("population", bench.members)):
        if parents is not None:
            print(f"training shared weights: {part}", flush=True)
            evaluator.begin(parents)
            if bench.results[part]:
                continue
            evaluator.prepare(bench.members)
        if not bench.results[part]:
            bench.results[part] = score_all(bench, evaluator)
            bench.save()


def score_all(bench: Bench, evaluator: SharedTraining) -> Json:
    began = cpu_seconds()
    scores = {}
    for genotype in bench.members:
        network = evaluator.network(genotype, evaluator.version)
        scores[genotype.id] = validate(network, evaluator.val.as_cache(), bench.task)["psnr_db"]
    return {
        "scores": scores,
        "steps": evaluator.step,
        "score_cpu_s": round(cpu_seconds() - began, 1),
        "date": datetime.now(UTC).date().isoformat(),
    }


def cpu_seconds() -> float:
    """CPU time of this process and its children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b of two orders of the same things: 1 the same, -1 reversed, 0 unrelated."""
    pairs = [np.sign([first[i] - first[j], second[i] - second[j]]) for i, j in combinations(range(len(first)), 2)]
    agreed = sum(a * b for a, b in pairs)
    untied = [sum(pair[side] != 0 for pair in pairs) for side in (0, 1)]
    return float(agreed / np.sqrt(untied[0] * untied[1])) if all(untied) else 0.0


def interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Where tau lies in 95 of 100 draws of the members with replacement."""
    rng = np.random.default_rng(0)
    draws = (rng.integers(len(first), size=len(first)) for _ in range(RESAMPLES))
    low, high = np.percentile([tau([first[i] for i in d], [second[i] for i in d]) for d in draws], [2.5, 97.5])
    return float(low), float(high)


def table(bench: Bench) -> str:
    """The table in Markdown; what was not run says so."""
    alone = bench.results["alone"]
    known = [genotype.id for genotype in bench.members if genotype.id in alone]
    truth = [alone[id]["psnr_db"] for id in known]
    rows = {"multiply-adds alone": [alone[id]["macs_720p"] for id in known]}
    for part, title in PARTS.items():
        if bench.results[part]:
            rows[f"{title}, {bench.results[part]['steps']} steps"] = [bench.results[part]["scores"][id] for id in known]
    heads = ["order by", "members", "Kendall's tau against stand-alone training", "95 % interval"]
    lines = [heads, ["---"] * len(heads)]
    for name, values in rows.items():
        if len(known) > 2:
            low, high = interval(values, truth)
            lines.append([name, str(len(known)), f"{tau(values, truth):+.2f}", f"{low:+.2f} … {high:+.2f}"])
    lines += [[title, "", "not run", ""] for part, title in PARTS.items() if not bench.results[part]]
    if len(known) < len(bench.members):
        lines.append([f"{len(bench.members) - len(known)} more members", "", "not run", ""])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
