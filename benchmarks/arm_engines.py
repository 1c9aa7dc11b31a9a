"""One network on emulated Arm cores in two engines: ONNX Runtime in every number format against ncnn in floats and 8 bits.

    python benchmarks/arm_engines.py [--height 24 --width 640] [--cores a76,a55] [--work FOLDER]

The network is benchmarks/models/plain-m4c16-x2-seed0.safetensors; ncnn gets its very weights (see ncnn_model.py). Both run under
qemu-user with the counting plugin, cycles are modelled as target `arm64` does. The emulated Python with ncnn is that of arm_ncnn.py.
Writes benchmarks/results/arm_engines.json row by row and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

import arm_ncnn
from ncnn_model import chain_of, write_network
from pixsearch.bench import setup, tools
from pixsearch.bench.bundle import sources_digest
from pixsearch.bench.measure import noise
from pixsearch.bench.modelled.cores import CORES, write_cpuinfo
from pixsearch.bench.modelled.counts import read_counts
from pixsearch.bench.modelled.cycles import CycleModel
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Repeat
from pixsearch.card import ModelCard
from pixsearch.export.graph import Graph
from pixsearch.export.half import to_half
from pixsearch.export.onnx import export_float, read_model, write_model
from pixsearch.export.steps import float_part, insert_steps
from pixsearch.export.subpixels import subpixels_first
from pixsearch.infer.session import OnnxModel
from pixsearch.nn.modelfile import load_deployed
from pixsearch.registry import SCHEMES
from pixsearch.rundir import environment, read_json, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "arm_engines.json"
MODEL = HERE / "models" / "plain-m4c16-x2-seed0.safetensors"
ORT = {"float": "float", "fp16": "fp16", "S8S8": "arm", "U8U8": "portable"}
NCNN = {"float": False, "fp16": True, "int8": True}
RUNS = Repeat(warmup=2, count=1)
Planes = npt.NDArray[np.float32]


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=24)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--cores", default="a76,a55")
    parser.add_argument("--work", type=Path, default=tools.home() / "arm-python")
    options = parser.parse_args()
    setup.check("arm64")
    arm_ncnn.fetch(options.work)
    record: dict[str, Any] = read_json(RESULTS) if RESULTS.exists() else {"rows": {}}
    with tempfile.TemporaryDirectory() as scratch:
        files = formats(Path(scratch), options.height, options.width)
        for core in options.cores.split(","):
            for name in files:
                key = f"{core}/{name}/{options.width}x{options.height}"
                if key not in record["rows"]:
                    run = in_ncnn if name.startswith("ncnn") else in_onnxruntime
                    record["rows"][key] = run(core, name, files, options)
                    print(key, record["rows"][key], flush=True)
                    write_json(RESULTS, record)
    record |= {"date": date.today().isoformat(), "environment": environment(), "network": MODEL.stem, "wheels": arm_ncnn.WHEELS}
    write_json(RESULTS, record)
    print(table(record["rows"]))


def formats(folder: Path, height: int, width: int) -> dict[str, Path]:
    """The network in every engine's formats, by `ENGINE FORMAT`; ranges are those of the float graph on the benchmark's own planes."""
    network, card = load_deployed(MODEL)
    source = export_float(network, card, folder / "float.onnx")
    model = read_model(source)
    ranges = ranges_of(model, noise(card.signature, height, width)["input"])
    layers, files = chain_of(model), dict[str, Path]()
    for name in NCNN:
        files[f"ncnn {name}"] = folder / f"ncnn-{name}"
        largest = {tensor: max(-low, high) for tensor, (low, high) in ranges.items()} if name == "int8" else None
        write_network(layers, files[f"ncnn {name}"], largest)
    return files | {f"onnxruntime {name}": written(model, card, kind, ranges, folder) for name, kind in ORT.items()}


def ranges_of(model: onnx.ModelProto, planes: Planes) -> dict[str, tuple[float, float]]:
    """The least and the largest value of every activation."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    names = [name for name in Graph(model).activations() if name not in ("input", "output")]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = ort.InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    found = dict(zip(["output", *names], session.run(["output", *names], {"input": planes}), strict=True)) | {"input": planes}
    return {name: (min(0.0, float(values.min())), max(0.0, float(values.max()))) for name, values in found.items()}


