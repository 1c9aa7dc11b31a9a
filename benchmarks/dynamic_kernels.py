"""What kernels that adapt to the picture are worth: static networks of one family and their dynamic twins in equal processor time.

A family is `conv3-m4cN-leaky` with a bicubic skip, at four widths N; the twin's four inner layers are dynconv3, so that one static
layer comes before the predictor. A row is one training on one thread for as many steps as fit into its processor time (a few timed steps
say how many), on the same batches with the trainer's defaults. Its averaged weights are scored on whole pictures. A finished row is kept:
the command goes on with the next.

    python benchmarks/dynamic_kernels.py --data photos/train --sets photos/val [--minutes 2] [--seeds 0] [--experts 4]
    python benchmarks/dynamic_kernels.py --data photos/train --sets photos/val --rows

With `--steps` every row is trained that long instead, and the rows are one width (8) with 1, 2, 4 and 6 experts beside the static network,
which is also trained for `--steps` times what a step with 4 experts costs more: equal steps, and equal processor time.

    python benchmarks/dynamic_kernels.py --data photos/train --sets photos/val --steps 1000

`--sets` holds the folders Set5 and B100.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.data.cache import PairCache
from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_data, open_pictures
from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network, build
from pixsearch.nn.dynamic import Adaptive, Predictor, freeze, predictors
from pixsearch.nn.modelfile import make_card, save_model
from pixsearch.rundir import environment, read_json, write_json
from pixsearch.space.chain import Layer, MobileGenotype
from pixsearch.space.mobile import MobileSpace
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
from pixsearch.train.validate import validate

HERE = Path(__file__).parent
WIDTHS = (8, 16, 12, 24)  # in the order they are run
DEPTH = 4
SETS = ("Set5", "B100")
TIMED = 60  # steps
FORM = "fixed kernel"  # what experts stand beside; rows without were trained as experts alone
ABLATED = 8  # width of the networks that differ in their experts alone
ABLATION = (1, 2, 4, 6)
COSTLIER = 2.2  # than a static step is one with 4 experts, in processor time
DEAD = 0.05  # an expert whose coefficient stays below it on every picture


class Row(NamedTuple):
    """A network of the family; `experts` 0 is the static one. `times` as many steps as were asked for are trained."""

    width: int
    experts: int = 0
    attention: str = "sigmoid"
    times: float = 1

    @property
    def name(self) -> str:
        """Its place in the results."""
        kind = f"dynamic {self.experts} {self.attention}" if self.experts else "static"
        longer = f", {self.times:g} times the steps" if self.times != 1 else ""
        return f"m{DEPTH}c{self.width} {kind}{longer}"

    def genotype(self) -> MobileGenotype:
        """The chain."""
        first = Layer("conv3", self.width, "leaky")
        dynamic = Layer("dynconv3", self.width, "leaky", experts=self.experts, attention=self.attention)
        return MobileGenotype((first,) + (dynamic if self.experts else first,) * DEPTH, skip="bicubic")


def main() -> None:
    options = read_options()
    rows = [row for width in WIDTHS for row in (Row(width), Row(width, options.experts, options.attention))]
    if options.steps:
        rows = [Row(ABLATED), *(Row(ABLATED, experts, options.attention) for experts in ABLATION), Row(ABLATED, times=COSTLIER)]
    if not options.rows:
        run(rows, options)
    print(table(load(options), rows, options))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="photos to train on")
    parser.add_argument("--sets", type=Path, required=True, help="the folder of the sets to score on")
    parser.add_argument("--minutes", type=float, default=2.0, help="processor time of a row's training")
    parser.add_argument("--steps", type=int, help="steps of a row's training, in the place of --minutes: the ablation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--experts", type=int, choices=(2, 4, 6), default=4)
    parser.add_argument("--attention", choices=("sigmoid", "softmax"), default="sigmoid")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "dynamic_kernels.json")
    parser.add_argument("--models", type=Path, default=Path("runs") / "dynamic_kernels", help="where trained models go")
    parser.add_argument("--rows", action="store_true", help="only show which rows are done")
    return parser.parse_args()


def load(options: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = read_json(options.results) if options.results.exists() else {"machine": environment(), "rows": {}}
    return results


def key(row: Row, seed: int, options: argparse.Namespace) -> str:
    length = f"{options.steps} steps" if options.steps else f"{options.minutes:g} min"
    return f"{row.name}/{FORM}/{length}/seed {seed}" if row.experts else f"{row.name}/{length}/seed {seed}"


def run(rows: list[Row], options: argparse.Namespace) -> None:
    task = TaskConfig(scale=2).make()
    data = open_data(DataConfig(photos=(options.data,), val=(options.sets / SETS[0],)), task)
    sets = {name: open_pictures([options.sets / name], task, DataConfig(reduce="1")) for name in SETS}
    for seed in options.seeds:
        for row in rows:
            if key(row, seed, options) in load(options)["rows"]:
                continue
            print(f"{key(row, seed, options)} …", flush=True)
            done = train(row, seed, data.train, sets, task, options)
            results = load(options)
            results["rows"][key(row, seed, options)] = done
            write_json(options.results, results)


def train(row: Row, seed: int, photos: PairCache, sets: dict[str, PairCache], task: Task, options: argparse.Namespace) -> dict[str, Any]:
    """Train the row for its processor time, and score it."""
    genotype, space = row.genotype(), MobileSpace(task.signature)
    patches = Patches(photos, task, batch=16, patch=32, seed=seed)

    def fitted(steps: int) -> tuple[Network, float]:
        network, begun = build(genotype, task.signature, seed=seed), time.process_time()
        return fit(network, patches, TrainConfig(steps=steps, threads=1, seed=seed)), time.process_time() - begun

    fitted(5)  # whatever is done once
    steps = int(options.steps * row.times) if options.steps else int(options.minutes * 60 / (fitted(TIMED)[1] / TIMED))
    network, cpu_s = fitted(steps)
    network.eval()
    options.models.mkdir(parents=True, exist_ok=True)
    path = options.models / f"{key(row, seed, options).replace('/', '-').replace(' ', '-')}.safetensors"
    save_model(path, network, make_card(network, name=row.name.replace(" ", "-"), stage="trained"))
    found: dict[str, Any] = {"steps": steps, "cpu_s": round(cpu_s, 1)}
    found |= {"macs_720p": space.macs_720p(genotype), "params": space.params(genotype), "psnr_db": scores(network, sets, task)}
    if row.experts:
        found |= adapting(network, photos, sets, task)
    return found


def scores(network: Network, sets: dict[str, PairCache], task: Task) -> dict[str, float]:
    return {name: round(validate(network, pictures, task)["psnr_db"], 4) for name, pictures in sets.items()}


def adapting(network: Network, photos: PairCache, sets: dict[str, PairCache], task: Task) -> dict[str, Any]:
    """What the coefficients do: their spread, and what is left without it or with statistics of windows as large as a training patch."""
    means = [torch.stack(of_layer).mean(0) for of_layer in zip(*coefficients(network, photos, task, most=100), strict=True)]
    with windows(32):
        windowed = scores(network, sets, task)
    seen = coefficients(network, sets["B100"], task)
    flat = torch.stack([torch.cat([layer.flatten() for layer in picture]) for picture in seen])
    return {
        "fixed_psnr_db": scores(freeze(network, means), sets, task),
        "windowed_psnr_db": windowed,
        "coefficients": {
            "mean": round(float(flat.mean()), 4),
            "sd_over_pictures": round(float(flat.std(0).mean()), 4),
            "sd_over_coefficients": round(float(flat.mean(0).std()), 4),
            "dead_share": round(float((flat.amax(0) < DEAD).float().mean()), 4),
        },
    }


@torch.no_grad()
def coefficients(network: Network, pictures: PairCache, task: Task, most: int | None = None) -> list[list[Tensor]]:
    """The coefficients (channels, experts) of each dynamic layer, for each picture."""
    (predictor,), body, found = predictors(network), cast(Adaptive, network.body), []
    port = task.signature.inputs[0].name
    for index in range(min(len(pictures), most or len(pictures))):
        x = torch.from_numpy(task.encode(port, pictures.pair(index).inputs[port]))[None]
        found.append([shares[0] for shares in predictor(body.entering(x))])
    return found


@contextmanager
def windows(side: int) -> Iterator[None]:
    """Within it the coefficients of a picture are the mean of those of windows of `side` pixels, as large as what was trained on."""
    own = Predictor.forward

    def of_windows(self: Predictor, x: Tensor) -> list[Tensor]:
        pooled = F.avg_pool2d(x, side, ceil_mode=True)[0].flatten(1).T
        return [shares.mean(0, keepdim=True) for shares in self.coefficients(pooled)]

    Predictor.forward = of_windows  # type: ignore[method-assign]
    try:
        yield
    finally:
        Predictor.forward = own  # type: ignore[method-assign]


def saved(dynamic: list[dict[str, Any]], static: list[dict[str, Any]], name: str) -> list[float | None]:
    """For each dynamic row the share of multiply-adds that it saves: against those of a static network of the same PSNR, interpolated.

    The static curve is PSNR over the logarithm of multiply-adds; None beyond its ends, and where it is one network's.
    """
    curve = sorted((row["psnr_db"][name], np.log(row["macs_720p"])) for row in static)
    quality, macs = [point[0] for point in curve], [point[1] for point in curve]
    return [
        1 - row["macs_720p"] / float(np.exp(np.interp(row["psnr_db"][name], quality, macs)))
        if len(set(macs)) > 1 and quality[0] <= row["psnr_db"][name] <= quality[-1]
        else None
        for row in dynamic
    ]


def table(results: dict[str, Any], rows: list[Row], options: argparse.Namespace) -> str:
    """All rows in Markdown; what was not run says so."""
    heads = [
        "network",
        "multiply-adds",
        "parameters",
        "seed",
        "steps",
        "CPU s",
        *SETS,
        "fixed to their mean",
        "windows of 32",
        "saved at equal PSNR",
    ]
    lines = [heads, ["---"] * len(heads)]
    for seed in options.seeds:
        done = {row: results["rows"].get(key(row, seed, options)) for row in rows}
        static = [found for row, found in done.items() if found and not row.experts]
        for row, found in done.items():
            if found is None:
                lines.append([row.name, "not run", "", str(seed), *[""] * (len(heads) - 4)])
                continue
            cells = [f"{found['macs_720p'] / 1e9:.3f} G", str(found["params"]), str(seed), str(found["steps"]), f"{found['cpu_s']:.0f}"]
            cells += [f"{found['psnr_db'][name]:.2f}" for name in SETS]
            cells += [
                "/".join(f"{found[kind][name]:.2f}" for name in SETS) if row.experts else ""
                for kind in ("fixed_psnr_db", "windowed_psnr_db")
            ]
            shares = [saved([found], static, name)[0] for name in SETS]
            cells.append(" / ".join("beyond the curve" if share is None else f"{share:+.0%}" for share in shares) if row.experts else "")
            lines.append([row.name, *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
