"""A run's folders: each stage's record with one writer, files that are whole or absent, and a way to go on after a crash."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import yaml

from pixsearch import __version__
from pixsearch.config import C, Config, differences, merge, read_yaml, validate
from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.events import Event, EventLog, Listener, read_events

STAGES = ("search", "train", "prune", "qat", "export", "bench")
LENGTHS = ("steps", "evaluations", "budget_s")
"""Settings that say how long a stage takes; a section holds one of them."""


def command_of(stage: str) -> str:
    """The subcommand that writes and resumes a stage."""
    return {"qat": "train"}.get(stage, stage)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` beside `path` and rename: readers see the old file or the new one, never half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise MachineError(f"`{path}` cannot be written ({error.strerror}). Free the disk or mend the permissions, then resume.") from error


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The value in a JSON file of a record; `DataError` when it is absent or damaged."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"There is no `{path}`. Run the stage that writes it first.") from None
    except ValueError as error:
        raise DataError(f"`{path}` is not valid JSON ({error}). Restore it or run its stage again.") from None


def environment() -> dict[str, Any]:
    """Versions, processor and git commit, so that a figure can be placed later."""
    versions = {}
    for package in ("torch", "numpy", "opencv-python-headless", "onnx", "onnxruntime", "pymoo"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "pixsearch": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "versions": versions,
        "git": _git_commit(),
        "command": [_anywhere(word) for word in sys.argv],
    }


def _anywhere(word: str) -> str:
    """`word` as it may be read on another machine: of an absolute path, NAME=PATH too, its last part. Settings have whole paths."""
    name, given, path = word.rpartition("=")
    return f"{name}{given}…/{Path(path).name}" if Path(path).is_absolute() else word


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Hardware")):
                return line.partition(":")[2].strip()
    return platform.processor()


def _git_commit() -> str | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    return None


class Stage:
    """One stage's folder `RUN/NAME`, open for writing; use it as a context manager.

    Opening takes the lock (a second writer gets a `UsageError`), writes config.resolved.yaml and environment.json and
    opens events.jsonl. With `resume` the recorded settings must agree with `config` but for `config.may_change`; the
    new budgets are written down. Without it a folder that already holds a record is refused, unless `again` is given,
    which sets the old record aside as `NAME.1`, `NAME.2` …
    """

    def __init__(
        self, run: Path, name: str, config: Config, *, resume: bool = False, again: bool = False, listeners: list[Listener] | None = None
    ) -> None:
        self.run, self.name, self.config = run, name, config
        self.path = run / name
        self.resumed = resume
        if again and not resume:
            self._set_aside()
        self._make_folder()
        self._lock = self._take_lock()
        try:
            self._agree()
            write_atomic(self.path / "config.resolved.yaml", yaml.safe_dump(config.to_json(), sort_keys=False).encode())
            write_json(self.path / "environment.json", environment())
            self.events = EventLog(self.path / "events.jsonl", listeners)
        except BaseException:
            self._lock.close()
            raise

    def _set_aside(self) -> None:
        if not (self.path / "events.jsonl").exists():
            return
        with self._take_lock():
            number = next(n for n in range(1, 10**6) if not (self.run / f"{self.name}.{n}").exists())
            self.path.rename(self.run / f"{self.name}.{number}")

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MachineError(f"The run folder `{self.path}` cannot be made ({error.strerror}). Choose another `--out`.") from error

    def _take_lock(self) -> IO[str]:
        try:
            file = (self.path / "lock").open("a+")
        except OSError as error:
            raise MachineError(
                f"`{self.path}` cannot be written ({error.strerror}). Choose another `--out` or mend the permissions."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise UsageError(f"`{self.path}` is being written by process {holder}. Wait for it, or choose another `--out`.") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        return file

    def _agree(self) -> None:
        recorded = (self.path / "events.jsonl").exists()
        if not self.resumed:
            if recorded:
                raise UsageError(
                    f"`{self.path}` already holds a record. Continue it with `--resume {self.run}`, "
                    "set it aside with `--again`, or choose another `--out`."
                )
            return
        if not recorded:
            return
        before = read_yaml(self.path / "config.resolved.yaml")
        changed = differences(before, self.config.to_json(), self.config.changeable())
        if changed:
            lines = "\n".join(f"  {line}" for line in changed)
            raise UsageError(
                f"`{self.path}` was begun with other settings, which give its record its meaning:\n{lines}\n"
                "Resume it without them, or start a new run with another `--out`."
            )

    def note(self, kind: str, **fields: Any) -> None:
        """Append one event to the stage's record."""
        self.events.append(kind, **fields)

    def write_json(self, name: str, value: Any) -> Path:
        """Write RUN/NAME/`name` atomically."""
        write_json(self.path / name, value)
        return self.path / name

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is not None:
                with contextlib.suppress(MachineError):
                    self.note("stopped", error=f"{type(error).__name__}: {error}")
        finally:
            self.events.close()
            self._lock.close()


def recorded_config(model: type[C], run: Path, name: str, changes: dict[str, Any] | None = None) -> C:
    """The settings a stage was begun with, with `changes` laid over them; a length of another kind takes the recorded one's place."""
    path = run / name / "config.resolved.yaml"
    if not path.exists():
        raise UsageError(f"`{run}` holds no {name} stage to resume. Check the path or start one with `pixsearch {command_of(name)}`.")
    recorded, changes = read_yaml(path), changes or {}
    for name, section in changes.items():
        if isinstance(section, dict) and any(section.get(length) is not None for length in LENGTHS):
            recorded[name] = {key: value for key, value in recorded.get(name, {}).items() if key not in LENGTHS}
    return validate(model, merge(recorded, changes), str(path))


def last_event(run: Path, name: str, kind: str) -> Event | None:
    """The newest event of `kind` in the record of stage `name`, if there is one."""
    found = [event for event in read_events(run / name / "events.jsonl") if event["kind"] == kind]
    return found[-1] if found else None


def finished(run: Path, name: str) -> bool:
    """Whether the stage `name` came to its end."""
    return last_event(run, name, "done") is not None


def free_bytes(path: Path) -> int:
    """Free space on the disk that holds `path` (or its nearest existing parent)."""
    existing = next(p for p in [path.absolute(), *path.absolute().parents] if p.exists())
    return shutil.disk_usage(existing).free
