"""From a prototype to a phone: a large hand-made network for video super-resolution ×2, and what is left of it rung by rung.

    prototype   --depth 3×3 convolutions of --width channels that see five frames, trained by `pixsearch train`
    direct      the widest chain of five layers on five frames within --macs, trained as it is: what the prototype has to beat by 0.4 dB
                on the mean of the clips, or the ladder is void; no rung of it
    searched    what `pixsearch search --space video` finds on held-out photos within --macs and --latency-ms (int8, Cortex-A76, 1280×720),
                trained from nothing
    distilled   the same model, trained on with the prototype as its teacher
    pruned      what `pixsearch prune` leaves of it, --keep-macs of its multiply-adds, fine-tuned by the unpruned model's answers
    int8        that, trained on for int8 (`pixsearch train --qat arm`) and exported for it; a network with a state is exported as it is

The weights of a training's end are scored, never a checkpoint that was chosen; the clips choose nothing. After each rung
`pixsearch bench --target arm64:a76 --estimate` scores all files so far on the clips and sums up their latency at 1280×720 on an
emulated Cortex-A76, and `pixsearch report` draws the ladder into WORK/ladder/report.html. A rung that was stopped (Ctrl-C, a kill,
`timeout -s INT 30m`) goes on from its checkpoint the next time. More steps (`--steps prototype=60000`) lengthen a training that has
ended; what was made of a model that changed since is made anew.

    python benchmarks/prototype_ladder.py --data photos/train --val video/calendar video/walk [--only prototype direct]
    python benchmarks/prototype_ladder.py --data photos/train --val video/calendar video/walk --rows
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pixsearch.bench.subjects import digest_of_file
from pixsearch.config import read_yaml
from pixsearch.nn.modelfile import load_model
from pixsearch.registry import SPACES
from pixsearch.rundir import finished, read_json, write_json
from pixsearch.tasks.base import Task, make_task
from resumed import open_results
from video_quality import ROWS, widest

HERE = Path(__file__).parent
WINDOW, MUST_DB = 5, 0.4
FIVE_FRAMES = next(row for row in ROWS if row.name == "five frames stacked")
Json = dict[str, Any]


class Rung(NamedTuple):
    """The stage that makes its model, for how many steps, and the models it takes."""

    name: str
    stage: str
    steps: int
    takes: tuple[str, ...] = ()


RUNGS = (
    Rung("direct", "train", 100_000),
    Rung("prototype", "train", 30_000),
    Rung("searched", "train", 60_000),
    Rung("distilled", "train", 20_000, ("searched", "prototype")),
    Rung("pruned", "prune", 15_000, ("distilled",)),
    Rung("int8", "qat", 3_000, ("pruned",)),
)
LADDER = RUNGS[1:]


def main() -> None:
    options = read_options()
    results = open_results(options.results, protocol(options), rows={})
    for rung in () if options.rows else RUNGS:
        if rung.name in options.only:
            climb(rung, options, results)
            measure(rung, options, results)
    print(table(results, options))


def read_options() -> argparse.Namespace:
    names = [rung.name for rung in RUNGS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="photos or clips to train on")
    parser.add_argument("--val", type=Path, required=True, nargs="+", help="clips to score on")
    parser.add_argument("--depth", type=int, default=12, help="layers of the prototype")
    parser.add_argument("--width", type=int, default=64, help="channels of the prototype")
    parser.add_argument("--macs", type=float, default=2.5e9, help="most multiply-adds for a 1280×720 frame of what is to fit a phone")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="most milliseconds a frame in int8 on a modelled Cortex-A76")
    parser.add_argument("--evaluations", type=int, default=32, help="candidates of the search")
    parser.add_argument("--proxy-steps", type=int, default=400, help="steps a candidate is judged after")
    parser.add_argument("--keep-macs", type=float, default=0.6, help="share of the multiply-adds that pruning leaves")
    parser.add_argument(
        "--steps", nargs="+", default=[], metavar="RUNG=N", help="steps of these rungs' trainings instead of the usual ones"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="RUNG", help=", ".join(names))
    parser.add_argument("--results", type=Path, default=HERE / "results" / "prototype_ladder.json")
    parser.add_argument("--work", type=Path, default=Path("runs") / "prototype_ladder", help="where runs and their checkpoints go")
    parser.add_argument("--rows", action="store_true", help="only show which rungs are done")
    options = parser.parse_args()
    given = dict(text.split("=", 1) for text in options.steps)
    if unknown := given.keys() - set(names):
        parser.error(f"there is no rung `{min(unknown)}`; there are {', '.join(names)}")
    options.steps = {rung.name: int(given.get(rung.name, rung.steps)) for rung in RUNGS}
    return options


def protocol(options: argparse.Namespace) -> Json:
    """What may not change from one call to the next; steps may."""
    same = ("depth", "width", "macs", "latency_ms", "evaluations", "proxy_steps", "keep_macs", "seed")
    return {
        **{name: getattr(options, name) for name in same},
        "data": sorted(path.name for path in options.data),
        "val": [path.name for path in options.val],
    }


def climb(rung: Rung, options: argparse.Namespace, results: Json) -> None:
    """Make the rung's model, or go on with it; its processor time is added up in the results."""
    run = options.work / rung.name
    if rung.name == "searched":
        search(run, options, results)
    if rung.stage == "qat" and has_state(options):
        return
    missing = [name for name in rung.takes if not model_of(name, options).exists()]
    if missing:
        raise SystemExit(f"`{rung.name}` takes the model of `{missing[0]}`, which is not there yet.")
    steps, made_of = options.steps[rung.name], {name: digest_of_file(model_of(name, options)) for name in rung.takes}
    known = read_json(run / "made_of.json") if (run / "made_of.json").exists() else None
    if known is not None and known != made_of:
        results["rows"].pop(rung.name, None)
        known = None
    if known is None:
        run.mkdir(parents=True, exist_ok=True)
        write_json(run / "made_of.json", made_of)
        call(rung.name, [*beginning(rung, run, options), "--steps", str(steps), "--again"], options, results)
    elif not finished(run, rung.stage) or steps > steps_of(run, rung.stage):
        call(rung.name, [*command(rung.stage), "--resume", str(run), "--steps", str(steps)], options, results)


