"""The live view: few plain lines in a pipe, a panel on a terminal, and never an error into the run."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pixsearch.events import Event, read_events
from pixsearch.report.live import LiveView
from pixsearch.report.narrate import narrate
from pixsearch.report.panel import Panel, sparkline
from pixsearch.rundir import STAGES

Write = Callable[..., Path]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")


def told(events: Iterator[Event] | list[Event], stream: io.StringIO | None = None, title: str = "") -> str:
    stream = stream or io.StringIO()
    with LiveView(stream, title=title) as view:
        for event in events:
            view(event)
    return stream.getvalue()


def steps(count: int, apart: float) -> list[Event]:
    return [{"kind": "step", "time": number * apart, "step": number, "steps": count, "progress": number / count} for number in range(count)]


def test_every_stage_of_a_run_is_told_in_plain_lines(write_run: Write) -> None:
    run = write_run()
    for stage in STAGES:
        text = told(read_events(run / stage / "events.jsonl"), title=stage)
        assert "\x1b" not in text
        assert all(line.startswith(f"{stage}: ") for line in text.splitlines())
        assert "done" in text.splitlines()[-1]


def test_steps_are_told_at_most_every_ten_seconds() -> None:
    lines = told(steps(100, 2.0)).splitlines()
    assert len(lines) == 20
    assert lines[1] == "step 5 of 100 (5 %)"


def test_what_matters_is_never_held_back() -> None:
    events: list[Event] = [
        {"kind": "warning", "time": 0.0, "text": "first"},
        {"kind": "warning", "time": 0.1, "text": "second"},
        {"kind": "candidate", "time": 0.2, "number": 1, "id": "aa", "figures": {"psnr": 30.0}},
        {"kind": "candidate", "time": 0.3, "number": 2, "id": "bb", "error": "RuntimeError: out of memory"},
        {"kind": "candidate", "time": 0.4, "number": 3, "id": "cc", "figures": {"psnr": 31.0}},
        {"kind": "stopped", "time": 0.5, "error": "Interrupted: as asked"},
    ]
    text = told(events)
    assert [word in text for word in ("first", "second", "aa", "bb failed: RuntimeError: out of memory", "as asked")] == [True] * 5
    assert "cc" not in text


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    assert len(told([*steps(2, 1.0), {"kind": "step", "time": -3600.0, "step": 9}]).splitlines()) == 2


def test_left_out_photos_are_named_with_their_reason(write_run: Write) -> None:
    text = told(read_events(write_run("search") / "search" / "events.jsonl"))
    assert "2 left out: " in text
    assert "`photos/a.heic` HEIC is not read" in text


def test_a_terminal_shows_a_panel_and_keeps_warnings(write_run: Write) -> None:
    terminal = Terminal()
    with LiveView(terminal, title="train") as view:
        for event in read_events(write_run("train") / "train" / "events.jsonl"):
            view(event)
        view({"kind": "warning", "time": 1.0, "text": "mind the gap"})
        drawn = terminal.getvalue()
    assert "\x1b[" in drawn
    for said in ("2000 of 2000", "samples/s", "over the baseline", "100 %", "▁", "warning: mind the gap", "0.0 s left"):
        assert said in drawn
    assert terminal.getvalue().rstrip("\n").endswith("\x1b[2K"), "the panel is wiped at the end"


def test_the_panel_of_a_search_shows_the_best_so_far_and_the_front(write_run: Write) -> None:
    run = write_run("search")
    panel = Panel()
    events = list(read_events(run / "search" / "events.jsonl"))
    for event in events[:-1]:
        panel.take(event)
    feasible = [event for event in events if event["kind"] == "candidate" and event["feasible"]]
    best = max(feasible, key=lambda event: event["figures"]["psnr"])
    assert best["id"] in panel.rows["best so far"]
    assert panel.rows["candidates"] == "48 of 48, 11 out of bounds, 1 failed"
    assert "after generation 5, hypervolume" in panel.rows["front"]
    assert panel.share == 1.0


def test_time_left_follows_from_candidates_or_from_the_budget() -> None:
    one = {"kind": "candidate", "time": 0.0, "number": 1, "id": "a", "figures": {}, "elapsed_s": 10.0}
    by_number, by_clock = Panel(), Panel()
    by_number.take({"kind": "start", "time": 0.0, "strategy": "random", "evaluations": 4})
    by_clock.take({"kind": "start", "time": 0.0, "strategy": "random", "budget_s": 25.0})
    by_number.take(one)
    by_clock.take(one)
    assert (by_number.share, by_number.left_s) == (0.25, 30.0)
    assert (by_clock.share, by_clock.left_s) == (0.4, 15.0)


def test_a_candidate_counts_once_whatever_it_climbs_and_is_best_at_the_highest_rung_alone() -> None:
    panel = Panel()
    panel.take({"kind": "start", "time": 0.0, "strategy": "random", "evaluations": 8})
    panel.take({"kind": "resume", "time": 0.0, "evaluated": 3, "candidates": 2})
    for number, id, rung, psnr in ((4, "c", 1, 39.0), (5, "d", 1, 30.0), (6, "c", 2, 32.0)):
        panel.take({"kind": "candidate", "number": number, "id": id, "figures": {"psnr": psnr}, "rung": rung, "rungs": 2})
    assert panel.rows["candidates"] == "4 of 8"
    assert panel.rows["best so far"].startswith("32.00 dB  c")


def test_a_bench_counts_its_timings_and_scores() -> None:
    panel = Panel()
    panel.take({"kind": "start", "time": 0, "models": ["a", "b"], "threads": [1, 2], "target": {"label": "local"}})
    for label in ("a", "b", "a"):
        panel.take({"kind": "measured", "time": 0, "label": label})
    assert panel.share == pytest.approx(3 / 7)


STRANGE: list[Any] = [
    {},
    {"kind": None},
    {"kind": ["list"]},
    {"kind": "unheard-of", "time": 1, "x": 1.23456, "nested": {"a": 1}},
    *(
        {"kind": kind, "time": 1}
        for kind in ("start", "step", "validation", "candidate", "generation", "photos", "done", "measured", "cache")
    ),
    {"kind": "step", "time": "late", "step": "many", "loss": "high"},
    {"kind": "candidate", "time": 1, "number": None, "id": 3, "figures": 7},
    {"kind": "validation", "time": 1, "step": 1, "psnr_db": None},
    {"kind": "warning", "time": 1, "text": "\x1b[2J\udcff\n[red]"},
]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("event", STRANGE, ids=range(len(STRANGE)))
def test_strange_events_are_borne_and_do_not_silence_what_follows(event: Event, terminal: bool) -> None:
    text = told([event, {"kind": "warning", "time": 2, "text": "still here"}], Terminal() if terminal else io.StringIO())
    assert "still here" in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize("event", STRANGE, ids=range(len(STRANGE)))
def test_every_event_has_one_line(event: Event) -> None:
    line = narrate(event)
    assert line
    assert line.isprintable()


def test_an_unknown_kind_is_told_with_its_plain_fields() -> None:
    assert told([{"kind": "unheard-of", "time": 1, "x": 1.23456, "nested": {"a": 1}}]) == "unheard-of: x 1.235\n"


def test_a_broken_stream_does_not_reach_the_run(write_run: Write) -> None:
    events = list(read_events(write_run("train") / "train" / "events.jsonl"))
    told(iter(events), Broken())
    closed = io.StringIO()
    closed.close()
    with LiveView(closed) as view:
        for event in events:
            view(event)


def test_sparklines_reach_from_the_least_to_the_most() -> None:
    assert sparkline([1.0, 2.0, 3.0]) == "▁▅█"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([]) == ""
    assert len(sparkline(list(range(100)), 10)) == 10
