"""The quality that `pixsearch train` reaches from nothing, for networks and tasks, each within its processor time.

A row is one `pixsearch train` of a network on one thread for a number of steps that fits into the row's minutes, or such a one and then
others that train its model on, whose time is counted too; the averaged weights of the end are scored, never a checkpoint that was
chosen. A row that is stopped goes on from its checkpoint the next time. The trained models are copied to benchmarks/models.

    python benchmarks/train_quality.py --data photos/train --sets photos/val [--only ROW] [--seeds 0]
    python benchmarks/train_quality.py --data photos/train --sets photos/val --rows

`--sets` holds the folders Set5, B100 and Kodak24, and CBSD68.txt, the names of the pictures of B100 that are CBSD68.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from networks import network
from pixsearch.bench.accuracy import Accuracy, difference
from pixsearch.config import validate as validate_config
from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_pictures
from pixsearch.events import read_events
from pixsearch.nn.modelfile import load_deployed
from pixsearch.rundir import environment, read_json, write_json
from pixsearch.tasks.base import Scores, Task
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.validate import Figures, score_baseline, validate

HERE = Path(__file__).parent


class Then(NamedTuple):
    """A training that goes on with the model of the row that is the same but for it; `word` is its part of the model's name."""

    word: str
    options: tuple[str, ...]


class Row(NamedTuple):
    """What is trained, for how many steps, and the minutes of processor time that may take; `sets` are scored, the first on the way."""

    name: str
    network: str
    minutes: int
    steps: int
    options: tuple[str, ...] = ()
    task: Mapping[str, Any] = {"name": "sr", "scale": 2}
    sets: tuple[str, ...] = ("Set5", "B100")
    then: tuple[Then, ...] = ()


FLOAT32 = Then("float32", ("--steps", "80000", "--precision", "float32", "--rate", "2e-3"))
LARGE = Then("large", ("--steps", "14000", "--precision", "float32", "--rate", "1.5e-3", "--patch", "64"))

ROWS: tuple[Row, ...] = (
    Row("4 layers of 16", "plain-m4c16", 120, 270_000),
    Row("4 layers of 16, ECB", "plain-m4c16", 120, 270_000, ("--branches", "ecb")),
    Row("under 2.4 G", "conv3-m6c13-leaky", 120, 250_000),
    Row("under 6.5 G", "conv3-m5c24-leaky", 180, 160_000),
    Row("under 6.5 G, then float32", "conv3-m5c24-leaky", 180, 160_000, then=(FLOAT32,)),
    Row("under 6.5 G, then large patches", "conv3-m5c24-leaky", 180, 160_000, then=(FLOAT32, LARGE)),
    Row("under 6.5 G, deeper", "conv3-m11c16-leaky", 180, 160_000, ("--branches", "ecb")),
    Row("colour denoising, σ 25", "s2d-conv3-m8c24-relu-nearest", 120, 80_000, task={"name": "denoise", "sigma": "25"}, sets=("CBSD68",)),
    Row(
        "colour denoising, then float32",
        "s2d-conv3-m8c24-relu-nearest",
        120,
        80_000,
        task={"name": "denoise", "sigma": "25"},
        sets=("CBSD68",),
        then=(Then("float32", ("--steps", "9000", "--patch", "64", "--precision", "float32", "--rate", "1.5e-3")),),
    ),
    Row("demosaicing RGGB", "conv3-m5c24-leaky-nearest", 120, 60_000, task={"name": "jdd", "noise": "none"}, sets=("Kodak24",)),
    Row("enhancement", "s2d-conv3-m4c14-leaky-nearest", 60, 160_000, task={"name": "enhance"}, sets=("Kodak24",)),
    Row(
        "enhancement, then float32",
        "s2d-conv3-m4c14-leaky-nearest",
        60,
        160_000,
        task={"name": "enhance"},
        sets=("Kodak24",),
        then=(Then("float32", ("--steps", "22000", "--patch", "64", "--precision", "float32", "--rate", "1.5e-3")),),
    ),
)


