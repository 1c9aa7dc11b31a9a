from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from pixsearch.config import Config
from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.events import read_events
from pixsearch.rundir import Stage, environment, finished, free_bytes, last_event, read_json, recorded_config, write_atomic, write_json


class Settings(Config):
    may_change: ClassVar[frozenset[str]] = frozenset({"budget"})
    budget: int = 1
    width: int = 8


def begin(run: Path, settings: Settings | None = None, *, resume: bool = False, again: bool = False) -> Stage:
    return Stage(run, "search", settings or Settings(), resume=resume, again=again)


def test_a_record_tells_settings_environment_and_events(tmp_path: Path) -> None:
    with begin(tmp_path) as stage:
        stage.note("candidate", id="3fa9")
        stage.note("done")
    assert recorded_config(Settings, tmp_path, "search") == Settings()
    assert read_json(tmp_path / "search" / "environment.json")["versions"]["numpy"]
    assert last_event(tmp_path, "search", "candidate")["id"] == "3fa9"  # type: ignore[index]
    assert finished(tmp_path, "search")
    assert not finished(tmp_path, "train")


def test_a_record_is_never_written_over(tmp_path: Path) -> None:
    begin(tmp_path).__exit__(None, None, None)
    with pytest.raises(UsageError, match="already holds a record.*--resume.*--again"):
        begin(tmp_path)


def test_again_sets_the_old_record_aside(tmp_path: Path) -> None:
    for number in range(3):
        with begin(tmp_path, again=True) as stage:
            stage.note("mark", number=number)
    kept = {folder.name: last_event(tmp_path, folder.name, "mark") for folder in tmp_path.iterdir()}
    assert {name: event["number"] for name, event in kept.items() if event} == {"search.1": 0, "search.2": 1, "search": 2}


def test_one_writer_at_a_time_even_from_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pixsearch.rundir import Stage; from pixsearch.config import Config\n"
        "from pixsearch.errors import UsageError\n"
        "class S(Config):\n    pass\n"
        "try:\n    Stage(Path(sys.argv[1]), 'search', S(), resume=True)\n"
        "except UsageError as e:\n    print(e)\n"
    )
    with begin(tmp_path):
        told = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert f"is being written by process {os.getpid()}" in told


def test_resuming_takes_new_budgets_and_refuses_new_meaning(tmp_path: Path) -> None:
    begin(tmp_path).__exit__(None, None, None)
    begin(tmp_path, Settings(budget=9), resume=True).__exit__(None, None, None)
    assert recorded_config(Settings, tmp_path, "search").budget == 9
    with pytest.raises(UsageError, match="width: 8 → 16"):
        begin(tmp_path, Settings(width=16), resume=True)
    begin(tmp_path, resume=True).__exit__(None, None, None)


def test_an_error_is_recorded_before_it_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), begin(tmp_path):
        _ = 1 / 0
    assert list(read_events(tmp_path / "search" / "events.jsonl"))[-1]["error"] == "ZeroDivisionError: division by zero"


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no search stage to resume"):
        recorded_config(Settings, tmp_path, "search")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "front.json", [1])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="No space left"):
        write_atomic(tmp_path / "front.json", b"[2]")
    assert read_json(tmp_path / "front.json") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["front.json"]


@pytest.mark.parametrize("content", [None, "{", ""])
def test_a_missing_or_damaged_record_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "front.json").write_text(content)
    with pytest.raises(DataError, match=r"front\.json"):
        read_json(tmp_path / "front.json")


def test_a_run_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(MachineError, match="cannot be made.*--out"):
        begin(tmp_path / "run")


def test_free_space_is_asked_of_a_folder_that_is_yet_to_be_made(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") > 0


def test_the_command_can_be_read_on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", ["/home/someone/bin/pixsearch", "train", "runs/a", "--data", "/home/someone/photos", "--set", "A=/home/someone/a"]
    )
    assert environment()["command"] == ["…/pixsearch", "train", "runs/a", "--data", "…/photos", "--set", "A=…/a"]


def test_the_environment_has_no_secrets() -> None:
    assert set(environment()) == {"pixsearch", "python", "platform", "machine", "processor", "cores", "versions", "git", "command"}
