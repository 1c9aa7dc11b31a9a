"""Candidates a minute of `esr-ea` against the ESR-EA of noah-vega 1.8.5, start-up included, in turns.

Both search chains of 16 to 20 of the same residual dense blocks, of the same widths, with 315 000 to 325 000 parameters (Vega
counts its own network's), and train each candidate for 5 steps of 4 patches of 32×32 on the same pairs, on one thread; both score it on
the centres (64×64) of the same 7 pictures. A row is a whole process from its start to its end: wall time, and the processor
time of it and its children.

Vega has to be installed by itself: Python 3.11, torch 2.13.0, torchvision 0.28.0 without its dependencies, then `noah-vega==1.8.5
requests six opencv-python scikit-learn pandas`. Beside today's Python and torch it needs the names that `collections` had (Iterable,
Mapping, …) put back at start-up, and where torchvision was built for CUDA its operators `nms` and `qnms` defined.

    python benchmarks/vega_speed.py --vega vega/bin/vega [--turns 3] [--generations 2] [--population 4]
    python benchmarks/vega_speed.py --rows

Writes benchmarks/results/vega_speed.json row by row and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import numpy as np

from pixsearch.registry import SPACES
from pixsearch.rundir import write_json
from pixsearch.space.dense import ErdbGenotype
from pixsearch.space.dense_vary import Limits
from pixsearch.space.erdb import ErdbSpace
from resumed import open_results

HERE = Path(__file__).parent
VEGA = "Vega 1.8.5"
WORKERS = {"pixsearch": 1, "pixsearch, 2 workers": 2}
ROWS = (VEGA, *WORKERS)
LEAST, MOST = 315_000, 325_000
TILE, TEST_EVERY = 128, 4
Json = dict[str, Any]

SETTINGS = """\
general: {{backend: pytorch, device_category: CPU, parallel_search: False, parallel_fully_train: False,
          task: {{local_base_path: {root}/tasks}}, logger: {{level: info}}}}
pipeline: [nas]
nas:
  pipe_step: {{type: SearchPipeStep}}
  dataset:
    type: DIV2K
    common: {{num_workers: 0}}
    train: {{root_HR: {root}/train/hr, root_LR: {root}/train/lr, upscale: 2, crop: 32, hflip: true, vflip: true, rot90: true,
             shuffle: true, batch_size: 4, fixed_size: true}}
    test: {{root_HR: {root}/valid/hr, root_LR: {root}/valid/lr, upscale: 2, fixed_size: true, crop: 32}}
  search_space:
    type: SearchSpace
    modules: [esrbody]
    esrbody: {{type: ESRN, block_type: [S, G, C], conv_num: [4, 6, 8], growth_rate: [8, 16, 24, 32], type_prob: [1, 1, 1],
               conv_prob: [1, 1, 1], growth_prob: [1, 1, 1, 1], G0: 32, scale: 2}}
  search_algorithm:
    type: ESRSearch
    codec: ESRCodec
    policy: {{num_generation: {generations}, num_individual: {population}, num_elitism: 2, mutation_rate: 0.05}}
    range: {{node_num: 20, min_active: 16, max_params: {most}, min_params: {least}}}
  trainer:
    type: Trainer
    callbacks: ESRTrainerCallback
    epochs: 1
    optimizer: {{type: Adam, params: {{lr: 0.0001}}}}
    lr_scheduler: {{type: MultiStepLR, params: {{milestones: [100, 200], gamma: 0.5}}}}
    loss: {{type: L1Loss}}
    metric: {{type: PSNR, params: {{scale: 2, max_rgb: 255}}}}
    scale: 2
    cuda: False
    seed: 10