def written(model: onnx.ModelProto, card: ModelCard, kind: str, ranges: dict[str, tuple[float, float]], folder: Path) -> Path:
    """The file that export would write for `kind`: `float`, `fp16`, or a scheme of int8."""
    copied, path = onnx.ModelProto(), folder / f"ort-{kind}.onnx"
    copied.CopyFrom(model)
    subpixels_first(copied)
    if kind == "fp16":
        write_model(to_half(copied), card.with_(precision="fp16"), path)
    elif kind in SCHEMES.names():
        write_model(insert_steps(copied, ranges, SCHEMES.load(kind), float_part(copied)), card.with_(precision="int8"), path)
    else:
        write_model(copied, card, path)
    return path


def in_onnxruntime(core: str, name: str, files: dict[str, Path], options: argparse.Namespace) -> dict[str, Any]:
    """Modelled figures of a file on target `arm64`."""
    exact = OnnxModel.open(files["onnxruntime float"])
    inputs = noise(exact.card.signature, options.height, options.width)
    with Arm64Target(core).prepare(files[name], 1) as prepared:
        measured = prepared.run(inputs, RUNS, want_outputs=True)
    modelled = measured.modelled
    assert modelled is not None
    apart = np.abs(measured.outputs["output"] - exact.run(inputs)).max()
    return figures(core, modelled.cycles, modelled.instructions, modelled.memory_bytes, float(apart))


def in_ncnn(core: str, name: str, files: dict[str, Path], options: argparse.Namespace) -> dict[str, Any]:
    """The same of a network of ncnn."""
    exact, work = OnnxModel.open(files["onnxruntime float"]), options.work
    inputs = noise(exact.card.signature, options.height, options.width)
    prefix, counts, planes, output = work / "root", work / "counts", work / "planes.npy", work / "output.npy"
    np.save(planes, inputs["input"][0])
    write_cpuinfo(CORES[core], prefix)
    plugin = f"{setup.plugin()},out={counts},cache={CORES[core].cache_bytes}"
    emulator = [str(tools.find("qemu-aarch64")), "-plugin", plugin, "-cpu", CORES[core].emulated, "-L", str(prefix)]
    settings = ["-E", "OMP_NUM_THREADS=1", "-E", f"PYTHONPATH={work / 'site'}"]
    network = [str(files[name].with_suffix(suffix)) for suffix in (".param", ".bin")]
    half = str(int(NCNN[name.removeprefix("ncnn ")]))
    guest = [str(prefix / "usr/bin/python3.11"), str(arm_ncnn.NCNN / "guest_model.py"), *network, str(planes), str(output), half]
    tools.run([*emulator, *settings, *guest], f"{name} on {core}", timeout_s=7200)
    found = read_counts(counts)
    apart = np.abs(np.load(output) - exact.run(inputs)[0]).max()
    return figures(core, CycleModel(CORES[core]).cycles(found).cycles, found.instructions, found.memory_bytes, float(apart))


def figures(core: str, cycles: float, instructions: int, memory_bytes: int, apart: float) -> dict[str, Any]:
    """A row: modelled cycles and milliseconds, and how far the output is from the float graph's here."""
    return {
        "mega_cycles": cycles / 1e6,
        "modelled_ms": cycles / CORES[core].clock_ghz / 1e6,
        "instructions": instructions,
        "memory_bytes": memory_bytes,
        "largest_difference": apart,
        "counted_by": sources_digest("count.c"),
    }


def table(rows: dict[str, Any]) -> str:
    """A Markdown table: an engine and format a line, both cores."""
    lines = ["| core, engine and format, input | Mcycles | modelled ms | memory traffic | largest difference to float |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for key, row in rows.items():
        traffic = f"{row['memory_bytes'] / 1e6:.1f} MB"
        lines.append(f"| {key} | {row['mega_cycles']:.1f} | {row['modelled_ms']:.2f} | {traffic} | {row['largest_difference']:.1e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
