"""The tables on the console: every figure is there whole, at any width, plain in a pipe."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pixsearch.errors import DataError
from pixsearch.report.columns import Column, table
from pixsearch.report.console import open_console, show_stage
from pixsearch.report.wording import conditions

Write = Callable[..., Path]
STAGES = ("search", "train", "prune", "export", "bench")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(run: Path, stage: str, width: int | None, monkeypatch: pytest.MonkeyPatch, *, detail: bool = False) -> str:
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    show_stage(run, stage, stream, detail=detail)
    return stream.getvalue()


def cells(text: str) -> set[str]:
    """Figures and words of a table; a figure that was cut would not be among them."""
    return set(text.split())


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_tables_keep_within_the_screen(write_run: Write, monkeypatch: pytest.MonkeyPatch, stage: str, width: int) -> None:
    text = shown(write_run(stage), stage, width, monkeypatch, detail=True)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_bench_never_cuts_a_figure(write_run: Write, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = shown(write_run("bench"), "bench", width, monkeypatch)
    wanted = {
        "PSNR-Y",
        "31.07",
        "33.12",
        "33.01",
        "32.93",
        ".9021",
        ".9306",
        "2.21",
        "1.38",
        "9.6",
        "41.2",
        "14.3",
        "78.0",
        "81.1",
        "36.0",
        "21.5",
    }
    assert wanted <= cells(text)


def test_the_bench_says_its_conventions(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(write_run("bench"), "bench", 120, monkeypatch)
    for said in (
        "Y of BT.601, 2 pixels shaved, 8 bits",
        "mean of 3 pictures",
        "local x86",
        "1, 2 threads",
        "1280×720 out",
        "5 warm-up and 30 timed",
    ):
        assert said in text


def test_a_modelled_latency_says_so(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run("bench")
    path = run / "bench" / "bench.json"
    data = json.loads(path.read_text())
    data["target"]["modelled"] = True
    path.write_text(json.dumps(data))
    assert "modelled, not measured" in shown(run, "bench", 120, monkeypatch)


def test_gains_come_with_their_interval_where_there_is_room(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run("bench")
    wide = shown(run, "bench", 120, monkeypatch)
    assert "+2.05" in wide
    assert "[+1.84, +2.29]" in wide
    narrow = shown(run, "bench", 80, monkeypatch)
    assert "interval" not in narrow


def test_every_latency_figure_is_in_the_detail(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(write_run("bench"), "bench", 80, monkeypatch, detail=True)
    assert {"p90", "p99", "GMAC/s", "75.7", "79.6", "87.4", "12.5", "141"} <= cells(text)


def test_the_front_marks_its_knee_and_tells_its_bounds(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run("search")
    text = shown(run, "search", 100, monkeypatch)
    front = json.loads((run / "search" / "front.json").read_text())
    marked = [line for line in text.splitlines() if "knee" in line]
    assert [line.split()[0] for line in marked] == [front["knee"]]
    for said in (
        "48 candidates tried",
        "1 failed",
        "bicubic 31.07 dB",
        "MACs 720p ≤ 2.5 G",
        "latency ≤ 90.0 ms",
        "fidelity: 400 steps",
        "1 thread",
    ):
        assert said in text
    assert all(member["id"] in text for member in front["members"])


def test_a_search_without_a_front_says_so(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_run("search") / "search" / "front.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "members": [], "knee": None}))
    assert "No feasible architecture in 48 candidates" in shown(path.parents[1], "search", 80, monkeypatch)


def test_pruning_shows_before_and_after(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    before, cut, after = shown(write_run("prune"), "prune", 80, monkeypatch).splitlines()[1:4]
    assert {"before", "2.21", "9.6", "33.12"} <= cells(before)
    assert {"cut", "1.38", "6", "32.31"} <= cells(cut)
    assert {"after", "1.38", "6", "33.12"} <= cells(after)


def test_training_tells_its_gain(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(write_run("train"), "train", 80, monkeypatch)
    assert "33.12 dB, +2.05 dB over the baseline's 31.07" in text
    assert "2000 steps" in text


def test_a_pipe_is_plain_and_a_terminal_is_not(write_run: Write) -> None:
    run = write_run("bench")
    pipe, terminal = io.StringIO(), Terminal()
    show_stage(run, "bench", pipe)
    show_stage(run, "bench", terminal)
    assert "\x1b" not in pipe.getvalue()
    assert "\x1b[1m" in terminal.getvalue()


def test_names_are_shown_as_they_are_and_cannot_act(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run("bench")
    path = run / "bench" / "bench.json"
    data = json.loads(path.read_text())
    data["rows"][1]["label"] = "[red]x[/red]\x1b[2J\n\udcff"
    path.write_text(json.dumps(data))
    text = shown(run, "bench", 200, monkeypatch)
    assert "[red]x[/red]\\x1b[2J\\n\\udcff" in text


def test_a_stage_without_a_result_says_what_to_do(write_run: Write) -> None:
    run = write_run("train")
    with pytest.raises(DataError, match="pixsearch bench"):
        show_stage(run, "bench", io.StringIO())


def test_columns_of_lesser_rank_leave_first() -> None:
    columns = [Column("a", ["1234567890"]), Column("b", ["1234567890"], rank=2), Column("c", ["1234567890"], rank=1)]
    kept = {width: [column.header.plain for column in table(columns, width).columns] for width in (40, 24, 12, 3)}  # type: ignore[union-attr]
    assert kept == {40: ["a", "b", "c"], 24: ["a", "c"], 12: ["a"], 3: ["a"]}


def test_figures_stand_to_the_right(write_run: Write) -> None:
    stream = io.StringIO()
    open_console(stream).print(table([Column("ms", ["7.0", "120.0"])], 80))
    assert [line.rstrip() for line in stream.getvalue().splitlines()] == ["   ms", "  7.0", "120.0"]


def test_an_export_says_in_a_line_what_phones_take(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(write_run("export"), "export", 120, monkeypatch)
    assert "3fa9c2d1.int8.onnx: CPU 5, XNNPACK 5, NNAPI 0 of 5 nodes (NNAPI at feature level 29)" in text
    assert "--check" in text


def test_latencies_of_emulated_cores_are_called_modelled():
    assert conditions("latency@arm64:a76/1280x720/int8/1t") == "modelled arm64:a76, 1280×720 out, int8, 1 thread"
    assert conditions("latency@local/1280x720/float/2t") == "local, 1280×720 out, float, 2 threads"