"""


class Band(ErdbSpace):
    """Vega's genes, and its band of sizes: every member drawn, varied or crossed is mutated until its parameters lie within."""

    name: ClassVar[str] = "erdb-band"
    limits: ClassVar[Limits] = Limits(depth=(16, 20), convs=(4, 6, 8), widths=(8, 16, 24, 32), trunks=(32,))

    def sample(self, rng: np.random.Generator) -> ErdbGenotype:
        """A member within the band."""
        return self._settled(super().sample(rng), rng)

    def mutate(self, genotype: ErdbGenotype, rng: np.random.Generator) -> ErdbGenotype:
        """A member within the band."""
        return self._settled(super().mutate(genotype, rng), rng)

    def crossover(self, first: ErdbGenotype, second: ErdbGenotype, rng: np.random.Generator) -> ErdbGenotype:
        """A member within the band."""
        return self._settled(super().crossover(first, second, rng), rng)

    def exchange(self, genotype: ErdbGenotype, position: int, kind: str, rng: np.random.Generator) -> ErdbGenotype:
        """A member within the band."""
        return self._settled(super().exchange(genotype, position, kind, rng), rng)

    def repair(self, genotype: ErdbGenotype, fits: Any, rng: np.random.Generator) -> ErdbGenotype:
        """All members are of about one size, so there is nothing to shrink."""
        del fits, rng
        return genotype

    def _settled(self, genotype: ErdbGenotype, rng: np.random.Generator) -> ErdbGenotype:
        while not LEAST <= (params := self.params(genotype)) <= MOST:
            other = super().mutate(genotype, rng)
            if (self.params(other) < params) == (params > MOST):
                genotype = other
        return genotype


def main() -> None:
    options = read_options()
    if options.search:
        search(options)
        return
    results = load(options)
    if not options.rows:
        run_rows(options, results)
    print(table(results["rows"], options.turns))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vega", type=Path, help="Vega's command")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--generations", type=int, default=2)
    parser.add_argument("--population", type=int, default=4)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "vega_speed.json")
    parser.add_argument("--work", type=Path, default=Path("runs") / "vega_speed", help="where pairs and records go")
    parser.add_argument("--rows", action="store_true", help="only say which rows are done")
    parser.add_argument("--search", type=int, metavar="WORKERS", help=argparse.SUPPRESS)
    return parser.parse_args()


def load(options: argparse.Namespace) -> Json:
    protocol = {"generations": options.generations, "population": options.population}
    return open_results(options.results, protocol, rows={})


def run_rows(options: argparse.Namespace, results: Json) -> None:
    root = options.work.absolute()
    write_pairs(root)
    for turn in range(options.turns):
        for name in ROWS[:: -1 if turn % 2 else 1]:
            if f"{turn}/{name}" not in results["rows"]:
                print(f"turn {turn}: {name}", flush=True)
                results["rows"][f"{turn}/{name}"] = run_row(options, root, name)
                write_json(options.results, results)


