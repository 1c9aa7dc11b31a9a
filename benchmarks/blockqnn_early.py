"""What a short training says of a longer one in the space `nsc`: rank correlations over members drawn as a search draws them.

Every member is trained from scratch for each of the short lengths, scored as in a search on a few of the pictures, and for the long one,
scored on all. What is done is kept in the results' file, so the script can be stopped at any moment and goes on where it was.

    python benchmarks/blockqnn_early.py --data photos/train --val photos/B100
    python benchmarks/blockqnn_early.py --data photos/train --val photos/B100 --rows
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.interrupt import graceful_interrupt
from pixsearch.nn.build import build, deploy
from pixsearch.rng import derive, stream
from pixsearch.rundir import write_json
from pixsearch.search.bounds import fits_bounds
from pixsearch.search.config import SearchConfig
from pixsearch.search.objectives import parse_objectives
from pixsearch.search.strategies.operators import spread_sampler
from pixsearch.search.windows import Selection
from pixsearch.space.nsc import NscGenotype, NscSpace
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
from pixsearch.train.validate import validate
from resumed import open_results
from supernet_ranking import cpu_seconds

HERE = Path(__file__).parent
Json = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """The settings of the comparison, its members and its results so far."""

    options: argparse.Namespace
    task: Task
    members: list[NscGenotype]
    results: Json

    @property
    def space(self) -> NscSpace:
        return NscSpace(self.task.signature)


def main() -> None:
    options = read_options()
    task = TaskConfig(scale=options.scale).make()
    bench = Bench(options, task, draw_members(options, NscSpace(task.signature)), load_results(options))
    if not options.rows:
        run(bench)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="photos to train on")
    parser.add_argument("--val", type=Path, required=True, nargs="+", help="photos to score on")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--bound", default="300M", help="multiply-adds for 720p")
    parser.add_argument("--short-steps", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--long-steps", type=int, default=1000)
    parser.add_argument("--pictures", type=int, default=8, help="pictures that short trainings are scored on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "blockqnn_early.json")
    parser.add_argument("--rows", action="store_true", help="only say what is done")
    return parser.parse_args()


def draw_members(options: argparse.Namespace, space: NscSpace) -> list[NscGenotype]:
    """The first different members that a search within the bound draws."""
    objectives = parse_objectives(["psnr", f"macs_720p<={options.bound}"])
    sample, rng = spread_sampler(space, objectives, fits_bounds(space, objectives)), stream(options.seed, "early")
    found: dict[str, NscGenotype] = {}
    while len(found) < options.members:
        genotype = sample(rng)
        found[genotype.id] = genotype
    return list(found.values())


def protocol(options: argparse.Namespace) -> Json:
    """What every row of one file has in common."""
    folders = {name: [path.name for path in getattr(options, name)] for name in ("data", "val")}
    names = ("scale", "members", "bound", "short_steps", "long_steps", "pictures", "seed")
    return {**folders, **{name: getattr(options, name) for name in names}}


def load_results(options: argparse.Namespace) -> Json:
    return open_results(options.results, protocol(options), rows={})


def run(bench: Bench) -> None:
    options = bench.options
    data = open_data(DataConfig(photos=tuple(options.data), val=tuple(options.val)), bench.task)
    with graceful_interrupt():
        for number, genotype in enumerate(bench.members, 1):
            row = bench.results["rows"].setdefault(genotype.id, describe(bench, genotype))
            for steps in [*options.short_steps, options.long_steps]:
                if str(steps) not in row["psnr_db"]:
                    print(f"{number} of {len(bench.members)}: {steps} steps of {genotype.id} ({row['description']})", flush=True)
                    began = cpu_seconds()
                    row["psnr_db"][str(steps)] = train(bench, data, genotype, steps)
                    row["cpu_s"][str(steps)] = round(cpu_seconds() - began, 2)
                    write_json(options.results, bench.results)


def describe(bench: Bench, genotype: NscGenotype) -> Json:
    return {
        "genotype": genotype.to_json(),
        "description": bench.space.describe(genotype),
        "macs_720p": bench.space.macs_720p(genotype),
        "date": datetime.now(UTC).date().isoformat(),
        "psnr_db": {},
        "cpu_s": {},
    }


def train(bench: Bench, data: Data, genotype: NscGenotype, steps: int) -> float:
    """PSNR after a training of its own of so many steps, at a search's rate unless it is the long one."""
    options, task = bench.options, bench.task
    seed = derive(options.seed, genotype.id) % 2**31
    long = steps == options.long_steps
    rate = TrainConfig(steps=steps).rate if long else SearchConfig(evaluations=1).proxy_rate
    config = TrainConfig(steps=steps, threads=1, seed=seed, validations=1, rate=rate)
    patches = Patches(data.train, task, batch=config.batch, patch=config.patch, seed=derive(options.seed, "batches"))
    network = deploy(fit(build(genotype, task.signature, seed=seed), patches, config))
    val = data.val if long else Selection(data.val, task, pictures=options.pictures, window=1024).as_cache()
    return float(validate(network, val, task)["psnr_db"])


if __name__ == "__main__":
    main()
