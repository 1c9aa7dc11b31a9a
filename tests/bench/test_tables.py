from __future__ import annotations

import csv
import io

from pixsearch.bench.tables import rows_csv


def record():
    latency = {"threads": 1, "median_ms": 5.5, "p95_ms": 6.0, "peak_bytes": 10, "load_ms": 1.0}
    baseline = {"label": "bicubic", "kind": "baseline", "psnr_db": 30.0, "ssim": 0.9, "gain_interval_db": None, "latency": [], "file": None}
    row = {
        **baseline,
        "label": 'odd, "quoted"',
        "kind": "model",
        "psnr_db": 31.0,
        "gain_db": 1.0,
        "gain_interval_db": [0.5, 1.5],
        "file": "a b.onnx",
        "pictures": {},
        "latency": [latency, {**latency, "threads": 2, "median_ms": 3.0}],
    }
    return {"task": "sr", "scale": 2, "target": {"label": "local, here"}, "size": "1280x720", "images": [1, 2, 3], "rows": [baseline, row]}


def lines():
    return list(csv.DictReader(io.StringIO(rows_csv(record()))))


def test_a_line_for_each_row_and_thread_count():
    assert [(line["label"], line["threads"], line["median_ms"]) for line in lines()] == [
        ("bicubic", "", ""),
        ('odd, "quoted"', "1", "5.5"),
        ('odd, "quoted"', "2", "3.0"),
    ]


def test_every_line_carries_its_conditions():
    for line in lines():
        assert (line["task"], line["scale"], line["target"], line["size"], line["pictures"]) == ("sr", "2", "local, here", "1280x720", "3")


def test_intervals_are_two_columns_and_absent_figures_empty_cells():
    assert (lines()[1]["gain_low_db"], lines()[1]["gain_high_db"]) == ("0.5", "1.5")
    assert (lines()[0]["gain_low_db"], lines()[0]["gain_db"]) == ("", "")