def write_pairs(root: Path) -> None:
    """Tiles of two photos and their halves (by OpenCV's cubic, as both take them), each fourth to be scored on."""
    import cv2

    number = 0
    for photo in ("china", "flower"):
        picture = np.asarray(cv2.imread(str(HERE.parent / "sample_images" / f"{photo}.png")))
        for top in range(0, picture.shape[0] - TILE + 1, TILE):
            for left in range(0, picture.shape[1] - TILE + 1, TILE):
                truth = picture[top : top + TILE, left : left + TILE]
                side = root / ("valid" if number % TEST_EVERY == TEST_EVERY - 1 else "train")
                for kind, tile in {"hr": truth, "lr": cv2.resize(truth, (TILE // 2, TILE // 2), interpolation=cv2.INTER_CUBIC)}.items():
                    (side / kind).mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(side / kind / f"{number:03d}.png"), tile)
                number += 1


def run_row(options: argparse.Namespace, root: Path, name: str) -> Json:
    """One search in a process of its own, from nothing."""
    if name == VEGA:
        shutil.rmtree(root / "tasks", ignore_errors=True)
        settings = SETTINGS.format(root=root, generations=options.generations, population=options.population, least=LEAST, most=MOST)
        (root / "vega.yml").write_text(settings)
        command = [str(options.vega.absolute()), "vega.yml"]
    else:
        for made in ("run", "cache"):
            shutil.rmtree(root / made, ignore_errors=True)
        sizes = ["--generations", str(options.generations), "--population", str(options.population), "--work", str(root)]
        command = [sys.executable, str(Path(__file__).absolute()), "--search", str(WORKERS[name]), *sizes]
    load_before, before, began = os.getloadavg()[0], children_s(), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wall_s, cpu_s = time.perf_counter() - began, children_s() - before
    (root / f"{'vega' if name == VEGA else 'search'}.log").write_text(done.stdout)
    trained = trained_by_vega(done.stdout) if name == VEGA else trained_by_us(root / "run")
    if trained != candidates(options):
        raise SystemExit(f"{name} trained {trained} candidates, not {candidates(options)}; its log lies in `{root}`.")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"at": now, "load_before": round(load_before, 1), "candidates": trained, "wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2)}


def children_s() -> float:
    """Processor seconds of all processes that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def candidates(options: argparse.Namespace) -> int:
    """Vega tries one more than it is asked for."""
    return int(options.generations * options.population + 1)


def trained_by_vega(log: str) -> int:
    """Its exit code is 0 whatever happens, so its log is counted."""
    return len(set(re.findall(r"Update Success\. step_name=nas, worker_id=(\d+)", log)))


def trained_by_us(run: Path) -> int:
    from pixsearch.events import read_events

    told = [event for event in read_events(run / "search" / "events.jsonl") if event["kind"] == "candidate"]
    return sum(not event["error"] and LEAST <= event["figures"]["params"] <= MOST for event in told)


def search(options: argparse.Namespace) -> None:
    """The same search by `esr-ea`, in this process; what starts a search starts here too."""
    from pixsearch.data.config import DataConfig
    from pixsearch.data.open import open_data
    from pixsearch.rundir import Stage
    from pixsearch.search.config import SearchConfig
    from pixsearch.search.session import search_stage
    from pixsearch.tasks.config import TaskConfig

    SPACES.add(Band.name, "vega_speed:Band")
    root, task = options.work, TaskConfig(scale=2, color="rgb").make()
    config = SearchConfig(
        strategy="esr-ea",
        space=Band.name,
        objectives=("psnr", f"params<={MOST}"),
        evaluations=candidates(options),
        population=options.population,
        offspring=options.population,
        proxy_steps=5,
        proxy_batch=4,
        proxy_patch=32,
        val_window=64,
        threads=1,
        **({"workers": options.search} if options.search > 1 else {}),
    )
    pairs = DataConfig(
        pairs=(root / "train" / "lr", root / "train" / "hr"), val_pairs=(root / "valid" / "lr", root / "valid" / "hr"), cache=root / "cache"
    )
    with Stage(root / "run", "search", config) as stage:
        search_stage(open_data(pairs, task, stage.note), task, config, stage)


def table(rows: dict[str, Json], turns: int) -> str:
    """Medians over the turns, as Markdown; times Vega is taken within a turn."""
    lines = [
        "| search | turns | candidates a minute | times Vega | candidates a processor minute | times Vega |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in ROWS:
        done = [turn for turn in range(turns) if f"{turn}/{name}" in rows and f"{turn}/{VEGA}" in rows]
        cells = []
        for key in ("wall_s", "cpu_s"):
            rates = [60 * rows[f"{turn}/{name}"]["candidates"] / rows[f"{turn}/{name}"][key] for turn in done]
            ratios = [rows[f"{turn}/{VEGA}"][key] / rows[f"{turn}/{name}"][key] for turn in done]
            cells += [f"{median(rates):.1f}", f"×{median(ratios):.2f}"] if done else ["not run"] * 2
        lines.append(f"| {' | '.join([name, str(len(done)), *cells])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
