"""Figures of a training: validation PSNR over the baseline, loss, learning rate."""

from __future__ import annotations

from pixsearch.report import wording as w
from pixsearch.report.plots import look as p
from pixsearch.report.plots.look import Figure
from pixsearch.report.trained import TrainingRecord


def validation_plot(train: TrainingRecord) -> Figure | None:
    """PSNR on whole validation pictures by step, the baseline as a level; None before the first validation."""
    if not train.validations:
        return None
    x, y = [v.step for v in train.validations], [v.psnr_db for v in train.validations]
    hover = [f"step {v.step}<br>{w.decibel(v.psnr_db)} dB<br>SSIM {w.similarity(v.ssim)}" for v in train.validations]
    trace = p.line("validation", x, y, mode="lines+markers", hovertext=hover, hoverinfo="text", marker={"color": p.ACCENT, "size": 6})
    base = train.baseline_psnr_db
    limits = p.marks(p.level(base, f"baseline {w.decibel(base)}")) if base is not None else {}
    return p.figure([trace], "step", "PSNR on validation photos, dB", showlegend=False, height=320, **limits)


def loss_plot(train: TrainingRecord) -> Figure | None:
    """Training loss by step on a logarithmic axis."""
    steps = [s for s in train.steps if s.loss is not None and s.loss > 0]
    if not steps:
        return None
    trace = p.line("loss", [s.step for s in steps], [s.loss for s in steps], line={"color": p.THIRD, "width": 1.2})
    return p.figure(
        [trace], "step", "training loss", showlegend=False, height=260, yaxis=p.axis("training loss", type="log", exponentformat="power")
    )


def rate_plot(train: TrainingRecord) -> Figure | None:
    """Learning rate by step."""
    steps = [s for s in train.steps if s.rate is not None]
    if not steps:
        return None
    trace = p.line("learning rate", [s.step for s in steps], [s.rate for s in steps], line={"color": p.THIRD, "width": 1.5})
    axis = p.axis("learning rate", rangemode="tozero", exponentformat="power")
    return p.figure([trace], "step", "learning rate", showlegend=False, height=260, yaxis=axis)
