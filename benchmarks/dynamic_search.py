"""Does a search that may use dynamic operators choose them? The fronts of two searches alike but for the space, and their hypervolumes.

Each search (nsga2, ×2 luma, PSNR against multiply-adds up to 2.5 G) has as many candidates as the other and the same seed; what share of
its front has dynamic layers is counted. A finished search is kept: the command goes on with the other.

    python benchmarks/dynamic_search.py --data photos/train --val photos/val/Set5 [--evaluations 16] [--proxy-steps 150] [--seeds 0]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from pixsearch.rundir import read_json, write_json
from resumed import open_results

HERE = Path(__file__).parent
SPACES = ("mobile", "mobile-dynamic")
POPULATION = 8


def main() -> None:
    options = read_options()
    protocol = {"evaluations": options.evaluations, "proxy_steps": options.proxy_steps, "population": POPULATION}
    results = open_results(options.results, protocol, rows={})
    for seed in options.seeds:
        for space in SPACES:
            key = f"{space}/seed {seed}"
            if key not in results["rows"]:
                print(f"{key} …", flush=True)
                results["rows"][key] = search(space, seed, options)
                write_json(options.results, results)
    print(table(results))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="photos to train on")
    parser.add_argument("--val", type=Path, required=True, help="photos that candidates are scored on")
    parser.add_argument("--evaluations", type=int, default=16)
    parser.add_argument("--proxy-steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--results", type=Path, default=HERE / "results" / "dynamic_search.json")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "dynamic_search", help="where the searches' records go")
    return parser.parse_args()


def search(space: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One search, resumed where it was stopped, and its front."""
    run = options.runs / f"{space}-{options.evaluations}x{options.proxy_steps}-seed{seed}"
    settings = ["--space", space, "--scale", "2", "--objective", "psnr", "--objective", "macs_720p<=2.5G", "--seed", str(seed)]
    settings += ["--evaluations", str(options.evaluations), "--proxy-steps", str(options.proxy_steps), "--population", str(POPULATION)]
    begun = ["--resume", str(run)] if run.exists() else [str(options.data), "--val", str(options.val), *settings, "--out", str(run)]
    subprocess.run([sys.executable, "-m", "pixsearch.cli", "search", *begun, "--threads", "1"], check=True)
    front = read_json(run / "search" / "front.json")
    members = [{"description": one["description"], "figures": one["figures"], "dynamic": is_dynamic(one)} for one in front["members"]]
    return {"hypervolume": front["hypervolume"], "reference_point": front["reference_point"], "members": members}


def is_dynamic(member: dict[str, Any]) -> bool:
    return any(layer["op"].startswith("dyn") for layer in member["genotype"]["layers"])


def table(results: dict[str, Any]) -> str:
    lines = ["| space | hypervolume | members of the front | of them dynamic |", "| --- | ---: | ---: | ---: |"]
    for key, row in results["rows"].items():
        dynamic = sum(member["dynamic"] for member in row["members"])
        lines.append(f"| {key} | {row['hypervolume']:.4f} | {len(row['members'])} | {dynamic} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
