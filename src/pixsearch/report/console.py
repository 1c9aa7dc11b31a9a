"""What a stage ends with on the screen: its tables, each with the conventions that give its figures meaning."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.text import Text

from pixsearch.errors import DataError
from pixsearch.report import wording as w
from pixsearch.report.bench_table import bench_table
from pixsearch.report.columns import NAME_WIDTH, Column, note, table
from pixsearch.report.exported import Checked
from pixsearch.report.measured import Exported
from pixsearch.report.pruned import PruneRecord
from pixsearch.report.records import RunRecord, read_run
from pixsearch.report.searched import Member, SearchRecord
from pixsearch.report.trained import TrainingRecord
from pixsearch.rundir import command_of

PIPE_WIDTH = 120
FILE_WIDTH = 26  # cells that a file's name may be folded to
WORDS_WIDTH = 22  # cells that an architecture's description may be folded to


class _Console(Console):
    """rich ends the whole process when a pipe's reader has gone; here that is an error like any other."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError("the reader of this output has gone")


def open_console(stream: IO[str] | None = None) -> Console:
    """A console on `stream` (default: stdout); in a pipe it is plain and $COLUMNS or 120 cells wide."""
    target = stream if stream is not None else sys.stdout
    if not target.closed and target.isatty():
        return _Console(file=target, highlight=False)
    columns = os.environ.get("COLUMNS", "")
    return _Console(file=target, highlight=False, width=int(columns) if columns.isdigit() and int(columns) else PIPE_WIDTH)


def show_stage(run: Path | RunRecord, stage: str, stream: IO[str] | None = None, *, detail: bool = False) -> None:
    """Print what the stage called `stage` of `run` came to; `detail` adds every latency figure to a bench.

    `DataError` when the stage has no result yet.
    """
    record = run if isinstance(run, RunRecord) else read_run(run)
    console = open_console(stream)
    shown = _result(record, stage, console.width, detail)
    if shown is None:
        raise DataError(f"The {stage} stage of `{record.path}` has no result yet. Run `pixsearch {command_of(stage)}` first, or resume it.")
    with console.capture() as drawn:
        console.print(shown, crop=False)
    console.file.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))


def _result(record: RunRecord, stage: str, width: int, detail: bool) -> RenderableType | None:
    if stage == "search" and record.search:
        return front_table(record.search, width)
    if stage == "train" and record.train:
        return training_summary(record.train)
    if stage == "prune" and record.prune:
        return prune_table(record.prune, width)
    if stage == "qat" and record.qat:
        return training_summary(record.qat)
    if stage == "export" and record.exports:
        return Group(export_table(record.exports, width), *_check_lines(record.checks))
    if stage == "bench" and record.bench:
        return bench_table(record.bench, width, detail=detail)
    return None


def front_table(search: SearchRecord, width: int) -> Group:
    """The front, cheapest first, its knee marked, the baseline and the bounds under it."""
    if not search.front:
        return Group(Text(f"No feasible architecture in {w.plural(len(search.candidates), 'candidate')}."))
    return Group(table(_front_columns(search), width), *_front_notes(search))


def _front_columns(search: SearchRecord) -> list[Column]:
    sought = [search.quality, *search.costs]
    others = [name for name in ("macs_720p", "params", "ssim", "memory") if name not in {objective.name for objective in sought}]
    return [
        Column("id", [m.id for m in search.front], align="left", styles=["bold" if m.id == search.knee else "" for m in search.front]),
        Column("", ["knee" if m.id == search.knee else "" for m in search.front], align="left"),
        *(_figures(search.front, objective.name, 0) for objective in sought),
        *(_figures(search.front, name, 2 + rank) for rank, name in enumerate(others)),
        Column("architecture", [m.description for m in search.front], rank=1, align="left", narrowest=WORDS_WIDTH),
    ]


def _figures(front: Sequence[Member], name: str, rank: int) -> Column:
    return Column(w.title(name), [w.figure(name, member.figures.get(name)) for member in front], rank=rank)