def main() -> None:
    options = read_options()
    for seed in options.seeds:
        for row in ROWS:
            results = load(options)
            if not options.rows and "psnr_db" not in results["rows"].get(key(row, seed), {}) and options.only in ([], [row.name]):
                train(row, seed, options)
    for name in dict.fromkeys(row.task["name"] for row in ROWS):
        print(table(load(options), options, [row for row in ROWS if row.task["name"] == name]), "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="photos to train on")
    parser.add_argument("--sets", type=Path, required=True, help="the folder of the sets to score on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs=1, default=[], metavar="ROW")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "train_quality.json")
    parser.add_argument("--work", type=Path, default=Path("runs") / "train_quality", help="where trainings and their checkpoints go")
    parser.add_argument("--rows", action="store_true", help="only show which rows are done")
    return parser.parse_args()


def key(row: Row, seed: int) -> str:
    """The row's place in the results: another network or length is another result."""
    return "/".join([row.network, str(row.steps), *row.options, *(text for then in row.then for text in then.options), f"seed {seed}"])


def load(options: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = read_json(options.results) if options.results.exists() else {"machine": environment(), "rows": {}}
    return results


def save(options: argparse.Namespace, row: Row, seed: int, fields: dict[str, Any]) -> None:
    """Add to the row's result; rows may be trained side by side, so the file is read anew."""
    results = load(options)
    results["rows"].setdefault(key(row, seed), {}).update(fields)
    write_json(options.results, results)


def pictures_of(name: str, root: Path) -> list[Path]:
    """The set's folder, or the pictures that its list names."""
    if name == "CBSD68":
        return [root / "B100" / line for line in (root / "CBSD68.txt").read_text().split()]
    return [root / name]


def task_of(row: Row) -> Task:
    """The row's task."""
    return validate_config(TaskConfig, dict(row.task), "the row's task").make()


def train(row: Row, seed: int, options: argparse.Namespace) -> None:
    """Train the row, or go on with it, and score what comes out."""
    task = task_of(row)
    run = options.work / key(row, seed).replace("/", "-").replace(" ", "-")
    genotype = run.parent / f"{run.name}.json"
    genotype.parent.mkdir(parents=True, exist_ok=True)
    write_json(genotype, network(row.network, task.signature).to_json())
    given = [text for key, value in row.task.items() for text in (f"--{'task' if key == 'name' else key}", str(value))]
    watched = [text for path in pictures_of(row.sets[0], options.sets) for text in ("--val", str(path))]
    photos, alike = ["--data", str(options.data), *watched], ["--threads", "1", "--seed", str(seed)]
    source, length = ["--arch", str(genotype), *given, *photos], ["--steps", str(row.steps), *alike, *row.options]
    if row.then:
        source, length = [str(earlier_model(row, seed, options)), *photos], [*row.then[-1].options, *alike]
    what = ["--resume", str(run)] if (run / "train" / "checkpoints").exists() else [*source, *length, "--out", str(run), "--again"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pixsearch.cli", "train", *what]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = load(options)["rows"].get(key(row, seed), {}).get("cpu_s", 0.0)
    used += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    save(options, row, seed, {"cpu_s": round(used, 1)})
    if done.returncode:
        raise SystemExit(f"`{row.name}` stopped with exit code {done.returncode}; the same command goes on with it.")
    model = model_path(row, seed)
    model.parent.mkdir(exist_ok=True)
    shutil.copyfile(run / "train" / "model.safetensors", model)
    save(options, row, seed, scores(row, run, model, task, options))


def model_path(row: Row, seed: int) -> Path:
    """Where a row's model is kept."""
    kind = f"x{row.task['scale']}" if row.task["name"] == "sr" else row.task["name"]
    words = [*row.options, *(then.word for then in row.then)]
    return HERE / "models" / "-".join([row.network, kind, *(word.removeprefix("--") for word in words), f"seed{seed}.safetensors"])


def earlier_model(row: Row, seed: int, options: argparse.Namespace) -> Path:
    """The model of the row's trainings before the last, which are done now unless they have been; their time goes to the row, too."""
    earlier = next(other for other in ROWS if other == row._replace(name=other.name, then=row.then[:-1]))
    if "psnr_db" not in load(options)["rows"].get(key(earlier, seed), {}):
        train(earlier, seed, options)
    if "cpu_s" not in load(options)["rows"].get(key(row, seed), {}):
        save(options, row, seed, {"cpu_s": load(options)["rows"][key(earlier, seed)]["cpu_s"]})
    return model_path(earlier, seed)


def scores(row: Row, run: Path, model: Path, task: Task, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of a trained row: on each folder the mean, and the gain over the baseline with its interval over pictures."""
    trained, card = load_deployed(model)
    found: dict[str, Any] = {
        "network": row.network,
        "macs_720p": card.macs_720p,
        "params": card.params,
        "psnr_db": {},
        "gain_db": {},
        "ssim": {},
    }
    for name in row.sets:
        pictures = open_pictures(pictures_of(name, options.sets), task, DataConfig(reduce="1"))
        figures, baseline = validate(trained, pictures, task), score_baseline(pictures, task)
        gain = difference(accuracy(figures), accuracy(baseline), seed=0)
        found["psnr_db"][name] = round(figures["psnr_db"], 4)
        found["ssim"][name] = round(figures["ssim"], 5)
        found["gain_db"][name] = [round(value, 4) for value in (gain.mean_db, *(gain.interval_db or ()))]
    events = [event for event in read_events(run / "train" / "events.jsonl") if event["kind"] == "validation"]
    found["curve"] = [[round(event["progress"], 4), round(event["psnr_db"], 4)] for event in events]
    return {**found, "date": datetime.now(UTC).date().isoformat()}


def accuracy(figures: Figures) -> Accuracy:
    return Accuracy({name: Scores(values["psnr_db"], values["ssim"]) for name, values in figures["pictures"].items()})


def steps_of(row: Row) -> str:
    """The steps of its trainings."""
    return " + ".join([str(row.steps), *(then.options[1] for then in row.then)])


def table(results: dict[str, Any], options: argparse.Namespace, rows: Sequence[Row]) -> str:
    """Rows of one task in Markdown; what was not run says so."""
    folders = rows[0].sets
    trivial = task_of(rows[0]).baseline_name
    heads = ["row", "network", "multiply-adds", "seed", "steps", "CPU min", *folders, *(f"over {trivial}, {name}" for name in folders)]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        for seed in options.seeds:
            done = results["rows"].get(key(row, seed), {})
            cells = [f"{row.name}, {row.minutes} min", row.network]
            if "psnr_db" not in done:
                share = f"not finished ({done['cpu_s'] / 60:.0f} CPU min)" if "cpu_s" in done else "not run"
                lines.append([*cells, "", str(seed), steps_of(row), share, *[""] * 2 * len(folders)])
                continue
            figures = [f"{done['psnr_db'][name]:.2f}" for name in folders]
            gains = ["+{:.2f} ({:+.2f} … {:+.2f})".format(*done["gain_db"][name]) for name in folders]
            lines.append(
                [*cells, f"{done['macs_720p'] / 1e9:.2f} G", str(seed), steps_of(row), f"{done['cpu_s'] / 60:.0f}", *figures, *gains]
            )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
