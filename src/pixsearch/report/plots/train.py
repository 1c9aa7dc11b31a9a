"""Figures of a training: validation PSNR over the baseline, loss, learning rate."""

from __future__ import annotations

from pixsearch.report import wording as w
from pixsearch.report.plots import look as p
from pixsearch.report.plots.look import Figure
from pixsearch.report.trained import Policies, TrainingRecord


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


def policy_plot(train: TrainingRecord) -> Figure | None:
    """The probability of each operation of an adversary's policies by step; None of a training without one."""
    if not train.policies:
        return None
    steps, newest = [told.step for told in train.policies], train.policies[-1]
    dashes = ("solid", "dash", "dot", "dashdot")
    colors = (p.ACCENT, p.SECOND, p.THIRD)
    traces = []
    for number, name in enumerate(sorted(newest.chances, key=lambda name: -newest.chances[name])):
        chances = [told.chances.get(name) for told in train.policies]
        hover = [_policy_words(name, told) for told in train.policies]
        look = {"color": colors[number % 3], "width": 1.5, "dash": dashes[number // 3 % 4]}
        traces.append(p.line(name, steps, chances, line=look, hovertext=hover, hoverinfo="text"))
    return p.figure(
        traces, "step", "probability of an operation", height=380, yaxis=p.axis("probability of an operation", rangemode="tozero")
    )


def _policy_words(name: str, told: Policies) -> str:
    amount = told.amounts.get(name)
    lines = [f"step {told.step}", f"{p.escaped(name)} {told.chances.get(name, 0.0) * 100:.0f} %"]
    return "<br>".join([*lines, *([] if amount is None else [f"amount {amount:.2f}"])])


def rate_plot(train: TrainingRecord) -> Figure | None:
    """Learning rate by step."""
    steps = [s for s in train.steps if s.rate is not None]
    if not steps:
        return None
    trace = p.line("learning rate", [s.step for s in steps], [s.rate for s in steps], line={"color": p.THIRD, "width": 1.5})
    axis = p.axis("learning rate", rangemode="tozero", exponentformat="power")
    return p.figure([trace], "step", "learning rate", showlegend=False, height=260, yaxis=axis)
