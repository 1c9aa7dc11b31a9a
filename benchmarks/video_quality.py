"""What other frames are worth: video super-resolution ×2 on real clips against a single frame, of equal multiply-adds and training time.

A row is a form: one frame, three or five stacked, or recurrent. Its network is the widest chain of five 3×3 convolutions (leaky ReLU,
nearest global skip) within --macs, made of one width and the next; it takes as many steps as fit into --minutes of processor time,
by the time of its own first steps. The averaged weights of the end are scored on every frame of the clips in --val. Of a recurrent
network also: the score with its state emptied before each frame, and how far ONNX Runtime, frame by frame, is from PyTorch on the whole
clips. Every finished row is kept, so the script goes on where it was stopped.

    python benchmarks/video_quality.py --data photos/train --val video/calendar video/walk [--minutes 10] [--only ROW ...]
    python benchmarks/video_quality.py --data photos/train --val video/calendar video/walk --rows
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

import numpy as np

from pixsearch.data.cache import PairCache
from pixsearch.data.config import DataConfig
from pixsearch.data.open import Data, open_data
from pixsearch.data.patches import Patches
from pixsearch.export.onnx import export_float
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.streams import Stream, output_of
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.registry import SPACES
from pixsearch.rundir import write_json
from pixsearch.space.base import Space
from pixsearch.tasks.base import Pair, Task, make_task, task_for
from pixsearch.train.config import TrainConfig
from pixsearch.train.loop import fit
from pixsearch.train.validate import Stepper, score_baseline, validate
from resumed import open_results

HERE = Path(__file__).parent
DEPTH, STATE, TIMED = 5, 8, 40
FIRST = 10  # steps before those that are timed


class Row(NamedTuple):
    """A form of the network, and what else is not the default."""

    name: str
    space: str
    genes: dict[str, Any]
    window: int = 5


ROWS = (
    Row("one frame", "mobile", {}, window=1),
    Row("three frames stacked", "video", {"form": "stacked", "window": 3}),
    Row("recurrent", "video", {"form": "recurrent", "state": STATE}),
    Row("five frames stacked", "video", {"form": "stacked", "window": 5}),
)


def main() -> None:
    options = read_options()
    protocol = {
        "minutes": options.minutes,
        "macs_720p": options.macs,
        "seed": options.seed,
        "data": sorted(path.name for path in options.data),
        "val": [path.name for path in options.val],
    }
    results = open_results(options.results, protocol, rows={})
    for row in () if options.rows else ROWS:
        if row.name not in results["rows"] and (not options.only or row.name in options.only):
            print(f"{row.name} …", flush=True)
            results["rows"][row.name] = train(row, options)
            write_json(options.results, results)
    print(table(results))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="photos or clips to train on")
    parser.add_argument("--val", type=Path, required=True, nargs="+", help="clips to score on")
    parser.add_argument("--minutes", type=float, default=10.0, help="processor time of a row's training")
    parser.add_argument("--macs", type=float, default=2.5e9, help="most multiply-adds for a 1280×720 frame")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "video_quality.json")
    parser.add_argument("--rows", action="store_true", help="only show which rows are done")
    return parser.parse_args()


def train(row: Row, options: argparse.Namespace) -> dict[str, Any]:
    """The row's scores, its costs and what its training took."""
    task = make_task("video-sr", 2, "y", {"window": row.window})
    data = open_data(DataConfig(photos=tuple(options.data), val=tuple(options.val)), task)
    space, genotype = widest(row, task, options.macs)
    steps = round(options.minutes * 60 / seconds_a_step(genotype, task, data, options.seed))
    began = time.process_time()
    network = deploy(run(genotype, task, data, steps, options.seed)).eval()
    took = time.process_time() - began
    baseline = score_baseline(data.val, task)
    return {
        "network": space.describe(genotype),
        "macs_720p": space.macs_720p(genotype),
        "params": space.params(genotype),
        "steps": steps,
        "cpu_s": round(took, 1),
        **scores(network, data.val, task),
        "bicubic": {"psnr_db": by_clip(baseline), "flicker": round(baseline["flicker"], 4)},
        **(of_state(network, data.val, task) if network.signature.state else {}),
        "date": datetime.now(UTC).date().isoformat(),
    }