def search(run: Path, options: argparse.Namespace, results: Json) -> None:
    """The search behind the rung `searched`; it holds photos back to select by, so that the clips choose nothing."""
    if finished(run, "search"):
        return
    words = ["search", *map(str, options.data), "--task", "video-sr", "--window", str(WINDOW), "--space", "video", "--objective", "psnr"]
    words += ["--objective", f"macs_720p<={options.macs:g}", "--objective", bound(options), "--population", "8"]
    words += ["--evaluations", str(options.evaluations), "--proxy-steps", str(options.proxy_steps)]
    words += ["--seed", str(options.seed), "--out", str(run)]
    begun = (run / "search" / "events.jsonl").exists()
    call("searched", ["search", "--resume", str(run)] if begun else [*words, "--threads", "1"], options, results)


def bound(options: argparse.Namespace) -> str:
    """The latency that a phone is to keep."""
    return f"latency@arm64:a76/1280x720/int8<={options.latency_ms:g}ms"


def beginning(rung: Rung, run: Path, options: argparse.Namespace) -> list[str]:
    """The command that begins the rung, but for its length."""
    photos = [text for path in options.data for text in ("--data", str(path))]
    photos += [text for path in options.val for text in ("--val", str(path))]
    alike = ["--threads", "1", "--seed", str(options.seed), "--out", str(run)]
    task = ["--task", "video-sr", "--window", str(WINDOW)]
    before = [str(model_of(name, options)) for name in rung.takes]
    if rung.name in ("direct", "prototype"):
        return ["train", "--arch", str(architecture(rung.name, run, options)), *task, *photos, *alike]
    if rung.name == "searched":
        return ["train", str(run), "--pick", f"best-under:{bound(options)}", *photos, *alike]
    if rung.name == "distilled":
        return ["train", before[0], "--teacher", before[1], *alike]
    if rung.name == "pruned":
        return ["prune", before[0], "--keep-macs", str(options.keep_macs), *alike]
    return ["train", before[0], "--qat", "arm", *alike]


def architecture(name: str, run: Path, options: argparse.Namespace) -> Path:
    """The genotype of a network that is made by hand, in a file of its name."""
    task: Task = make_task("video-sr", 2, "y", {"window": WINDOW})
    layer = {"op": "conv3", "width": options.width, "act": "leaky"}
    chain = {"form": "stacked", "window": WINDOW, "layers": [layer] * options.depth, "head": "plain", "skip": "nearest", "tail": 3}
    genotype = SPACES.load("video")(task.signature).parse(chain) if name == "prototype" else widest(FIVE_FRAMES, task, options.macs)[1]
    write_json(run / f"{name}.json", genotype.to_json())
    return run / f"{name}.json"


def command(stage: str) -> list[str]:
    return ["prune"] if stage == "prune" else ["train"]


def model_of(name: str, options: argparse.Namespace) -> Path:
    """The model file of a rung."""
    if name == "int8" and has_state(options):
        name = "pruned"
    stage = next(rung.stage for rung in RUNGS if rung.name == name)
    return Path(options.work / name / stage / "model.safetensors")


def has_state(options: argparse.Namespace) -> bool:
    """Whether what was pruned hands a state on, which training for int8 does not follow."""
    pruned = model_of("pruned", options)
    return pruned.exists() and bool(load_model(pruned)[1].signature.state)


def steps_of(run: Path, stage: str) -> int:
    """The steps that a training was to take."""
    return int(read_yaml(run / stage / "config.resolved.yaml")["train"]["steps"])


