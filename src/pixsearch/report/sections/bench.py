"""The bench on the page: the table a run ends with, every latency figure, gains with their intervals, picture by picture."""

from __future__ import annotations

from pixsearch.report import wording as w
from pixsearch.report.compare import compare
from pixsearch.report.markup import Markup, element, join, table
from pixsearch.report.measured import BenchRecord, Latency, Row
from pixsearch.report.page import Page, quiet
from pixsearch.report.plots.bench import gain_plot, latency_plot, trade_plot


def summary(page: Page, bench: BenchRecord) -> None:
    """The table a run ends with, and what it says in a sentence."""
    heads = [
        "model",
        bench.metric,
        "gain",
        "interval",
        "SSIM",
        *(["flicker"] if bench.flickers else []),
        *(["sharpness"] if bench.sharpens else []),
        "MACs 720p",
        "params",
        "size",
        *_timing_heads(bench),
    ]
    rows = [_summary_row(bench, row) for row in bench.rows]
    page.add("summary", "Summary", *_verdicts(bench), table(heads, rows), *_conventions(bench))


def _timing_heads(bench: BenchRecord) -> list[str]:
    if bench.modelled:
        return ["modelled ms"]
    if len(bench.thread_counts) < 2:
        return ["median ms", "p95 ms"]
    return [f"{name} ms {threads}t" for threads in bench.thread_counts for name in ("median", "p95")]


def _summary_row(bench: BenchRecord, row: Row) -> list[object]:
    by_threads = {latency.threads: latency for latency in row.latency}
    timings = [by_threads.get(threads) for threads in bench.thread_counts] or [None]
    times = [w.milliseconds(value) for t in timings for value in _shown_times(bench, t)]
    gains = ["", ""] if row.is_baseline else [w.gain(row.gain_db), w.interval(row.gain_interval_db)]
    costs = [w.count(row.macs_720p), w.count(row.params), w.size(row.file_bytes)]
    beside = [*([w.flicker(row.flicker)] if bench.flickers else []), *([w.sharpness(row.sharpness)] if bench.sharpens else [])]
    return [row.label, w.decibel(row.psnr_db), *gains, w.similarity(row.ssim), *beside, *costs, *times]


def _shown_times(bench: BenchRecord, latency: Latency | None) -> list[float | None]:
    if bench.modelled:
        return [latency.modelled_ms if latency else None]
    return [latency.median_ms, latency.p95_ms] if latency else [None, None]


def _verdicts(bench: BenchRecord) -> list[Markup]:
    """The best model, and the fastest one when it is another."""
    if not bench.models:
        return []
    best = max(bench.models, key=lambda row: row.psnr_db)
    timed = [row for row in bench.models if row.latency]
    fastest = min(timed, key=lambda row: row.latency[0].time_ms, default=best)
    return [element("p", _verdict(bench, row), class_="verdict") for row in ([best] if fastest is best else [best, fastest])]


def _verdict(bench: BenchRecord, row: Row) -> Markup:
    over = ""
    if row.gain_db is not None and bench.baseline:
        over = f", {w.gain(row.gain_db)} dB {w.interval(row.gain_interval_db) if row.gain_interval_db else ''} over {bench.baseline.label}"
    timing = row.latency[0] if row.latency else None
    kind = "modelled " if bench.modelled else ""
    speed = f", at {kind}{w.milliseconds(timing.time_ms)} ms a {bench.size.replace('x', '×')} frame" if timing else ""
    threads = f" on {w.plural(timing.threads, 'thread')}" if timing else ""
    return join([element("strong", row.label), f" reaches {w.decibel(row.psnr_db)} dB", over.replace("  ", " "), speed, threads, "."])


def _conventions(bench: BenchRecord) -> list[Markup | None]:
    target = bench.target + (" (modelled, not measured)" if bench.modelled else "")
    pictures = f"mean of {w.plural(len(bench.images), 'picture')}"
    return [
        quiet(f"{bench.metric}: {bench.convention}", pictures, "MACs: multiply-adds of a 1280×720 output"),
        quiet(f"Latency: {target}, {bench.size.replace('x', '×')} out", bench.protocol),
    ]