def widest(row: Row, task: Task, macs: float) -> tuple[Space[Any], Any]:
    """The chain of the row's form that comes nearest to `macs` from below: layers of one width, the first of them one channel wider."""
    space: Space[Any] = SPACES.load(row.space)(task.signature)

    def chain(total: int) -> Any:
        widths = [total // DEPTH + (number < total % DEPTH) for number in range(DEPTH)]
        layers = [{"op": "conv3", "width": width, "act": "leaky"} for width in widths]
        return space.parse({"layers": layers, "head": "plain", "skip": "nearest", "tail": 3, **row.genes})

    fitting = [total for total in range(4 * DEPTH, 64 * DEPTH) if space.macs_720p(chain(total)) <= macs]
    return space, chain(max(fitting))


def run(genotype: Any, task: Task, data: Data, steps: int, seed: int) -> Network:
    network = build(genotype, task.signature, seed=seed)
    config = TrainConfig(steps=steps, threads=1, seed=seed)
    patches = Patches(data.train, task_for(network.signature), batch=config.batch, patch=config.patch, seed=seed)
    return fit(network, patches, config)


def seconds_a_step(genotype: Any, task: Task, data: Data, seed: int) -> float:
    """Processor time of a step, those of a training's beginning left out."""
    spent = []
    for steps in (FIRST, FIRST + TIMED):
        began = time.process_time()
        run(genotype, task, data, steps, seed)
        spent.append(time.process_time() - began)
    return (spent[1] - spent[0]) / TIMED


def scores(network: Network, val: PairCache, task: Task) -> dict[str, Any]:
    figures = validate(network, val, task)
    return {"psnr_db": by_clip(figures), "flicker": round(figures["flicker"], 4)}


def by_clip(figures: dict[str, Any]) -> dict[str, float]:
    """Mean over the frames of each clip, and the mean of those."""
    clips: dict[str, list[float]] = {}
    for name, scores in figures["pictures"].items():
        clips.setdefault(name.rpartition("/")[0], []).append(scores["psnr_db"])
    means = {clip: float(np.mean(values)) for clip, values in clips.items()}
    return {clip: round(value, 4) for clip, value in {**means, "mean": float(np.mean(list(means.values())))}.items()}


class Forgetful:
    """Pairs of which none follows another, so that a state is emptied before each."""

    def __init__(self, pairs: PairCache) -> None:
        self._pairs, self.names = pairs, pairs.names

    def pair(self, index: int) -> Pair:
        return replace(self._pairs.pair(index), follows=False)


def of_state(network: Network, val: PairCache, task: Task) -> dict[str, Any]:
    """What the state is worth, and how far streaming in ONNX Runtime is from PyTorch on whole clips."""
    emptied = by_clip(validate(network, cast(PairCache, Forgetful(val)), task))
    own, torch_stream, worst = task_for(network.signature), Stepper(network), 0.0
    with TemporaryDirectory() as folder:
        path = export_float(network, make_card(network, name="stream", stage="trained"), Path(folder) / "stream.onnx")
        stream = Stream(OnnxModel.open(path))
        for index in range(len(val)):
            pair = val.pair(index)
            planes = {"frames": own.encode("frames", pair.inputs["frames"])}
            wanted = torch_stream.run(planes, follows=pair.follows)
            worst = max(worst, float(np.abs(output_of(stream, own, pair) - wanted).max()))
    return {"psnr_db_state_emptied": emptied, "streaming_max_abs_error": worst}


def table(results: dict[str, Any]) -> str:
    clips = [*results["protocol"]["val"], "mean"]
    lines = ["| | network | MACs | steps | " + " | ".join(clips) + " | flicker |", "| --- " * (5 + len(clips)) + "|"]
    for row in ROWS:
        done = results["rows"].get(row.name)
        if done is None:
            lines.append(f"| {row.name} | not run |" + " |" * (3 + len(clips)))
            continue
        figures = " | ".join(f"{done['psnr_db'][clip]:.2f}" for clip in clips)
        lines.append(
            f"| {row.name} | {done['network']} | {done['macs_720p'] / 1e9:.2f} G | {done['steps']} | {figures} | {done['flicker']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
