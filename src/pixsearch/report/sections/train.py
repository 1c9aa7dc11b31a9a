"""The trainings on the page: outcome and curves."""

from __future__ import annotations

from pixsearch.report import wording as w
from pixsearch.report.markup import element
from pixsearch.report.page import Page, quiet
from pixsearch.report.plots.train import loss_plot, rate_plot, validation_plot
from pixsearch.report.trained import TrainingRecord


def training(page: Page, anchor: str, title: str, train: TrainingRecord, *before: object) -> None:
    """One training's outcome and curves."""
    scored = f"{w.decibel(train.psnr_db)} dB, SSIM {w.similarity(train.ssim)}"
    over = f", {w.gain(train.gain_db)} dB over the baseline's {w.decibel(train.baseline_psnr_db)}" if train.gain_db is not None else ""
    curves = [
        page.figure(f"{anchor}-validation", validation_plot(train), "Validation PSNR"),
        page.figure(f"{anchor}-loss", loss_plot(train), "Loss"),
        page.figure(f"{anchor}-rate", rate_plot(train), "Learning rate"),
    ]
    facts = quiet(
        train.description, f"{w.count(train.macs_720p)} MACs 720p", f"{w.count(train.params)} params", _steps(train), train.ended_early
    )
    verdict = (
        element("p", element("strong", train.name), f": {scored}{over} on the photos it is selected by.")
        if train.psnr_db is not None
        else None
    )
    page.add(anchor, title, *before, verdict, facts, element("div", *curves, class_="plots curves"))


def _steps(train: TrainingRecord) -> str:
    resumed = f", resumed at {', '.join(map(str, train.resumed_at))}" if train.resumed_at else ""
    return w.plural(train.reached, "step") + (f", budget {train.goal}" if train.goal else "") + resumed
