"""What a format for each layer recovers of the loss of int8, at a bounded price in modelled Arm latency.

    python benchmarks/quant_bits.py --data photos/train --set Set5=photos/Set5 --set B100=photos/B100

For each scheme and core: `int8` is the model all in int8; `evolution` is what `pixsearch export --bits search` chooses; `greedy` goes
through the layers, the most sensitive first, and gives each the format that loses least within the bound, over and over, with as many
candidates at most; `evolution, no int32` is the search without integer convolutions whose sums become floats. All choose on photos held
out of `--data`, at most `--extra` slower than int8; the sets are scored afterwards, whole pictures, by the files that are written. Rows
lie in benchmarks/results/quant_bits.json, the candidates in `--runs`: the script can be stopped at any moment and goes on where it was.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pixsearch.bits.config import BitsConfig
from pixsearch.bits.evolve import Bound, front_of, uniform
from pixsearch.bits.formats import Mixture, shares
from pixsearch.bits.layers import described, layers_in
from pixsearch.bits.score import Figures, Scorer
from pixsearch.bits.session import Chooser
from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_pictures
from pixsearch.events import read_events
from pixsearch.export.calibration import Calibration, open_calibration
from pixsearch.export.config import ExportConfig
from pixsearch.export.observe import choose_crops
from pixsearch.export.onnx import export_float, write_model
from pixsearch.export.quantize import Plan, plan_of
from pixsearch.export.refit import PLACES
from pixsearch.export.sensitivity import measure_sensitivity
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import output_planes
from pixsearch.nn.modelfile import load_deployed
from pixsearch.rundir import Stage, environment, read_json, write_json
from pixsearch.tasks.base import Task, task_for

ROOT = Path(__file__).parents[1]
METHODS = ("int8", "evolution", "greedy", "evolution, no int32")
Sets = dict[str, PairCache]


def main() -> None:
    options = read_options()
    results: dict[str, Any] = read_json(options.out) if options.out.exists() else {"model": options.model.name, "rows": []}
    network, card = load_deployed(options.model)
    task = task_for(card.signature)
    sets = {name: open_pictures([folder], task, DataConfig(reduce="1")) for name, folder in options.set}
    with tempfile.TemporaryDirectory() as folder:
        float_path = export_float(network, card, Path(folder) / "float.onnx")
        floats = {name: score(float_path, pictures, task) for name, pictures in sets.items()}
        for core in options.cores:
            for scheme in options.schemes:
                config = ExportConfig(int8=True, scheme=scheme, calibrate=tuple(options.data))
                calibration = open_calibration(config, task, lambda *_, **__: None)
                for method in METHODS:
                    if any((row["core"], row["scheme"], row["method"]) == (core, scheme, method) for row in results["rows"]):
                        continue
                    plan = plan_of(float_path, card, calibration.ranges, task, config, fitted=False)
                    found = Trial(options, core, scheme, plan, card, task, calibration).run(method)
                    write_model(found.pop("graph"), card.with_(precision="mixed", calibration=plan.record), Path(folder) / "mixed.onnx")
                    losses = {name: floats[name] - score(Path(folder) / "mixed.onnx", pictures, task) for name, pictures in sets.items()}
                    results["rows"].append({"core": core, "scheme": scheme, "method": method, **found, "loss_db": losses})
                    print(results["rows"][-1], flush=True)
                    write_json(
                        options.out, {**results, "extra_latency": options.extra, "float_psnr_db": floats, "environment": environment()}
                    )
    print(table(results["rows"]))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="photos to calibrate and choose on")
    parser.add_argument("--set", type=named_folder, action="append", required=True, metavar="NAME=FOLDER", help="pictures to score on")
    parser.add_argument("--model", type=Path, default=ROOT / "benchmarks" / "models" / "plain-m4c16-x2-seed0.safetensors")
    parser.add_argument("--cores", nargs="+", default=["a76"])
    parser.add_argument("--schemes", nargs="+", default=["arm", "portable"])
    parser.add_argument("--extra", type=float, default=0.1, help="latency beyond int8, as a share")
    parser.add_argument("--evaluations", type=int, default=24)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "quant-bits")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "quant_bits.json")
    return parser.parse_args()


def named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, Path(folder)


class Trial:
    """One scheme on one core: every method with the same photos, the same weights to begin with and the same bound."""

    def __init__(
        self, options: argparse.Namespace, core: str, scheme: str, plan: Plan, card: ModelCard, task: Task, calibration: Calibration
    ) -> None:
        self.options, self.plan, self.card, self.task, self.calibration = options, plan, card, task, calibration
        self.name = f"{core}-{scheme}"
        self.config = BitsConfig(target=f"arm64:{core}", extra_latency=options.extra, evaluations=options.evaluations)

    def run(self, method: str) -> dict[str, Any]:
        """The graph, and what its choice rests on."""
        if method == "int8":
            return self._greedy(most=1)
        if method == "greedy":
            return self._greedy(most=self.options.evaluations)
        if method.endswith("no int32"):
            return self._evolution(BitsConfig(**{**self.config.to_json(), "formats": ("int8", "float", "int16")}), "without")
        return self._evolution(self.config, "every")

    def _evolution(self, config: BitsConfig, folder: str) -> dict[str, Any]:
        run = self.options.runs / f"{self.name}-{folder}"
        with Stage(run, "export", config, resume=(run / "export" / "events.jsonl").exists()) as stage:
            graph, words = Chooser.of(config)(self.plan, self.card, self.task, self.calibration, stage)
        events = list(read_events(run / "export" / "events.jsonl"))
        tried = {tuple(event["formats"]): Figures(**event["figures"]) for event in events if event["kind"] == "mixture"}
        chosen: Mixture = tuple(words["formats"].values())
        begun = next(event for event in events if event["kind"] == "bits")
        inside = {mixture: figures for mixture, figures in tried.items() if figures.latency_ms <= begun["bound_ms"]}
        front = [{"formats": list(mixture), **asdict(inside[mixture])} for mixture in front_of(inside)]
        beyond = [{"formats": list(mixture), **asdict(tried[mixture])} for mixture in front_of(tried)]
        return {
            "graph": graph,
            "tried": len(tried),
            **chosen_words(words["formats"], tried[chosen]),
            "front": front,
            "unbounded_front": beyond,
        }

    def _greedy(self, most: int) -> dict[str, Any]:
        """From all int8, layer by layer, the most sensitive first, whatever format loses least within the bound; over and over."""
        layers = layers_in(self.plan)
        crops = choose_crops(self.plan.model, self.card, self.task, self.calibration.ranges, 0)
        chooser = Chooser.of(self.config)
        place = (self.card, self.task, self.calibration.held_out, crops, chooser.target, chooser.spec, 0)
        with Scorer(self.plan, layers, *place) as scorer:
            best = uniform(layers, "int8")
            known = {best: scorer.figures(best)}
            bound = Bound(known[best].latency_ms * (1 + self.options.extra))
            costs = measure_sensitivity(self.plan, self.card, self.calibration.held_out, self.task)
            order = sorted(range(len(layers)), key=lambda one: costs.layers[one].spared_db)
            before: Mixture = ()
            while best != before and len(known) < most:
                before = best
                for layer in order:
                    for chosen in layers[layer].choices:
                        changed: Mixture = tuple(chosen if one == layer else kept for one, kept in enumerate(best))
                        if changed not in known and len(known) < most:
                            known[changed] = scorer.figures(changed)
                    best = min(bound.feasible(known), key=lambda mixture: known[mixture].losses)
            graph = scorer.graph(best, PLACES)
        return {"graph": graph, "tried": len(known), **chosen_words(described(layers, best), known[best])}


def chosen_words(formats: dict[str, str], figures: Figures) -> dict[str, Any]:
    return {"formats": list(formats.values()), **{f"held_out_{name}": value for name, value in asdict(figures).items()}}


def score(path: Path, pictures: PairCache, task: Task) -> float:
    """The mean PSNR in dB over whole pictures."""
    model = OnnxModel.open(path, precise_int8=True)
    whole = (pictures.pair(index) for index in range(len(pictures)))
    return float(np.mean([task.score(output_planes(model, task, pair.inputs), pair.truth).psnr_db for pair in whole]))


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    names = list(rows[0]["loss_db"])
    heads = ["core, scheme", "method", "tried", "formats", "modelled ms", "bytes", "loss, held out", *(f"loss, {name}" for name in names)]
    lines = ["| " + " | ".join(heads) + " |", "| --- | --- | ---: | --- |" + " ---: |" * (len(heads) - 4)]
    for row in rows:
        base = next(one for one in rows if one["method"] == "int8" and (one["core"], one["scheme"]) == (row["core"], row["scheme"]))
        slower = row["held_out_latency_ms"] / base["held_out_latency_ms"] - 1
        losses = [(base["held_out_loss_db"], row["held_out_loss_db"]), *((base["loss_db"][name], row["loss_db"][name]) for name in names)]
        written = [f"{own:.3f} ({1 - own / first:.0%})" if row is not base else f"{own:.3f}" for first, own in losses]
        figures = [f"{row['held_out_latency_ms']:.1f} ({slower:+.1%})", f"{row['held_out_bytes']}", *written]
        said = [f"{row['core']}, {row['scheme']}", row["method"], str(row["tried"]), shares(row["formats"]), *figures]
        lines.append("| " + " | ".join(said) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
