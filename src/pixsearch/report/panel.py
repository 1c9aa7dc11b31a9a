"""The live panel's state and drawing: what a stage has reached, by the events it has told so far."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pixsearch.events import Event
from pixsearch.report import wording as w
from pixsearch.report.narrate import lasts, narrate
from pixsearch.report.searched import at_highest_rung
from pixsearch.units import format_duration

BARS = "▁▂▃▄▅▆▇█"
SPARKS = 32
BAR_WIDTH = 40


def sparkline(values: Sequence[float], cells: int = SPARKS) -> str:
    """The newest `cells` of `values` as a row of bars from the smallest to the largest."""
    shown = list(values)[-cells:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = high - low
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1)) if span > 0 else 0] for value in shown)


class Panel:
    """What is known of a stage after the events it was given; `draw` shows it in a few lines.

    Fields that an event lacks leave what is known as it was. A stage's `start` calls for a new panel.
    """

    def __init__(self) -> None:
        self.head = ""
        self.rows: dict[str, str] = {}
        self.share: float | None = None
        self.left_s: float | None = None
        self.elapsed_s = 0.0
        self._evaluations: int | None = None
        self._budget_s: float | None = None
        self._timings = 0
        self._psnr: list[float] = []
        self._best: float | None = None
        self._tried = 0
        self._failed = 0
        self._outside = 0
        self._last = ""

    def take(self, event: Event) -> None:
        """Learn from one event of any kind."""
        self.elapsed_s = float(event.get("elapsed_s") or self.elapsed_s)
        learn = {
            "start": self._start,
            "step": self._step,
            "validation": self._validation,
            "candidate": self._candidate,
            "generation": self._generation,
            "preparing": self._preparing,
            "begun": self._begun,
            "resume": self._resume,
            "measured": self._measured,
        }.get(str(event.get("kind")), self._other)
        learn(event)

    def _start(self, event: Event) -> None:
        self.head = narrate(event)
        self._evaluations, self._budget_s = event.get("evaluations"), event.get("budget_s")
        if "models" in event:
            self._timings = len(event["models"]) * (len(event.get("threads") or (1,)) + 1) + 1

    def _step(self, event: Event) -> None:
        self.rows.pop("preparing", None)
        self.share, self.left_s = event.get("progress", self.share), event.get("eta_s", self.left_s)
        self.rows["step"] = f"{event['step']}" + (f" of {event['steps']}" if event.get("steps") else "")
        if event.get("loss") is not None:
            self.rows["loss"] = f"{event['loss']:.4g}"
        if event.get("samples_per_s") is not None:
            self.rows["speed"] = f"{event['samples_per_s']:.0f} samples/s"

    def _validation(self, event: Event) -> None:
        psnr, base = event["psnr_db"], event.get("baseline_psnr_db")
        self._psnr.append(float(psnr))
        over = f" ({w.gain(psnr - base)} over the baseline)" if base is not None else ""
        self.rows["PSNR"] = f"{w.decibel(psnr)} dB{over}  {sparkline(self._psnr)}"

    def _candidate(self, event: Event) -> None:
        if event.get("rung", 1) == 1:
            self._tried = self._tried + 1 if event.get("rungs") else max(self._tried + 1, int(event.get("number", 0)))
        self._failed += bool(event.get("error"))
        self._outside += bool(event.get("broke")) and not event.get("error")
        psnr = (event.get("figures") or {}).get("psnr")
        if psnr is not None and event.get("feasible", True) and at_highest_rung(event):
            self._score(float(psnr), event)
        of = f" of {self._evaluations}" if self._evaluations else ""
        counts = ((self._outside, "out of bounds"), (self._failed, "failed"))
        self.rows["candidates"] = f"{self._tried}{of}" + "".join(f", {number} {what}" for number, what in counts if number)
        self._estimate()

    def _score(self, psnr: float, event: Event) -> None:
        self._psnr.append(psnr)
        self.rows["PSNR"] = sparkline(self._psnr)
        if self._best is None or psnr > self._best:
            self._best = psnr
            self.rows["best so far"] = w.printable(f"{w.decibel(psnr)} dB  {event.get('id', '')}  {event.get('description', '')}")

    def _estimate(self) -> None:
        """Share and time left, by candidates or by the clock."""
        if self._evaluations:
            self.share = min(1.0, self._tried / self._evaluations)
            self.left_s = self.elapsed_s * (1 - self.share) / self.share
        elif self._budget_s:
            self.share = min(1.0, self.elapsed_s / self._budget_s)
            self.left_s = max(0.0, self._budget_s - self.elapsed_s)

    def _generation(self, event: Event) -> None:
        members = w.plural(len(event.get("front") or ()), "member")
        volume = f", hypervolume {event['hypervolume']:.4g}" if event.get("hypervolume") is not None else ""
        self.rows["front"] = f"{members} after generation {event.get('number', '?')}{volume}"

    def _resume(self, event: Event) -> None:
        self._tried = int(event.get("candidates", self._tried))

    def _other(self, event: Event) -> None:
        if not lasts(event):
            self._last = narrate(event)

    def _preparing(self, event: Event) -> None:
        self.rows["preparing"] = narrate(event)

    def _begun(self, event: Event) -> None:
        self.rows.pop("preparing", None)
        self.rows["trying"] = w.printable(event["id"])

    def _measured(self, event: Event) -> None:
        """A bench tells of each model once for each thread count and once for its scores, which the baseline has alone."""
        if "label" not in event:
            return
        self._tried += 1
        if self._timings:
            self.share = min(1.0, self._tried / self._timings)
            self.left_s = None

    def draw(self, width: int, title: str = "") -> RenderableType:
        """The panel for a screen `width` cells wide; lines that are longer are cut, for they are on record."""
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(10, width - 16))
        for name, value in self.rows.items():
            table.add_row(name, Text(value))
        if self._last:
            table.add_row("last", Text(self._last))
        return Group(Text(f"{title}  {self.head}".strip(), style="bold", no_wrap=True, overflow="ellipsis"), self._bar(width), table)

    def _bar(self, width: int) -> RenderableType:
        words = f"{format_duration(self.elapsed_s)} gone" + (f", {format_duration(self.left_s)} left" if self.left_s is not None else "")
        if self.share is None:
            return Text(words, style="dim")
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_row(
            ProgressBar(total=1.0, completed=self.share, width=max(8, min(BAR_WIDTH, width - 40))),
            Text(f"{self.share * 100:.0f} %"),
            Text(words, style="dim", no_wrap=True),
        )
        return row
