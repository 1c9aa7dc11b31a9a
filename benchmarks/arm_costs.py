"""The table of operator costs against emulation of whole networks: random members of `mobile`, two frame sizes, float and int8.

    python benchmarks/arm_costs.py [--members 30] [--sizes 320x180,640x360] [--core a76]

Each row is one member's modelled latency, summed up from the table and by emulating the exported file as a whole. Writes
benchmarks/results/arm_costs.json row by row and goes on where it stopped; the table itself is in the user's cache folder and is filled
on the way.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from pixsearch.bench.measure import frame
from pixsearch.bench.modelled.calibrate import mean_error, spearman
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Repeat
from pixsearch.export.onnx import write_model
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.rng import stream
from pixsearch.rundir import environment, write_json
from pixsearch.search.latency import graph_of, price
from pixsearch.space.mobile import MobileSpace
from pixsearch.tasks.base import make_task
from pixsearch.units import parse_size

RESULTS = Path(__file__).parent / "results" / "arm_costs.json"
WHOLE = Repeat(warmup=1, count=1)
WARM_RUNS = 5


def main() -> None:
    """Compare what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=30)
    parser.add_argument("--sizes", default="320x180,640x360", help="of the output")
    parser.add_argument("--core", default="a76")
    options = parser.parse_args()
    task = make_task("sr", 2, "y")
    space, rng = MobileSpace(task.signature), stream(0, "arm costs")
    record: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
    members = [space.sample(rng) for _ in range(options.members)]
    for size in options.sizes.split(","):
        for genotype in members:
            network = build(genotype, task.signature)
            for precision in ("float", "int8"):
                kind = f"/{options.core}/{size}/{precision}"
                key = f"{genotype.id}{kind}"
                if key not in record["rows"] and sum(done.endswith(kind) for done in record["rows"]) < options.members:
                    spec = LatencySpec(f"arm64:{options.core}", *parse_size(size), precision)
                    record["rows"][key] = {"network": space.describe(genotype), **row(network, spec)}
                    print(key, record["rows"][key], flush=True)
                    write_json(RESULTS, record)
    record |= {"date": date.today().isoformat(), "environment": environment()}
    write_json(RESULTS, record)
    print(table(record["rows"]))


def row(network: Network, spec: LatencySpec) -> dict[str, Any]:
    """Both latencies of one network; what filling the table for it took, and what the estimate takes once that is done."""
    deployed = deploy(network)
    card = make_card(deployed, name="member", stage="candidate", training={})
    began = time.perf_counter()
    found = price(deployed, card, spec)
    filled_s = time.perf_counter() - began
    clocks = [timed(lambda: price(deploy(network), card, spec)) for _ in range(WARM_RUNS)]
    began = time.perf_counter()
    whole_ms = emulated(deployed, spec)
    return {
        "summed_ms": found.latency_ms,
        "whole_ms": whole_ms,
        "operators_emulated": found.emulated,
        "filled_s": filled_s,
        "whole_s": time.perf_counter() - began,
        "warm_wall_ms": median(wall for wall, _ in clocks),
        "warm_processor_ms": median(processor for _, processor in clocks),
    }


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of wall and of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3


def emulated(network: Network, spec: LatencySpec) -> float:
    """Modelled milliseconds of the whole network."""
    card = make_card(network, name="member", stage="candidate", training={}).with_(precision=spec.precision)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "member.onnx"
        write_model(graph_of(network, card.with_(precision="float"), spec.precision), card, path)
        with Arm64Target(spec.target.partition(":")[2]).prepare(path, 1) as prepared:
            return min(prepared.run(frame(card, spec), WHOLE).latencies_ms)


def table(rows: dict[str, Any]) -> str:
    """A Markdown table."""
    heads = ("output, format", "members", "mean error", "largest", "Spearman", "estimate, table warm (processor)", "filling", "whole")
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for kind in dict.fromkeys(key.partition("/")[2] for key in rows):
        some = [row for key, row in rows.items() if key.partition("/")[2] == kind]
        summed, whole = [row["summed_ms"] for row in some], [row["whole_ms"] for row in some]
        worst = max(abs(a / b - 1) for a, b in zip(summed, whole, strict=True))
        middle = {name: median(row[name] for row in some) for name in some[0] if name != "network"}
        warm = f"{middle['warm_wall_ms']:.0f} ms ({middle['warm_processor_ms']:.0f} ms)"
        figures = f"{mean_error(summed, whole):.2%} | {worst:.2%} | {spearman(summed, whole):.4f} | {warm}"
        lines.append(f"| {kind} | {len(some)} | {figures} | {middle['filled_s']:.0f} s | {middle['whole_s']:.0f} s |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
