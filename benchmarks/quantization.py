"""What int8 costs plain-m4c16, made after training (PTQ) and trained on for it (QAT), in both schemes.

    python benchmarks/quantization.py --data photos/train --set Set5=photos/Set5 --set B100=photos/B100

A float plain-m4c16 is trained first (`--steps`) or given (`--model`, with `--runs` and `--out` of its own), then for each scheme
int8 is made of it as `pixsearch export --int8` does, and of what `pixsearch train --qat` with its own settings makes of it. Scored
are the float model, the rounded network in torch and the int8 file in ONNX Runtime, on whole pictures; the loss is the int8 file's
against the float model. Trainings lie in `--runs` and rows in benchmarks/results/quantization.json: the script can be stopped at
any moment and goes on where it was.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pixsearch.card import ModelCard
from pixsearch.config import validate as checked
from pixsearch.data.cache import PairCache
from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data, open_pictures
from pixsearch.export.config import ExportConfig
from pixsearch.export.onnx import export_float
from pixsearch.export.quantize import quantize
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import output_planes
from pixsearch.nn.build import Network, build
from pixsearch.nn.modelfile import load_model
from pixsearch.qat.config import STEPS, TRAINING, QatConfig
from pixsearch.qat.prepare import prepare
from pixsearch.qat.session import qat_stage
from pixsearch.registry import SCHEMES
from pixsearch.rundir import Stage, environment, finished, read_json, write_json
from pixsearch.space.named import named
from pixsearch.tasks.base import Task, make_task
from pixsearch.train.config import TrainConfig
from pixsearch.train.session import MODEL, train_stage
from pixsearch.train.validate import validate

ROOT = Path(__file__).parents[1]
ARCH = "plain-m4c16"
Sets = dict[str, PairCache]


def main() -> None:
    options = read_options()
    results: dict[str, Any] = read_json(options.out) if options.out.exists() else {"arch": ARCH, "rows": []}
    done = {(row["scheme"], row["method"]) for row in results["rows"]}
    if todo := [pair for pair in pairs() if pair not in done]:
        task, sets = make_task("sr", 2, "y"), dict(options.set)
        data = open_data(DataConfig(photos=tuple(options.data), val=(next(iter(sets.values())),)), task)
        opened = {name: open_pictures([folder], task, DataConfig(reduce="1")) for name, folder in sets.items()}
        network, card = trained(options, data, task)
        floats = {name: validate(network, pictures, task)["psnr_db"] for name, pictures in opened.items()}
        for scheme, method in todo:
            row = measure(scheme, method, network, card, data, opened, floats, task, options)
            results["rows"].append(row)
            made = {"float_model": options.model.name} if options.model else {"float_steps": options.steps}
            settings = {**made, "qat_steps": options.qat_steps, "qat_training": TRAINING}
            write_json(options.out, {**results, **settings, "environment": environment()})
    print(table(results["rows"]))


def pairs() -> Iterator[tuple[str, str]]:
    yield from ((scheme, method) for scheme in ("arm", "portable") for method in ("PTQ", "QAT"))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="photos to train on")
    parser.add_argument("--set", type=named_folder, action="append", required=True, metavar="NAME=FOLDER", help="pictures to score on")
    parser.add_argument("--steps", type=int, default=18000, help="of the float model's training")
    parser.add_argument("--model", type=Path, help="a trained model instead of that training")
    parser.add_argument("--qat-steps", type=int, default=STEPS, help="of the training for int8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "quantization")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "quantization.json")
    return parser.parse_args()


def named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, Path(folder)


def trained(options: argparse.Namespace, data: Data, task: Task) -> tuple[Network, ModelCard]:
    """The float model: the one given, or trained now unless it has been."""
    if options.model:
        return load_model(options.model)
    run, config = options.runs / "float", TrainConfig(steps=options.steps, threads=options.threads)
    if not finished(run, "train"):
        network = build(named(ARCH, task.signature)[1], task.signature, seed=config.seed)
        with Stage(run, "train", config, resume=(run / "train" / "events.jsonl").exists()) as stage:
            train_stage(network, data, task, config, stage, ARCH)
    return load_model(run / "train" / MODEL)


def measure(
    scheme: str,
    method: str,
    network: Network,
    card: ModelCard,
    data: Data,
    sets: Sets,
    floats: dict[str, float],
    task: Task,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """One row: scores on every set."""
    model, own = (network, card) if method == "PTQ" else trained_on(scheme, network, card, data, task, options)
    rounded = prepare(model, own, data.train, task, SCHEMES.load(scheme), seed=0, learned=False).network
    with tempfile.TemporaryDirectory() as folder:
        float_path = export_float(model, own, Path(folder) / "float.onnx")
        config = ExportConfig(int8=True, scheme=scheme)
        int8 = OnnxModel.open(quantize(float_path, own, data.train, task, Path(folder) / "int8.onnx", config), precise_int8=True)
        scores = {name: score(floats[name], rounded, int8, pictures, task) for name, pictures in sets.items()}
    return {"scheme": scheme, "method": method, "sets": scores}


def trained_on(
    scheme: str, network: Network, card: ModelCard, data: Data, task: Task, options: argparse.Namespace
) -> tuple[Network, ModelCard]:
    """The model trained on for int8, unless it has been."""
    run = options.runs / scheme
    config = checked(
        TrainConfig, {**TRAINING, "steps": options.qat_steps, "threads": options.threads, "validations": 2}, "the training for int8"
    )
    if not finished(run, "qat"):
        with Stage(run, "qat", config, resume=(run / "qat" / "events.jsonl").exists()) as stage:
            qat_stage(network, card, data, task, QatConfig(scheme=scheme), config, stage)
    return load_model(run / "qat" / MODEL)


def score(float_db: float, rounded: Network, int8: OnnxModel, pictures: PairCache, task: Task) -> dict[str, float]:
    found = {"float": float_db, "rounded": validate(rounded, pictures, task)["psnr_db"]}
    whole = [pictures.pair(index) for index in range(len(pictures))]
    found["int8"] = float(np.mean([task.score(output_planes(int8, task, pair.inputs), pair.truth).psnr_db for pair in whole]))
    return {**{f"{name}_psnr_db": value for name, value in found.items()}, "loss_db": found["float"] - found["int8"]}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, a line for each set."""
    lines = [
        "| scheme | method | set | float | rounded in torch | int8 in ONNX Runtime | loss |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in sorted(rows, key=lambda row: list(pairs()).index((row["scheme"], row["method"]))):
        for name, scores in row["sets"].items():
            figures = " | ".join(f"{scores[f'{form}_psnr_db']:.3f}" for form in ("float", "rounded", "int8"))
            lines.append(f"| {row['scheme']} | {row['method']} | {name} | {figures} | {scores['loss_db']:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
