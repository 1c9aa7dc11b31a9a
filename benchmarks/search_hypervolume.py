"""Hypervolume over CPU time: strategies against random search, their fronts retrained alike before they are compared.

Every row is one search with one seed. It is given the same CPU time; at a few moments of it the front (at most so many members,
evenly spread over cost) is kept, and every member that is on one of these fronts is trained from scratch for the same number of
steps on the same batches, then scored on all pictures of VAL. Volumes are decibels times decades of multiply-adds, from the
corner (bicubic on VAL, the bound). What is done is kept in the results' file after every training, so the script can be
stopped at any moment and goes on where it was.

    python benchmarks/search_hypervolume.py --data photos/train --val photos/B100 --search-minutes 6 --retrain-steps 3000
    python benchmarks/search_hypervolume.py --data photos/train --val photos/B100 --rows
    python benchmarks/search_hypervolume.py --data photos/train --val photos/B100 --space erdb \
        --strategies esr-ea esr-ea-unguided random --results search_hypervolume_erdb.json
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log10
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.events import read_events
from pixsearch.interrupt import graceful_interrupt
from pixsearch.nn.build import build, deploy
from pixsearch.rng import derive
from pixsearch.rundir import Stage, write_json
from pixsearch.search.config import SearchConfig
from pixsearch.search.pareto import hypervolume
from pixsearch.search.session import search_stage
from pixsearch.space.base import read_genotype
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
from pixsearch.train.validate import score_baseline, validate
from pixsearch.units import parse_count
from resumed import open_results

HERE = Path(__file__).parent
UNGUIDED = "esr-ea-unguided"
Json = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """The settings of one comparison, its photos (opened) and its results so far."""

    options: argparse.Namespace
    task: Task
    path: Path
    results: Json

    def save(self) -> None:
        write_json(self.path, self.results)


def main() -> None:
    options = read_options()
    bench = Bench(options, TaskConfig(scale=options.scale).make(), options.results, load_results(options))
    if not options.rows:
        run_rows(bench)
    print(table(bench.results, options))


def read_options(**defaults: Any) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="photos to train on")
    parser.add_argument("--val", type=Path, required=True, nargs="+", help="photos to score on")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--space", default="mobile")
    parser.add_argument(
        "--strategies", nargs="+", default=["nsga2", "random"], help=f"names of strategies, or {UNGUIDED}: esr-ea without credits"
    )
    parser.add_argument("--bound", default="2.5G", help="multiply-adds for 720p")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--search-minutes", type=float, default=6.0, help="CPU minutes of each search")
    parser.add_argument("--proxy-steps", type=int, help="training steps of a candidate")
    parser.add_argument("--population", type=int)
    parser.add_argument("--moments", type=int, default=3, help="fronts along each search that are retrained")
    parser.add_argument("--members", type=int, default=6, help="members of a front that are retrained, at most")
    parser.add_argument("--retrain-steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "search_hypervolume.json")
    parser.add_argument("--work", type=Path, default=Path("runs") / "search_hypervolume", help="where the searches' records go")
    parser.add_argument("--rows", action="store_true", help="only say which rows are done")
    parser.set_defaults(**defaults)
    return parser.parse_args()


def protocol(options: argparse.Namespace) -> Json:
    """What every row of one file has in common."""
    names = ("scale", "bound", "search_minutes", "proxy_steps", "population", "moments", "members", "retrain_steps", "threads")
    space = {} if options.space == "mobile" else {"space": options.space}  # results of older runs have none
    folders = {name: [path.name for path in getattr(options, name)] for name in ("data", "val")}
    return {**folders, **space, **{name: getattr(options, name) for name in names}}


def load_results(options: argparse.Namespace) -> Json:
    return open_results(options.results, protocol(options), rows={}, retrained={})


def run_rows(bench: Bench, then: Callable[[Bench, str, int], None] = lambda _bench, _strategy, _seed: None) -> None:
    """Every row that is not done; `then` is called after each search."""
    options = bench.options
    data = open_data(DataConfig(photos=tuple(options.data), val=tuple(options.val)), bench.task)
    if "baseline" not in bench.results:
        scores = score_baseline(data.val, bench.task)
        bench.results["baseline"] = {"name": bench.task.baseline_name, "psnr_db": scores["psnr_db"], "ssim": scores["ssim"]}
    with graceful_interrupt():
        for seed in options.seeds:  # one seed of each first, so that a part of the table is a comparison already
            for strategy in options.strategies:
                run_row(bench, data, strategy, seed, then)


def run_row(bench: Bench, data: Data, strategy: str, seed: int, then: Callable[[Bench, str, int], None]) -> None:
    row = bench.results["rows"].setdefault(f"{strategy}/{seed}", {})
    if "fronts" not in row:
        print(f"{strategy} seed {seed}: searching", flush=True)
        row.update(search(bench, data, strategy, seed))
        bench.save()
    then(bench, strategy, seed)
    for member in {m["id"]: m for front in row["fronts"] for m in front["members"]}.values():
        if member["id"] not in bench.results["retrained"]:
            print(f"{strategy} seed {seed}: training {member['id']} ({member['description']})", flush=True)
            bench.results["retrained"][member["id"]] = retrain(bench, data, member["genotype"])
            bench.save()
    if "date" not in row:
        row["date"] = datetime.now(UTC).date().isoformat()
        bench.save()


def search(bench: Bench, data: Data, strategy: str, seed: int) -> Json:
    """Search for the row's CPU time; the front at each moment, and the proxy's own hypervolume over time."""
    options = bench.options
    settings = {"proxy_steps": options.proxy_steps, "population": options.population}
    config = SearchConfig(
        strategy=strategy.removesuffix("-unguided"),
        guidance=strategy != UNGUIDED,
        space=options.space,
        seed=seed,
        objectives=("psnr", f"macs_720p<={options.bound}"),
        budget_s=options.search_minutes * 60,
        threads=options.threads,
        **{name: value for name, value in settings.items() if value is not None},
    )
    run = run_of(options, strategy, seed)
    with Stage(run, "search", config, resume=(run / "search" / "events.jsonl").exists()) as stage:
        search_stage(data, bench.task, config, stage, clock=cpu_seconds)
    events = list(read_events(run / "search" / "events.jsonl"))
    generations = [event for event in events if event["kind"] == "generation"]
    candidates = {event["id"]: event for event in events if event["kind"] == "candidate"}
    growth = [[round(g["elapsed_s"], 1), g["evaluated"], round(g["hypervolume"], 4)] for g in generations]
    return {"candidates": len(candidates), "growth": growth, "fronts": fronts(generations, candidates, options)}


def run_of(options: argparse.Namespace, strategy: str, seed: int) -> Path:
    """The folder of one search."""
    name = f"{strategy}-{seed}"
    work: Path = options.work
    return work / (name if options.space == "mobile" else f"{options.space}-{name}")


def cpu_seconds() -> float:
    """CPU time of this process and its children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def fronts(generations: Sequence[Json], candidates: dict[str, Json], options: argparse.Namespace) -> list[Json]:
    """The last front known at each moment of the search, thinned to few enough members."""
    found = []
    for number in range(1, options.moments + 1):
        cpu_s = options.search_minutes * 60 * number / options.moments
        known = [g for g in generations if g["elapsed_s"] <= cpu_s or (number == options.moments)]
        front = [candidates[id] for id in known[-1]["front"]] if known else []
        members = [{key: c[key] for key in ("id", "genotype", "description")} for c in thinned(front, options.members)]
        for member in members:
            member["macs_720p"] = candidates[member["id"]]["figures"]["macs_720p"]
        found.append({"cpu_s": cpu_s, "members": members})
    return found