def details(page: Page, bench: BenchRecord) -> None:
    """Every latency figure, gains with their intervals, and scores picture by picture."""
    plots = [
        page.figure("latency", latency_plot(bench), _latency_caption(bench)),
        page.figure("gain", gain_plot(bench), "Gain over the baseline with its interval"),
        page.figure("trade", trade_plot(bench), f"{bench.metric} against latency"),
    ]
    tables = (_latency_table(bench), _drift_table(bench), _tuned_table(bench), _picture_table(bench))
    page.add("bench", "Bench", element("div", *plots, class_="plots"), *tables, *_conventions(bench))


def _latency_table(bench: BenchRecord) -> Markup | None:
    lines = [(row, latency) for row in bench.rows for latency in row.latency]
    if bench.modelled:
        return None  # one figure a model, which the summary has shown
    heads = ["model", "threads", "min ms", "median", "p90", "p95", "p99", "GMAC/s", "load ms", "peak memory", "repeats"]
    return table(heads, [_latency_row(*line) for line in lines], caption="Latency") if lines else None


def _latency_caption(bench: BenchRecord) -> str:
    return "Modelled latency, not measured" if bench.modelled else "Latency: bar to the median, marks at min, p95, p99"


def _drift_table(bench: BenchRecord) -> Markup | None:
    found = [(row, row.drift) for row in bench.rows if row.drift]
    if not found:
        return None
    cut = f"{w.plural(found[0][1].pictures, 'picture')}, cut to {found[0][1].side} pixels"
    heads = ["model", f"{bench.metric} on the target", "here", "samples that differ, by levels of 255"]
    rows = [[row.label, w.decibel(drift.psnr_db), w.decibel(drift.here_psnr_db), w.levels(drift.levels)] for row, drift in found]
    return table(heads, rows, caption=f"The target's own output against the same file's here: {cut}")


def _tuned_table(bench: BenchRecord) -> Markup | None:
    found = [(row, tuned) for row in bench.rows for tuned in row.tuned]
    rows = [
        [
            row.label,
            tuned.threads,
            ", ".join(f"{name}={value}" for name, value in tuned.options.items()) or "nothing is faster than the default",
            w.milliseconds(tuned.default_ms),
            w.milliseconds(tuned.best_ms),
            f"{tuned.gain:.1%} ({tuned.interval[0]:+.1%} … {tuned.interval[1]:+.1%})" if tuned.options else w.ABSENT,
        ]
        for row, tuned in found
    ]
    heads = ["model", "threads", "session options", "default ms", "with them", "faster by"]
    caption = f"Session options that are fastest on this target, at {found[0][1].size} out; `pixsearch apply` uses them" if found else ""
    return table(heads, rows, caption=caption) if found else None


def _latency_row(row: Row, t: Latency) -> list[object]:
    times = [w.milliseconds(value) for value in (t.min_ms, t.median_ms, t.p90_ms, t.p95_ms, t.p99_ms)]
    rate = w.ABSENT if t.gmacs_per_s is None else f"{t.gmacs_per_s:.1f}"
    return [
        row.label,
        t.threads,
        *times,
        rate,
        w.milliseconds(row.load_ms),
        w.size(row.peak_bytes),
        t.repeats if t.repeats is not None else w.ABSENT,
    ]


def _picture_table(bench: BenchRecord) -> Markup:
    def score(row: Row, image: str) -> str:
        return w.decibel(row.pictures.get(image, {}).get("psnr_db"))

    rows = [[image, *(score(row, image) for row in bench.rows)] for image in bench.images]
    mean = [element("strong", "mean"), *(element("strong", w.decibel(row.psnr_db)) for row in bench.rows)]
    return table(["picture", *(row.label for row in bench.rows)], [*rows, mean], caption=f"{bench.metric} in dB, picture by picture")


def crops(page: Page, bench: BenchRecord) -> None:
    """The crops with their slider."""
    if bench.crops:
        page.add("crops", "Side by side", compare(bench))
