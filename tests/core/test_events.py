from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from pixsearch.errors import MachineError
from pixsearch.events import EventLog, read_events


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    with closing(EventLog(tmp_path / "events.jsonl")) as log:
        for number in range(3):
            log.append("step", number=number)
    assert [event["number"] for event in read_events(tmp_path / "events.jsonl")] == [0, 1, 2]


def test_a_line_cut_off_by_a_crash_is_dropped_and_the_log_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with closing(EventLog(path)) as log:
        log.append("step", number=0)
    path.write_bytes(path.read_bytes() + b'{"kind": "step", "num')
    assert len(list(read_events(path))) == 1
    with closing(EventLog(path)) as again:
        again.append("step", number=1)
    assert [event["number"] for event in read_events(path)] == [0, 1]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_listeners_hear_an_event_after_it_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    on_disk: list[int] = []
    with closing(EventLog(path, [lambda event: on_disk.append(len(list(read_events(path))))])) as log:
        log.append("step")
    assert on_disk == [1]


def test_no_file_is_no_events(tmp_path: Path) -> None:
    assert list(read_events(tmp_path / "none.jsonl")) == []


def test_a_log_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(MachineError, match="cannot be written.*permissions"):
        EventLog(tmp_path / "events.jsonl")


def test_a_full_disk_is_an_error_of_the_machine(tmp_path: Path) -> None:
    with closing(EventLog(tmp_path / "events.jsonl")) as log, Path("/dev/full").open("ab", buffering=0) as full:
        log._file.close()
        log._file = full
        with pytest.raises(MachineError, match="No space left"):
            log.append("step")
