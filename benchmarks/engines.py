"""On this machine: ONNX Runtime against LiteRT (XNNPACK), one network, the same weights and 8-bit scales, taking turns in one process.

    python benchmarks/engines.py [--environment FOLDER] [--threads 1,2] [--height 360 --width 640]

The network is benchmarks/models/plain-m4c16-x2-seed0.safetensors. LiteRT's files are written by engines_guest.py. Both engines live in a
virtual environment of their own (`--environment`; made there when it is missing), so nothing of it is among pixsearch's
dependencies. Writes benchmarks/results/engines.json, a row a thread count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx

from arm_engines import MODEL, ranges_of, written
from ncnn_model import chain_of
from pixsearch.bench.bundle import onnxruntime_version
from pixsearch.bench.measure import noise
from pixsearch.bench.targets.local import child_environment
from pixsearch.export.graph import Graph
from pixsearch.export.onnx import export_float, read_model
from pixsearch.nn.modelfile import load_deployed
from pixsearch.rundir import environment, read_json, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "engines.json"
PACKAGES = ("ai-edge-litert==2.3.0", "numpy==2.4.6")
FORMATS = {"float": "float", "int8 S8S8": "arm", "int8 U8S8": "x86", "int8 U8U8": "portable"}


def main() -> None:
    """Time both engines for each thread count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, default=Path(".venv-engines"))
    parser.add_argument("--threads", default="1")
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--runs", type=int, default=4, help="timed runs a turn")
    options = parser.parse_args()
    python = prepared(options.environment)
    record: dict[str, Any] = read_json(RESULTS) if RESULTS.exists() else {"rows": {}}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        order = ordered(folder, options)
        for threads in map(int, options.threads.split(",")):
            (folder / "order.json").write_text(json.dumps({**order, "threads": threads}))
            command = [str(python), str(HERE / "engines_guest.py"), str(folder / "order.json")]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=child_environment()).stdout
            found = json.loads(said.splitlines()[-1])
            record["rows"][f"{options.width}x{options.height}/{threads}t"] = row(found)
    record |= {"date": date.today().isoformat(), "environment": environment(), "network": MODEL.stem}
    write_json(RESULTS, record)
    print(table(record["rows"]))


def prepared(folder: Path) -> Path:
    """The environment's Python, with the engines installed."""
    python = folder.absolute() / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "-q", f"onnxruntime=={onnxruntime_version()}", *PACKAGES]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    return python


def ordered(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The files of both engines in `folder`, and what the guest is told of them."""
    network, card = load_deployed(MODEL)
    model = read_model(export_float(network, card, folder / "exported.onnx"))
    planes = noise(card.signature, options.height, options.width)["input"]
    ranges = ranges_of(model, planes)
    files = {name: written(model, card, kind, ranges, folder) for name, kind in FORMATS.items()}
    chain = {"planes": planes, **layers_of(model), **scales_of(onnx.load(files["int8 S8S8"]), model)}
    np.savez(folder / "chain.npz", **chain)
    return {
        "chain": str(folder / "chain.npz"),
        "onnx": {name: str(path) for name, path in files.items()},
        "height": options.height,
        "width": options.width,
        "rounds": options.rounds,
        "runs": options.runs,
    }


def layers_of(model: onnx.ModelProto) -> dict[str, Any]:
    """Kernels and biases by their place, and the slope that all activations share."""
    layers = chain_of(model)
    slopes = {layer.slope for layer in layers} - {None}
    assert len(slopes) == 1
    found: dict[str, Any] = {"count": len(layers), "slope": slopes.pop()}
    for place, layer in enumerate(layers):
        found |= {f"weight{place}": layer.weight, f"bias{place}": layer.bias}
    return found


def scales_of(quantized: onnx.ModelProto, model: onnx.ModelProto) -> dict[str, Any]:
    """(scale, zero point) of the input, of every convolution and every activation, and each kernel's scales, as the int8 file has them."""
    exact, graph = Graph(model), Graph(quantized)

    def pair(tensor: str) -> Any:
        return [graph.constant(f"{tensor}_scale").item(), graph.constant(f"{tensor}_zero_point").item()]

    found = {"input": pair("input")}
    places = [node for node in exact.nodes if node.op_type == "Conv"]
    for place, node in enumerate(places):
        found |= {f"conv{place}": pair(node.output[0]), f"scale{place}": graph.constant(f"{node.input[1]}_scale")}
        for reader in exact.readers(node.output[0]):
            if reader.op_type == "LeakyRelu":
                found[f"leaky{place}"] = pair(reader.output[0])
    return found


def row(found: dict[str, Any]) -> dict[str, Any]:
    """Median and minimum of each engine and format; of processor time with one thread, else by the clock."""
    engines = found["engines"]
    return {
        "engines": {
            name: {
                "median_ms": median(values),
                "min_ms": min(values),
                "runs": len(values),
                "largest_difference": found["outputs"][name],
            }
            for name, values in engines.items()
        },
        "versions": found["versions"],
    }


def table(rows: dict[str, Any]) -> str:
    """A Markdown table: an engine and format a line."""
    heads = [f"{key} {word}" for key in rows for word in ("median ms", "min ms")]
    lines = ["| engine, format | " + " | ".join(heads) + " | largest difference |", "| --- |" + " ---: |" * (len(heads) + 1)]
    for name, first in next(iter(rows.values()))["engines"].items():
        cells = [f"{rows[key]['engines'][name][word]:.1f}" for key in rows for word in ("median_ms", "min_ms")]
        lines.append(f"| {name} | {' | '.join(cells)} | {first['largest_difference']:.1e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