def _front_notes(search: SearchRecord) -> list[Text]:
    failed = f"{len(search.failed)} failed" if search.failed else ""
    baseline = f"{search.baseline[0]} {w.decibel(search.baseline[1])} dB" if search.baseline else ""
    bounds = [w.bound(o.name, o.maximize, o.bound) for o in search.objectives if o.bound is not None]
    latencies = [f"latency: {w.conditions(o.name)}" for o in search.costs if o.name.startswith("latency")]
    fidelity = f"fidelity: {search.fidelity}" if search.fidelity else ""
    lines = [note(search.tried, failed, baseline, *bounds), note(*latencies), note(search.convention, fidelity)]
    return [line for line in lines if line]


def prune_table(prune: PruneRecord, width: int) -> Group:
    """The model before and after its pruning, and between the two as it was just cut."""
    names, sides = zip(*prune.rows, strict=True)
    columns = [
        Column("", names, align="left"),
        Column("PSNR", [w.decibel(side.psnr_db) for side in sides]),
        Column("SSIM", [w.similarity(side.ssim) for side in sides]),
        Column("MACs 720p", [w.count(side.macs_720p) for side in sides]),
        Column("params", [w.count(side.params) for side in sides]),
        Column("architecture", [side.description for side in sides], rank=1, align="left", narrowest=WORDS_WIDTH),
    ]
    return Group(table(columns, width), note(prune.kept_words, prune.chosen_words, "scores on the photos it is selected by"))


def training_summary(train: TrainingRecord) -> Group:
    """What was trained and how far it came, in two lines."""
    over = "" if train.gain_db is None else f", {w.gain(train.gain_db)} dB over the baseline's {w.decibel(train.baseline_psnr_db)}"
    return Group(
        Text(f"{w.printable(train.name)}: {w.decibel(train.psnr_db)} dB{over}, SSIM {w.similarity(train.ssim)}", style="bold"),
        note(train.description, f"{w.count(train.macs_720p)} MACs 720p", f"{w.count(train.params)} params", f"{train.reached} steps"),
    )


def export_table(exports: Sequence[Exported], width: int) -> Group:
    """The exported files and how well each agrees with what it was made from."""
    columns = [
        Column("model", [e.label for e in exports], align="left", narrowest=NAME_WIDTH),
        Column("file", [e.file for e in exports], align="left", narrowest=FILE_WIDTH),
        Column("size", [w.size(e.bytes) for e in exports]),
        Column("error", [w.error(e.max_abs_error) for e in exports]),
        Column("loss dB", [w.decibel(e.loss_db) for e in exports]),
        Column("stored as", [e.format or "" for e in exports], rank=1, align="left"),
        Column("opset", ["" if e.opset is None else str(e.opset) for e in exports], rank=2),
        Column("checked at", [", ".join(e.sizes) for e in exports], rank=1, align="left", narrowest=10),
    ]
    return Group(
        table(columns, width),
        note("error: largest against PyTorch (for one size: against any size), of values 0 to 1", "loss: PSNR against the float model"),
    )


def _check_lines(checks: Sequence[Checked]) -> list[Text]:
    """What providers take of each file, a line a file; `check_table` has the nodes."""
    hint = [note("node by node: `pixsearch export FILE.onnx --check`, or the report")] if checks else []
    return [*(Text(w.printable(check.words)) for check in checks), *hint]


def check_table(check: Checked, width: int) -> Group:
    """A file node by node: what each provider of a phone takes, and why not."""
    cells = list(zip(*check.operators, strict=True)) or [()] * len(check.heads)
    columns = [
        Column(head, column, align="right" if head == "nodes" else "left", narrowest=NAME_WIDTH)
        for head, column in zip(check.heads, cells, strict=True)
    ]
    return Group(Text(), Text(w.printable(check.words), style="bold"), table(columns, width))
