"""The pruning on the page: before and after, what each share of the multiply-adds costs, what was tried, and the fine-tuning."""

from __future__ import annotations

from pixsearch.report import wording as w
from pixsearch.report.markup import element, table
from pixsearch.report.page import Page, quiet
from pixsearch.report.plots.prune import curve_plot
from pixsearch.report.plots.search import front_plot
from pixsearch.report.pruned import PruneRecord
from pixsearch.report.sections.train import training


def pruning(page: Page, prune: PruneRecord) -> None:
    """The table, the curve over several shares, the front of an evolution, then the fine-tuning (of several the first one's)."""
    rows = [
        [name, w.decibel(side.psnr_db), w.similarity(side.ssim), w.count(side.macs_720p), w.count(side.params), side.description]
        for name, side in prune.rows
    ]
    shown = table(["", "PSNR", "SSIM", "MACs 720p", "params", "architecture"], rows, words=(0, 5))
    said = quiet(prune.kept_words, prune.chosen_words, "scores on the photos it is selected by")
    figures = [page.figure("prune-curve", curve_plot(prune), "PSNR against what is kept")]
    if prune.evolution is not None:
        found = prune.evolution
        figures += [
            page.figure(f"prune-front-{n}", front_plot(found, cost), f"Candidates before fine-tuning: {w.title(cost.name)}")
            for n, cost in enumerate(found.costs)
        ]
    plots = element("div", *figures, class_="plots") if any(figures) else None
    training(page, "prune", "Pruning", prune.training, shown, said, plots)
