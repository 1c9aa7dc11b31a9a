"""BlockQNN against random search in the space `nsc`: the best reward over CPU time, the fronts retrained alike, and its early stop.

Searches and retrained fronts are rows as `search_hypervolume.py` makes them, with its options and one file of results; here the reward
that candidates earned is added to each row, for random search as if it had been paid too. `blockqnn_early.py` trains the members
that say how well a short training ranks; its results are read when they are there. Whatever is done is kept, so the script can be
stopped at any moment and goes on where it was.

    python benchmarks/blockqnn.py --data photos/train --val photos/B100 --search-minutes 4 --bound 300M --proxy-steps 300
    python benchmarks/blockqnn.py --data photos/train --val photos/B100 --search-minutes 4 --bound 300M --proxy-steps 300 --rows
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

import search_hypervolume as rows
from pixsearch.events import read_events
from pixsearch.rundir import read_json
from pixsearch.search.strategies.blockqnn import MU, RHO, reward
from pixsearch.space.nsc import NscSpace
from pixsearch.tasks.config import TaskConfig
from supernet_ranking import interval, tau

HERE = Path(__file__).parent
Json = dict[str, Any]


def main() -> None:
    options = rows.read_options(
        space="nsc", strategies=["blockqnn", "random"], results=HERE / "results" / "blockqnn.json", work=Path("runs") / "blockqnn"
    )
    bench = rows.Bench(options, TaskConfig(scale=options.scale).make(), options.results, rows.load_results(options))
    if not options.rows:
        rows.run_rows(bench, then=add_rewards)
    print(rows.table(bench.results, options), reward_table(bench), sep="\n\n")
    early = HERE / "results" / "blockqnn_early.json"
    if early.exists():
        print("", early_table(read_json(early), NscSpace(bench.task.signature)), sep="\n")


def add_rewards(bench: rows.Bench, strategy: str, seed: int) -> None:
    """Each candidate's moment in seconds and reward in dB, in the order of recording."""
    row, space = bench.results["rows"][f"{strategy}/{seed}"], NscSpace(bench.task.signature)
    if "rewards" not in row:
        events = read_events(rows.run_of(bench.options, strategy, seed) / "search" / "events.jsonl")
        tried = [event for event in events if event["kind"] == "candidate" and event["error"] is None]
        row["rewards"] = [[round(e["elapsed_s"], 1), round(reward_of(space, e["genotype"], e["figures"]["psnr"]), 4)] for e in tried]
        bench.save()


def reward_of(space: NscSpace, genes: Json, psnr_db: float) -> float:
    genotype = space.parse(without_space(genes))
    return reward(psnr_db, space.macs_720p(genotype), space.density(genotype))


def reward_table(bench: rows.Bench) -> str:
    """The best reward at half the time and in the end, and when a search passed what random search of its seed ended with."""
    options, known = bench.options, bench.results["rows"]
    heads = ["strategy", "seed", "best reward, half time", "best reward", "mean, second half", "CPU s until random's best"]
    lines = [heads, ["---"] * len(heads)]
    half = options.search_minutes * 30
    for strategy in options.strategies:
        ends = []
        for seed in options.seeds:
            earned = known.get(f"{strategy}/{seed}", {}).get("rewards")
            aim = max((r for _, r in known.get(f"random/{seed}", {}).get("rewards", [])), default=None)
            if earned is None:
                lines.append([strategy, str(seed), *["not run"] * 4])
                continue
            ends.append(max(r for _, r in earned))
            early, late = [r for t, r in earned if t <= half], [r for t, r in earned if t > half]
            passed = "" if aim is None else next((f"{t:.0f}" for t, r in earned if r >= aim), "never")
            lines.append([strategy, str(seed), f"{max(early):.3f}", f"{ends[-1]:.3f}", f"{fmean(late):.3f}" if late else "", passed])
        spread = f"{fmean(ends):.3f} ± {stdev(ends):.3f}" if len(ends) > 1 else "not run"
        lines.append([f"**{strategy}**", "mean ± s", "", spread, "", ""])
    return as_markdown(lines)


def early_table(results: Json, space: NscSpace) -> str:
    """How well short trainings rank members by what they reach in the long one."""
    protocol = results["protocol"]
    long = str(protocol["long_steps"])
    done = [row for row in results["rows"].values() if long in row["psnr_db"]]
    heads = ["order by", "of the long training's", "members", "Spearman's rho", "Kendall's tau", "95 % interval of tau"]
    lines = [heads, ["---"] * len(heads)]

    def compare(name: str, values: list[float], what: str, truth: list[float]) -> None:
        low, high = interval(values, truth)
        lines.append(
            [name, what, str(len(done)), f"{spearman(values, truth):+.2f}", f"{tau(values, truth):+.2f}", f"{low:+.2f} … {high:+.2f}"]
        )

    truth = {"PSNR": [row["psnr_db"][long] for row in done], "reward": [reward_of(space, r["genotype"], r["psnr_db"][long]) for r in done]}
    for steps in map(str, protocol["short_steps"]):
        psnr = [row["psnr_db"][steps] for row in done]
        earned = [reward_of(space, row["genotype"], row["psnr_db"][steps]) for row in done]
        compare(f"PSNR after {steps} steps", psnr, "PSNR", truth["PSNR"])
        compare(f"reward after {steps} steps (μ {MU}, ρ {RHO})", earned, "PSNR", truth["PSNR"])
        compare(f"reward after {steps} steps", earned, "reward", truth["reward"])
    compare("multiply-adds", [row["macs_720p"] for row in done], "PSNR", truth["PSNR"])
    compare("density", [space.density(space.parse(without_space(row["genotype"]))) for row in done], "PSNR", truth["PSNR"])
    if len(done) < protocol["members"]:
        lines.append([f"{protocol['members'] - len(done)} more members", "", "not run", "", "", ""])
    return as_markdown(lines)


def without_space(genotype: Json) -> Json:
    return {key: value for key, value in genotype.items() if key != "space"}


def spearman(first: list[float], second: list[float]) -> float:
    """The correlation of ranks (no ties among real-valued figures)."""
    one, other = (np.argsort(np.argsort(values)) for values in (first, second))
    return float(np.corrcoef(one, other)[0, 1])


def as_markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