def thinned(front: Sequence[Json], count: int) -> Sequence[Json]:
    """At most `count` members of a front ordered by cost: its ends, and evenly by rank between them."""
    if len(front) <= count:
        return front
    return [front[round(i * (len(front) - 1) / max(1, count - 1))] for i in range(count)]


def retrain(bench: Bench, data: Data, genes: Json) -> Json:
    """Train one member from scratch as every other and score it on all pictures."""
    options, task = bench.options, bench.task
    _, genotype = read_genotype(genes, task.signature)
    config = TrainConfig(steps=options.retrain_steps, threads=options.threads, seed=derive(0, genotype.id) % 2**31)
    patches = Patches(data.train, task, batch=config.batch, patch=config.patch, seed=derive(0, "retrain"))
    began = cpu_seconds()
    network = build(genotype, task.signature, seed=config.seed)
    network = fit(network, patches, config, validate=None, checkpoints=None, note=lambda _kind, **_fields: None)
    scores = validate(deploy(network), data.val, task)
    return {"psnr_db": scores["psnr_db"], "ssim": scores["ssim"], "cpu_s": round(cpu_seconds() - began, 1)}


def table(results: Json, options: argparse.Namespace) -> str:
    """The rows in Markdown; what was not run says so."""
    minutes = [options.search_minutes * n / options.moments for n in range(1, options.moments + 1)]
    heads = ["strategy", "seed", "candidates", "proxy volume", *(f"retrained, {m:.3g} CPU min" for m in minutes)]
    lines = [heads, ["---"] * len(heads)]
    for strategy in options.strategies:
        volumes = []
        for seed in options.seeds:
            row = results["rows"].get(f"{strategy}/{seed}", {})
            volumes.append([front_volume(front["members"], results) for front in row.get("fronts", [])] or [None] * len(minutes))
            proxy = [str(row["candidates"]), f"{row['growth'][-1][2]:.3f}"] if row.get("growth") else ["not run"] * 2
            lines.append([strategy, str(seed), *proxy, *("not run" if value is None else f"{value:.3f}" for value in volumes[-1])])
        lines.append([f"**{strategy}**", "mean ± s", "", "", *(spread(moment) for moment in zip(*volumes, strict=True))])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def front_volume(members: Sequence[Json], results: Json) -> float | None:
    """Decibels times decades between the retrained members and the corner; None while one of them is not trained."""
    trained = results["retrained"]
    if any(member["id"] not in trained for member in members):
        return None
    corner = [-results["baseline"]["psnr_db"], log10(parse_count(results["protocol"]["bound"]))]
    return hypervolume([[-trained[m["id"]]["psnr_db"], log10(m["macs_720p"])] for m in members], corner)


def spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "not run"
    return f"{fmean(known):.3f} ± {stdev(known):.3f}" if len(known) > 1 else f"{known[0]:.3f}"


if __name__ == "__main__":
    main()
