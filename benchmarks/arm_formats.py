"""One network on emulated Arm cores: what each number format gives to the bit, and what it is modelled to take.

    python benchmarks/arm_formats.py [--height 360 --width 640] [--cores a76,a55]

plain-m4c16 x2 with random weights (neither time nor exactness depends on them), float and int8 in each scheme.
Writes benchmarks/results/arm_formats.json row by row and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from pixsearch.bench.measure import noise
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Repeat
from pixsearch.export.graph import Graph
from pixsearch.export.onnx import export_float, write_model
from pixsearch.export.steps import insert_steps
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.build import build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.registry import SCHEMES
from pixsearch.rundir import environment, write_json
from pixsearch.space.named import named
from pixsearch.tasks.base import make_task

RESULTS = Path(__file__).parent / "results" / "arm_formats.json"
NETWORK = "plain-m4c16"
RUNS = Repeat(warmup=2, count=5)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--cores", default="a76,a55")
    options = parser.parse_args()
    record: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
    with tempfile.TemporaryDirectory() as scratch:
        files = formats(Path(scratch))
        for core in options.cores.split(","):
            for name, path in files.items():
                key = f"{core}/{name}/{options.width}x{options.height}"
                if key not in record["rows"]:
                    record["rows"][key] = row(core, path, options.height, options.width)
                    print(key, record["rows"][key], flush=True)
                    write_json(RESULTS, record)
    record |= {"date": date.today().isoformat(), "environment": environment(), "network": NETWORK}
    write_json(RESULTS, record)
    print(table(record["rows"]))


def formats(folder: Path) -> dict[str, Path]:
    """The ONNX files by format."""
    task = make_task("sr", 2, "y")
    network = deploy(build(named(NETWORK, task.signature)[1], task.signature, seed=0))
    card = make_card(network, name=NETWORK, stage="trained", training={})
    files = {"float": folder / "float.onnx"}
    export_float(network, card, files["float"])
    model = onnx.load(files["float"])
    ranges = dict.fromkeys([*Graph(model).activations(), "input"], (-1.0, 1.0))
    for scheme in SCHEMES.names():
        files[scheme] = folder / f"{scheme}.onnx"
        write_model(insert_steps(model, ranges, SCHEMES.load(scheme)), card.with_(precision="int8"), files[scheme])
    return files


def row(core: str, path: Path, height: int, width: int) -> dict[str, Any]:
    """Modelled figures of repeated runs, and how far the output is from this machine's."""
    here = OnnxModel.open(path, precise_int8=True)
    inputs = noise(here.card.signature, height, width)
    with Arm64Target(core).prepare(path, 1) as prepared:
        measured = prepared.run(inputs, RUNS, want_outputs=True)
    apart = np.abs(measured.outputs[here.card.signature.output.name] - here.run(inputs))
    modelled = measured.modelled
    assert modelled is not None
    return {
        "modelled_ms": measured.latencies_ms[-1],
        "repeats_differ": (max(measured.latencies_ms) - min(measured.latencies_ms)) / min(measured.latencies_ms),
        "mega_cycles": modelled.cycles / 1e6,
        "instructions": modelled.instructions,
        "classes": dict(modelled.classes),
        "memory_bytes": modelled.memory_bytes,
        "covered": modelled.covered,
        "largest_difference": float(apart.max()),
        "share_that_differs": float((apart > 0).mean()),
        "clock_ghz": modelled.clock_ghz,
        "source": modelled.source,
    }


def table(rows: dict[str, Any]) -> str:
    """A Markdown table."""
    heads = "| core, format, input | Mcycles | modelled ms | repeats differ | memory | largest difference to x86 | samples that differ |"
    lines = [heads, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for key, row in rows.items():
        figures = f"{row['mega_cycles']:.1f} | {row['modelled_ms']:.2f} | {row['repeats_differ']:.1e} | {row['memory_bytes'] / 1e6:.1f} MB"
        lines.append(f"| {key} | {figures} | {row['largest_difference']:.1e} | {row['share_that_differs']:.1%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
