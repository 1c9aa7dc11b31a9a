"""Samples per second of `pixsearch train` against BasicSR 1.4.2 on the same network, batch, patch and folder, in turns.

BasicSR is taken as it is on PyPI: its paired dataset (PNG files on disk, Y channel), sampler, loader with prefetching, and SRModel with
L1, Adam and EMA. It does not import beside today's torch, so what is missing of torchvision and others is stood in for, here alone;
none of it takes part in a step.

    pip download --no-deps --no-binary :all: --no-build-isolation basicsr==1.4.2 && tar xzf basicsr-1.4.2.tar.gz
    python benchmarks/basicsr_speed.py --basicsr basicsr-1.4.2 --data photos/train [--steps 200] [--turns 7]

Writes benchmarks/results/basicsr_speed.json and prints a Markdown table.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.util
import logging
import statistics
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch

from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.nn.build import build
from pixsearch.pixels.files import write_picture
from pixsearch.rundir import environment, write_json
from pixsearch.space.named import named
from pixsearch.tasks.base import Task
from pixsearch.tasks.config import TaskConfig
from train_overhead import measure, ours

HERE = Path(__file__).parent
ARCH, BATCH, PATCH = "plain-m4c16", 16, 32
BASICSR = "BasicSR 1.4.2"

Run = Callable[[int], None]


def stand_in(source: Path) -> None:
    """Make `import basicsr.…` work: the package without its `__init__`, which imports everything, and stand-ins for what is absent."""
    package = types.ModuleType("basicsr")
    package.__path__ = [str(source / "basicsr")]
    sys.modules["basicsr"] = package
    for name in ("torchvision", "lmdb", "requests", "scipy", "yapf", "addict", "tqdm"):
        if importlib.util.find_spec(name) is None:
            sys.meta_path.append(Absent(name))
    sys.meta_path.append(Absent("basicsr.version"))


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one missing package and all within it, as objects that take part in nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """A stand-in for the package and its modules."""
        del path, target
        ours = fullname == self.name or fullname.startswith(f"{self.name}.")
        return importlib.util.spec_from_loader(fullname, self, is_package=True) if ours else None

    def create_module(self, spec: Any) -> Any:
        """An object that has every attribute."""
        module = MagicMock(name=spec.name)
        module.__path__ = []
        module.__spec__ = spec
        return module

    def exec_module(self, module: Any) -> None:
        """Nothing to execute."""


def basicsr(options: argparse.Namespace, folder: Path, task: Task) -> Run:
    """BasicSR's own loop: prefetcher, rate, feed, optimize; as its train.py, without logging and validation."""
    stand_in(options.basicsr)
    from basicsr.data import build_dataloader, build_dataset
    from basicsr.data.data_sampler import EnlargedSampler
    from basicsr.data.prefetch_dataloader import CPUPrefetcher
    from basicsr.models import build_model
    from basicsr.utils.registry import ARCH_REGISTRY

    genotype = named(ARCH, task.signature)[1]
    ARCH_REGISTRY._do_register(ARCH, lambda **_: build(genotype, task.signature, seed=0), suffix=None)
    logging.disable(logging.INFO)
    dataset_options = {
        "name": "train",
        "type": "PairedImageDataset",
        "phase": "train",
        "dataroot_gt": str(folder / "gt"),
        "dataroot_lq": str(folder / "lq"),
        "filename_tmpl": "{}",
        "io_backend": {"type": "disk"},
        "gt_size": PATCH * task.scale,
        "use_hflip": True,
        "use_rot": True,
        "color": "y",
        "scale": task.scale,
        "num_worker_per_gpu": options.workers,
        "batch_size_per_gpu": BATCH,
        "prefetch_mode": "cpu",
    }
    model = build_model(
        {
            "model_type": "SRModel",
            "num_gpu": 0,
            "dist": False,
            "is_train": True,
            "scale": task.scale,
            "network_g": {"type": ARCH},
            "path": {"pretrain_network_g": None, "strict_load_g": True},
            "train": {
                "ema_decay": 0.999,
                "optim_g": {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]},
                "scheduler": {"type": "CosineAnnealingRestartLR", "periods": [100000], "restart_weights": [1], "eta_min": 1e-7},
                "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
                "total_iter": 100000,
            },
        }
    )
    dataset = build_dataset(dataset_options)
    sampler = EnlargedSampler(dataset, 1, 0, 1000)
    prefetcher = CPUPrefetcher(build_dataloader(dataset, dataset_options, num_gpu=1, dist=False, sampler=sampler, seed=0))
    state = {"step": 0}

    def run(steps: int) -> None:
        for _ in range(steps):
            batch = prefetcher.next()
            state["step"] += 1
            model.update_learning_rate(state["step"], warmup_iter=-1)
            model.feed_data(batch)
            model.optimize_parameters(state["step"])

    return run


def write_pairs(data: Data, folder: Path) -> None:
    """The very pairs that pixsearch trains on, as PNG files."""
    for index, name in enumerate(data.train.names):
        pair = data.train.pair(index)
        for kind, picture in (("gt", pair.truth), ("lq", pair.inputs["input"])):
            target = folder / kind / f"{index:04d}-{Path(name).stem}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_picture(target, picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--basicsr", type=Path, required=True, help="BasicSR's unpacked source")
    parser.add_argument("--data", type=Path, required=True, help="photos to train on")
    parser.add_argument("--steps", type=int, default=200, help="of each turn")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--workers", type=int, default=1, help="processes that load BasicSR's patches")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "basicsr_speed.json")
    options = parser.parse_args()
    task = TaskConfig(scale=2).make()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = open_data(DataConfig(photos=(options.data,), cache=folder / "cache"), task)
        write_pairs(data, folder)
        patches = Patches(data.train, task, batch=BATCH, patch=PATCH, seed=0)
        settings = {"batch": BATCH, "patch": PATCH, "threads": 1}
        runs = {
            "pixsearch": ours(build(named(ARCH, task.signature)[1], task.signature), patches, settings, folder / "run"),
            "pixsearch, Adam, float32": ours(
                build(named(ARCH, task.signature)[1], task.signature),
                patches,
                {**settings, "optimizer": "adam", "precision": "float32"},
                folder / "float32",
            ),
            BASICSR: basicsr(options, folder, task),
        }
        times = measure(runs, options.turns, options.steps)
        runs.clear()  # ends BasicSR's loader before its files go
    walls = {name: spent["wall_s"] for name, spent in times.items()}
    write_json(
        options.out,
        {"arch": ARCH, **settings, "workers": options.workers, "steps": options.steps, "environment": environment(), "wall_s": walls},
    )
    print(table(walls, options.steps * BATCH))


def table(walls: dict[str, list[float]], samples: int) -> str:
    """Samples per second, and how many times BasicSR's in the same turn, with quartiles."""
    lines = ["| trainer | samples/s | times BasicSR |", "| --- | ---: | --- |"]
    for name, mine in walls.items():
        ratios = [base / own for own, base in zip(mine, walls[BASICSR], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        lines.append(f"| {name} | {samples / statistics.median(mine):.0f} | {middle:.2f} ({low:.2f} … {high:.2f}) |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
