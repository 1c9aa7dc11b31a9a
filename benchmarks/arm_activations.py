"""What activations cost on an emulated Cortex-A76, in each number format: the prices that `search` and `export` warn of.

    python benchmarks/arm_activations.py

Networks are plain-m4c16 (×2, 1280×720 out, random weights) with each activation. Float and int8 (`arm`) are summed up from the table
of operator costs, fp16 is emulated as a whole, some minutes each. Writes benchmarks/results/arm_activations.json row by row and
goes on where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.export.half import to_half
from pixsearch.export.onnx import export_float, read_model, write_model
from pixsearch.nn.build import build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.rundir import environment, read_json, write_json
from pixsearch.search.latency import latency_of
from pixsearch.space.chain import Layer, MobileGenotype
from pixsearch.tasks.base import make_task

RESULTS = Path(__file__).parent / "results" / "arm_activations.json"
ACTS, FORMATS = ("relu", "leaky", "prelu"), ("float", "fp16", "int8")
CORE = "a76"


def main() -> None:
    record: dict[str, Any] = read_json(RESULTS) if RESULTS.exists() else {"machine": environment(), "mega_cycles": {}}
    for precision in FORMATS:
        for act in ACTS:
            if f"{act}/{precision}" not in record["mega_cycles"]:
                record["mega_cycles"][f"{act}/{precision}"] = round(mega_cycles(act, precision), 1)
                write_json(RESULTS, record)
    print("| Mcycles | " + " | ".join(FORMATS) + " |\n| --- |" + " ---: |" * len(FORMATS))
    for act in ACTS:
        print(f"| {act} | " + " | ".join(f"{record['mega_cycles'][f'{act}/{precision}']:g}" for precision in FORMATS) + " |")


def mega_cycles(act: str, precision: str) -> float:
    """Modelled millions of cycles of one frame."""
    signature = make_task("sr", 2, "y").signature
    network = deploy(build(MobileGenotype((Layer("conv3", 16, act),) * 5), signature))
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape, generator=torch.Generator().manual_seed(0)) * 0.01)
    card = make_card(network, name=act, stage="trained", training={})

    def write(folder: Path) -> Path:
        path = export_float(network, card, folder / "model.onnx")
        if precision == "fp16":
            write_model(to_half(read_model(path)), card.with_(precision="fp16"), path)
        return path

    spec = LatencySpec.parse(f"arm64:{CORE}/1280x720/{precision}/1t")
    return latency_of(network, card, spec, write) * Arm64Target(CORE).clock_ghz


if __name__ == "__main__":
    main()
