"""What a folder of large photos costs: index and cache, their time, memory and disk; then drawing batches, and a real training.

Makes photos of about 2040×1356 out of sample_images (cropped, turned and enlarged, each differently, with a little noise), then runs
every stage in a process of its own and takes the processor time and peak memory the system counted for it; memory-mapped pages
that were resident count as memory. Everything lies in a temporary folder in WHERE and is removed at the end.

    python benchmarks/data_index.py --photos 800
    python benchmarks/data_index.py --photos 40 --format jpg --where /data/tmp

Prints a Markdown table and writes benchmarks/results/data_index.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pixsearch.rundir import environment, write_json
from pixsearch.units import format_bytes, format_duration

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "data_index.json"
LIMIT_BYTES = 1.5 * 2**30
DRAWS = 2000
STEPS = 500
WIDTH, HEIGHTS = 2040, (1260, 1452)


@dataclass(frozen=True)
class Cost:
    """What one process took; `said` is the JSON object it printed."""

    wall_s: float
    processor_s: float
    peak_bytes: int
    said: dict[str, Any]


def main() -> None:
    """Run every stage in turn and report."""
    options = parsed()
    if options.stage:
        print(json.dumps(STAGES[options.stage](options)))
        return
    with tempfile.TemporaryDirectory(prefix="pixsearch-", dir=options.where) as place:
        costs = measured(Path(place), options)
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "photos": options.photos,
        "format": options.format,
        "limit_bytes": LIMIT_BYTES,
        "environment": environment(),
        "stages": {name: asdict(cost) for name, cost in costs.items()},
    }
    write_json(RESULTS, record)
    print(table(record))
    worst = max(cost.peak_bytes for cost in costs.values())
    print(f"\nPeak memory {format_bytes(worst)}: {'within' if worst <= LIMIT_BYTES else 'MORE THAN'} 1.5 GiB.")
    print(f"{record['environment']['processor']}, {os.cpu_count()} cores, {record['date']}.")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photos", type=int, default=800)
    parser.add_argument("--format", choices=("png", "jpg"), default="png", help="PNG, or JPEG of quality 95")
    parser.add_argument("--where", type=Path, default=None, help="where the temporary folder is made")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def measured(place: Path, options: argparse.Namespace) -> dict[str, Cost]:
    """Every stage's cost, in the order run."""
    again = [sys.executable, __file__, "--photos", str(options.photos), "--format", options.format, "--place", str(place)]
    val = [part for number in range(2) for part in ("--val", str(photo_path(place, number, options.format)))]
    train = [
        str(Path(sys.executable).with_name("pixsearch")),
        "train",
        "--arch",
        "plain-m4c16",
        "--data",
        str(place / "photos"),
        *val,
        "--reduce",
        "1",
        "--steps",
        str(STEPS),
    ]
    train += ["--cache", str(place / "cache"), "--out", str(place / "run"), "--json"]
    commands = {
        "make the photos": [*again, "--stage", "make"],
        "index": [*again, "--stage", "index"],
        "index again": [*again, "--stage", "index"],
        "cache": [*again, "--stage", "cache"],
        "cache again": [*again, "--stage", "cache"],
        f"draw {DRAWS} batches": [*again, "--stage", "draw"],
        f"train plain-m4c16, {STEPS} steps": train,
    }
    return {name: run(command) for name, command in commands.items()}


def run(command: list[str]) -> Cost:
    """The cost of one process, which must succeed."""
    print(" ".join(command), file=sys.stderr)
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.stdout.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"`{' '.join(command)}` ended with code {child.returncode}.")
    return Cost(
        round(time.perf_counter() - start, 2),
        round(used.ru_utime + used.ru_stime, 2),
        used.ru_maxrss * 1024,
        without_paths(json.loads(said)),
    )


def photo_path(place: Path, number: int, suffix: str) -> Path:
    """Where photo `number` lies."""
    return place / "photos" / f"{number % 10}" / f"{number:04}.{suffix}"


