"""The bench of a small recorded run: its table, and crops out of real photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from recording import HOSTILE, LABELS, AnySettings, Clock

from pixsearch.rundir import Stage

ROOT = Path(__file__).parents[2]


def latencies(median: float, threads: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {
            "threads": n,
            "median_ms": median / n**0.8,
            "p90_ms": 1.02 * median / n**0.8,
            "p95_ms": 1.04 * median / n**0.8,
            "p99_ms": 1.12 * median / n**0.8,
            "min_ms": 0.97 * median / n**0.8,
            "repeats": 30,
            "warmup": 5,
            "gmacs_per_s": 28.4,
        }
        for n in threads
    ]


def write_crops(folder: Path, pictures: tuple[str, ...]) -> list[dict[str, Any]]:
    """Crops of the project's own photos; the models' outputs lie between bicubic and the truth."""
    (folder / "crops").mkdir(exist_ok=True)
    crops = []
    places = (
        ("chelsea", 120, 70),
        ("chelsea", 250, 120),
        ("coffee", 220, 120),
        ("coffee", 60, 200),
        ("astronaut", 190, 70),
        ("astronaut", 0, 0),
    )
    for number, (file, x, y) in enumerate(places):
        name = pictures[number // 2]
        truth = cv2.imread(str(ROOT / "sample_images" / f"{file}.png"))[y : y + 128, x : x + 128]
        small = cv2.resize(truth, (64, 64), interpolation=cv2.INTER_AREA)
        bicubic = cv2.resize(small, (128, 128), interpolation=cv2.INTER_CUBIC)
        shown = {"input": cv2.resize(small, (128, 128), interpolation=cv2.INTER_NEAREST), "truth": truth, "bicubic": bicubic}
        for share, label in zip((0.6, 0.5, 0.4), LABELS, strict=True):
            shown[label] = cv2.addWeighted(truth, share, bicubic, 1 - share, 0)
        files = {label: f"crops/{number}-{place}.png" for place, label in enumerate(shown)}
        for label, picture in shown.items():
            cv2.imwrite(str(folder / files[label]), picture)
        outputs = {label: files[label] for label in ("bicubic", *LABELS)}
        crops.append(
            {"picture": name, "box": [x, y, x + 128, y + 128], "input": files["input"], "truth": files["truth"], "outputs": outputs}
        )
    return crops


def tuned(median: float, threads: int) -> dict:
    """Faster by 5 % with one thread, by nothing with more."""
    options = {"enable_mem_pattern": "0"} if threads == 1 else {}
    gain, interval = (0.05, [0.03, 0.07]) if options else (0.0, [0.0, 0.0])
    best = median * (1 - gain)
    return {
        "threads": threads,
        "size": "1280x720",
        "options": options,
        "default_ms": median,
        "best_ms": best,
        "gain": gain,
        "interval": interval,
    }


def write_bench(run: Path, clock: Clock, *, threads: tuple[int, ...] = (1, 2)) -> None:
    names = ("chelsea.png", "coffee.png", HOSTILE)
    costs = ((None, None, None), (2.21e9, 9600, 41_200), (1.38e9, 6000, 27_100), (1.38e9, 6000, 14_300))
    rows = []
    with Stage(run, "bench", AnySettings()) as stage:
        for label, gain, median, (macs, params, size) in zip(
            ("bicubic", *LABELS), (0, 2.05, 1.94, 1.86), (None, 78.0, 49.1, 36.0), costs, strict=True
        ):
            clock.now += 9
            pictures = {name: {"psnr_db": 31.07 + gain + 0.4 * place - 0.4, "ssim": 0.9} for place, name in enumerate(names)}
            rows.append(
                {
                    "label": label,
                    "kind": "baseline" if median is None else "model",
                    "file": None if median is None else f"{label}.onnx",
                    "name": label,
                    "stage": None if median is None else "pruned" if "pruned" in label else "trained",
                    "precision": None if median is None else "int8" if "int8" in label else "float",
                    "psnr_db": 31.07 + gain,
                    "ssim": 0.9021 + gain / 72,
                    "pictures": pictures,
                    "gain_db": gain or None,
                    "gain_interval_db": [gain - 0.21, gain + 0.24] if gain else None,
                    "macs_720p": macs,
                    "params": params,
                    "file_bytes": size,
                    "load_ms": None if median is None else 12.5,
                    "peak_bytes": None if median is None else 141_000_000,
                    "latency": [] if median is None else latencies(median, threads),
                    "tuned": None if median is None else [tuned(median, count) for count in threads],
                }
            )
            stage.note("measured", label=label, psnr_db=31.07 + gain)
        stage.write_json(
            "bench.json",
            {
                "task": "sr",
                "scale": 2,
                "color": "y",
                "metric": "PSNR-Y",
                "convention": "Y of BT.601, 2 pixels shaved, 8 bits",
                "target": {"name": "local", "label": "local x86", "modelled": False},
                "size": "1280x720",
                "threads": list(threads),
                "protocol": "5 warm-up and 30 timed runs in a process of its own",
                "images": [{"name": name, "width": 640, "height": 427} for name in names],
                "rows": rows,
                "crops": write_crops(stage.path, names),
            },
        )
        stage.note("done")
