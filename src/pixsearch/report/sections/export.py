"""The export on the page: the files and their proofs, which layer costs what in 8 bits, and what phones take of each file."""

from __future__ import annotations

from collections.abc import Sequence

from pixsearch.report import wording as w
from pixsearch.report.exported import Checked, LayerCosts
from pixsearch.report.markup import Markup, element, table
from pixsearch.report.measured import Exported
from pixsearch.report.mixed import Mixture, MixtureRecord
from pixsearch.report.page import Page, quiet
from pixsearch.report.plots.mixed import mixture_plot
from pixsearch.report.records import RunRecord


def export(page: Page, run: RunRecord) -> None:
    """The exported files and their proofs, and what was found out about them."""
    mixed = [part for number, record in enumerate(run.mixtures) for part in _mixed(page, record, number)]
    parts = [*_files(run.exports), *mixed, *(_layers(costs) for costs in run.layer_costs), *(_check(one) for one in run.checks)]
    if parts:
        page.add("export", "Export", *parts)


def _files(exports: Sequence[Exported]) -> list[Markup | None]:
    if not exports:
        return []
    rows = [
        [
            e.label,
            e.file,
            w.size(e.bytes),
            w.error(e.max_abs_error),
            w.decibel(e.loss_db),
            e.format or "",
            e.opset if e.opset is not None else "",
            ", ".join(e.sizes),
        ]
        for e in exports
    ]
    heads = ["model", "file", "size", "largest error", "loss dB", "stored as", "opset", "checked at"]
    notes = quiet(
        "largest error against PyTorch, or of a file for one size against that for any, of values 0 to 1",
        "loss: PSNR against the float model",
    )
    return [table(heads, rows, words=(0, 1, 5, 7)), notes]


def _mixed(page: Page, record: MixtureRecord, number: int) -> list[Markup | None]:
    """The search for a format for each layer: the plot, the front, and what the layers of its columns are."""
    plot = page.figure(f"mixtures-{number}", mixture_plot(record), f"{record.label}: loss against latency of {len(record.tried)} mixtures")
    rows = [_mixture_row(record, one) for one in (record.int8, *record.front)]
    heads = ["", "loss dB", "ms", "to int8", "size", "formats by layer"]
    caption = f"{record.label}: the front within int8 {record.extra_latency:+.0%}, and the model all in int8"
    how = "modelled" if record.modelled else "measured"
    layers = ", ".join(f"{name} ({operators})" for name, operators in record.layers)
    notes = quiet(
        f"latency: {how} on {record.target}, {w.conditions(f'latency@{record.latency}')}",
        f"loss: PSNR against float on the middle of {w.plural(record.crops, 'photo')}, on which the mixture was chosen",
        f"layers: {layers}",
    )
    return [plot, table(heads, rows, caption=caption, words=(0, 5)), notes]


def _mixture_row(record: MixtureRecord, one: Mixture) -> list[object]:
    mark = "chosen" if one == record.chosen else "all int8" if one is record.int8 else ""
    slower = f"{one.latency_ms / record.int8.latency_ms - 1:+.1%}"
    return [mark, f"{one.loss_db:.3f}", f"{one.latency_ms:.1f}", slower, w.size(one.bytes), w.formats(one.formats)]


def _layers(costs: LayerCosts) -> Markup:
    limit = "" if costs.limit_db is None else f", {costs.limit_db:g} dB is the limit"
    rows = [[layer, operators, f"{alone:.3f}", f"{spared:.3f}"] for layer, operators, alone, spared in costs.layers]
    caption = f"{costs.file} loses {costs.loss_db:.3f} dB on the middle of {w.plural(costs.crops, 'photo')}{limit}"
    return table(["layer", "operators", "alone in 8 bits, dB", "all but it, dB"], rows, caption=caption, words=(0, 1))


def _check(check: Checked) -> Markup:
    columns = tuple(place for place in range(len(check.heads)) if place != 2)
    return element("details", element("summary", check.words), table(check.heads, check.operators, words=columns))