def make(options: argparse.Namespace) -> dict[str, Any]:
    """Write the photos."""
    import numpy as np

    from pixsearch.pixels.files import read_picture, write_picture

    sources = [read_picture(path) for path in sorted((HERE.parent / "sample_images").glob("*.png"))]
    written = 0
    for number in range(options.photos):
        path = photo_path(options.place, number, options.format)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, enlarged(sources[number % len(sources)], np.random.default_rng(number)))
        written += path.stat().st_size
    return {"bytes": written}


def enlarged(source: Any, rng: Any) -> Any:
    """A part of `source`, perhaps turned and mirrored, enlarged to 2K, with noise of half a level."""
    import cv2
    import numpy as np

    turned = np.rot90(source, rng.integers(4))[:, :: rng.choice([-1, 1])]
    height, width = (int(side * rng.uniform(0.4, 0.9)) for side in turned.shape[:2])
    top, left = (int(rng.integers(full - part + 1)) for full, part in zip(turned.shape[:2], (height, width), strict=True))
    part = np.ascontiguousarray(turned[top : top + height, left : left + width])
    large = cv2.resize(part, (WIDTH, int(rng.integers(*HEIGHTS))), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    large += rng.normal(0, 0.5, large.shape[:2]).astype(np.float32)[..., np.newaxis]
    return np.clip(np.rint(large), 0, 255).astype(np.uint8)


def index(options: argparse.Namespace) -> dict[str, Any]:
    """Scan the photos."""
    from pixsearch.data.index import scan

    found = scan([options.place / "photos"], reduce="1", memo=options.place / "cache")
    return {"photos": len(found), "groups": len(found.groups), "pixels": found.pixels, "rejected": len(found.rejected)}


def opened(options: argparse.Namespace) -> Any:
    """The cache of all photos, and the task."""
    from pixsearch.data.cache import build_cache
    from pixsearch.data.index import scan
    from pixsearch.tasks.base import make_task

    task = make_task("sr", 2, "y")
    found = scan([options.place / "photos"], reduce="1", memo=options.place / "cache").require()
    return build_cache(found, task, options.place / "cache", 10**12), task


def cache(options: argparse.Namespace) -> dict[str, Any]:
    """Decode the photos into the cache, or find it there."""
    return {"bytes": opened(options)[0].total_bytes}


def draw(options: argparse.Namespace) -> dict[str, Any]:
    """Draw batches of 16 patches of 32×32, ×2 on luma, in one thread."""
    from statistics import median

    import cv2

    from pixsearch.data.patches import Patches

    cv2.setNumThreads(1)
    pairs, task = opened(options)
    patches = Patches(pairs, task, batch=16, patch=32, seed=0)
    seconds = []
    for step in range(DRAWS):
        start = time.perf_counter()
        patches.draw(step)
        seconds.append(time.perf_counter() - start)
    ordered = sorted(seconds)
    return {"median_ms": round(median(ordered) * 1e3, 3), "p95_ms": round(ordered[int(0.95 * DRAWS)] * 1e3, 3)}


STAGES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {"make": make, "index": index, "cache": cache, "draw": draw}


def table(record: dict[str, Any]) -> str:
    """The costs as a Markdown table."""
    title = f"| {record['photos']} photos of 2K ({record['format']}) | wall | processor | peak memory | |"
    rows = [
        f"| {name} | {format_duration(cost['wall_s'])} | {format_duration(cost['processor_s'])} | {format_bytes(cost['peak_bytes'])} | "
        f"{remark(cost['said'])} |"
        for name, cost in record["stages"].items()
    ]
    return "\n".join([title, "| --- | ---: | ---: | ---: | --- |", *rows])


def without_paths(said: dict[str, Any]) -> dict[str, Any]:
    """What a process said, but for the places of this one run."""
    return {key: value for key, value in said.items() if key not in {"run", "model"}}


def remark(said: dict[str, Any]) -> str:
    """What a stage has to say beside its costs."""
    if "groups" in said:
        return f"{said['pixels'] / 1e6:.0f} MP, {said['groups']} groups"
    if "bytes" in said:
        return f"{format_bytes(said['bytes'])} on disk"
    if "median_ms" in said:
        return f"median {said['median_ms']} ms, p95 {said['p95_ms']} ms a batch"
    return ""


if __name__ == "__main__":
    main()
