"""The trainings on the page: outcome and curves."""

from __future__ import annotations

from pixsearch.report import wording as w
from pixsearch.report.markup import element, table
from pixsearch.report.page import Page, quiet
from pixsearch.report.plots.train import loss_plot, policy_plot, rate_plot, validation_plot
from pixsearch.report.trained import TrainingRecord


def training(page: Page, anchor: str, title: str, train: TrainingRecord, *before: object) -> None:
    """One training's outcome and curves."""
    scored = f"{w.decibel(train.psnr_db)} dB, SSIM {w.similarity(train.ssim)}"
    over = f", {w.gain(train.gain_db)} dB over the baseline's {w.decibel(train.baseline_psnr_db)}" if train.gain_db is not None else ""
    curves = [
        page.figure(f"{anchor}-validation", validation_plot(train), "Validation PSNR"),
        page.figure(f"{anchor}-loss", loss_plot(train), "Loss"),
        page.figure(f"{anchor}-rate", rate_plot(train), "Learning rate"),
        page.figure(f"{anchor}-policies", policy_plot(train), "Augmentation that the network was trained against"),
    ]
    facts = quiet(
        train.description, f"{w.count(train.macs_720p)} MACs 720p", f"{w.count(train.params)} params", _steps(train), train.ended_early
    )
    verdict = (
        element("p", element("strong", train.name), f": {scored}{over} on the photos it is selected by.")
        if train.psnr_db is not None
        else None
    )
    page.add(anchor, title, *before, verdict, facts, element("div", *curves, class_="plots curves"), _policies(train))


def _policies(train: TrainingRecord) -> object:
    """What policies held at first and last."""
    if not train.policies:
        return None
    first, last = train.policies[0], train.policies[-1]
    names = sorted(last.chances, key=lambda name: -last.chances[name])
    rows = [[name, _share(first.chances.get(name)), _share(last.chances[name]), _amount(last.amounts.get(name))] for name in names]
    heads = ["operation", f"at step {first.step}", f"at step {last.step}", "mean amount then"]
    harder = "" if last.harder is None else f"their patches were {last.harder * 100:+.1f} % harder than clean ones, by the loss"
    return element("div", table(heads, rows, caption="Operations of the policies"), quiet(harder))


def _share(value: float | None) -> str:
    return "" if value is None else f"{value * 100:.1f} %"


def _amount(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _steps(train: TrainingRecord) -> str:
    resumed = f", resumed at {', '.join(map(str, train.resumed_at))}" if train.resumed_at else ""
    return w.plural(train.reached, "step") + (f", budget {train.goal}" if train.goal else "") + resumed
