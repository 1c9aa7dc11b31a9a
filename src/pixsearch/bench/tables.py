"""The bench's table as CSV, from bench.json alone: a line for each row and thread count."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

ROW = (
    "label", "kind", "name", "stage", "precision", "color", "psnr_db", "ssim", "flicker", "sharpness", "gain_db", "gain_low_db",
    "gain_high_db", "loss_db", "macs_720p", "params", "file_bytes", "input_size",
)  # fmt: skip
LATENCY = (
    "threads", "median_ms", "p90_ms", "p95_ms", "p99_ms", "min_ms", "variation", "alone_median_ms", "waited_share", "modelled_ms",
    "repeats", "warmup", "gmacs_per_s", "load_ms", "load_instructions", "power_w", "energy_mj",
    "peak_bytes",
)  # fmt: skip
BENCH = ("task", "scale", "target", "size", "pictures")
COLUMNS = (*ROW, *LATENCY, *BENCH, "file")


def rows_csv(record: Mapping[str, Any]) -> str:
    """`record` (a bench.json) as CSV text with a header; what was not measured is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_lines(record))
    return text.getvalue()


def _lines(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    bench = {
        "task": record["task"],
        "scale": record["scale"],
        "target": record["target"]["label"],
        "size": record["size"],
        "pictures": len(record["images"]),
    }
    for row in record["rows"]:
        low, high = row["gain_interval_db"] or (None, None)
        for latency in row["latency"] or [{}]:
            yield {**row, "gain_low_db": low, "gain_high_db": high, **latency, **bench}