def call(name: str, words: list[str], options: argparse.Namespace, results: Json) -> None:
    """Run `pixsearch WORDS` and add its processor time to the rung's; ends the script when it fails or is interrupted."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    process = subprocess.Popen([sys.executable, "-m", "pixsearch.cli", *words], env=environment)
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:  # it has been told as well, and saves
            continue
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = results["rows"].setdefault(name, {})
    row["cpu_s"] = round(row.get("cpu_s", 0.0) + after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)
    write_json(options.results, results)
    if code:
        raise SystemExit(f"`{name}` stopped with exit code {code}; the same command goes on with it.")


def measure(rung: Rung, options: argparse.Namespace, results: Json) -> None:
    """Export the rung's model, bench it with all rungs so far, and write the figures of all."""
    model, file = model_of(rung.name, options), options.work / "files" / f"{rung.name}.onnx"
    if results["rows"].get(rung.name, {}).get("model") == digest_of_file(model) and file.exists():
        return
    small = ["--int8"] if rung.name == "int8" else []
    call(rung.name, ["export", str(model), *small, "--out", str(options.work / rung.name), "--again"], options, results)
    exported = max((options.work / rung.name / "export").glob("*.int8.onnx" if small else "*.onnx"), key=lambda path: path.stat().st_mtime)
    file.parent.mkdir(exist_ok=True)
    shutil.copyfile(exported, file)
    bench = options.work / ("direct" if rung.name == "direct" else "ladder")
    rungs = [rung] if rung.name == "direct" else [one for one in LADDER if (options.work / "files" / f"{one.name}.onnx").exists()]
    files = [str(options.work / "files" / f"{one.name}.onnx") for one in rungs]
    images = [text for path in options.val for text in ("--images", str(path))]
    how = ["--target", "arm64:a76", "--estimate", "--on-target", "0", "--out", str(bench), "--again"]
    call(rung.name, ["bench", *files, *images, *how], options, results)
    call(rung.name, ["report", str(bench)], options, results)
    benched = {Path(row["file"]).stem: row for row in read_json(bench / "bench" / "bench.json")["rows"] if row["file"]}
    for one in rungs:
        results["rows"].setdefault(one.name, {}).update(figures(benched[one.name]))
    steps = steps_of(model.parent.parent, model.parent.name)
    results["rows"][rung.name] |= {"steps": steps, "model": digest_of_file(model), "date": datetime.now(UTC).date().isoformat()}
    write_json(options.results, results)


def figures(row: Json) -> Json:
    """Of a line of bench.json what the ladder shows; PSNR by clip is the mean over its frames, `mean` that of the clips."""
    clips: dict[str, list[float]] = {}
    for name, scores in row["pictures"].items():
        clips.setdefault(name.rpartition("/")[0], []).append(scores["psnr_db"])
    psnr = {clip: float(np.mean(values)) for clip, values in clips.items()}
    psnr["mean"] = float(np.mean(list(psnr.values())))
    latency = {"modelled_ms": row["latency"][0]["modelled_ms"]}
    costs = {name: row[name] for name in ("macs_720p", "params", "file_bytes")}
    return {"psnr_db": {clip: round(value, 4) for clip, value in psnr.items()}, **costs, **latency}


def table(results: Json, options: argparse.Namespace) -> str:
    """The rungs in Markdown, and whether the prototype is as good as it has to be; what was not run says so."""
    clips = [*(path.name for path in options.val), "mean"]
    heads = ["", "steps", "CPU min", *clips, "to the prototype", "MACs 720p", "size", "modelled ms", "times less"]
    lines = [heads, ["---"] * len(heads)]
    rows = {name: row for name, row in results["rows"].items() if "psnr_db" in row}
    top = rows.get("prototype")
    for rung in RUNGS:
        row, spent = rows.get(rung.name), results["rows"].get(rung.name, {}).get("cpu_s")
        if row is None:
            lines.append([rung.name, "", "not run" if spent is None else f"not finished ({spent / 60:.1f})", *[""] * (len(heads) - 3)])
            continue
        scores = [f"{row['psnr_db'][clip]:.2f}" for clip in clips]
        costs = [f"{row['macs_720p'] / 1e9:.2f} G", f"{row['file_bytes'] / 1e3:.0f} KB", f"{row['modelled_ms']:.0f}"]
        gap = f"{row['psnr_db']['mean'] - top['psnr_db']['mean']:+.2f}" if top else ""
        less = f"{top['modelled_ms'] / row['modelled_ms']:.1f} ×" if top else ""
        lines.append([rung.name, str(row["steps"]), f"{row['cpu_s'] / 60:.1f}", *scores, gap, *costs, less])
    return "\n".join([*(f"| {' | '.join(cells)} |" for cells in lines), *verdict(rows)])


def verdict(rows: Json) -> list[str]:
    """Whether the prototype beats the direct model by as much as it has to."""
    if not {"prototype", "direct"} <= rows.keys():
        return []
    ahead = rows["prototype"]["psnr_db"]["mean"] - rows["direct"]["psnr_db"]["mean"]
    said = "as it has to be" if ahead >= MUST_DB else "not enough: the ladder is void"
    return ["", f"The prototype is {ahead:+.2f} dB from the direct model ({MUST_DB} dB wanted), {said}."]


if __name__ == "__main__":
    main()
