"""What every stage's folder holds: its settings, its machine and its events, read back at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pixsearch.config import read_yaml
from pixsearch.errors import DataError, UsageError
from pixsearch.events import Event, read_events
from pixsearch.rundir import read_json

T = TypeVar("T")


@dataclass(frozen=True)
class StageRecord:
    """One stage as it stands on disk: `events` oldest first, `config` and `environment` as they were written."""

    name: str
    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    events: tuple[Event, ...]

    def every(self, kind: str) -> list[Event]:
        """All events of one kind, oldest first."""
        return [event for event in self.events if event["kind"] == kind]

    def last(self, kind: str) -> Event | None:
        """The newest event of one kind."""
        return next((event for event in reversed(self.events) if event["kind"] == kind), None)

    @property
    def seconds(self) -> float:
        """The time the stage took by its own count, or else from its first event to its last."""
        done = self.last("done") or {}
        if "elapsed_s" in done:
            return float(done["elapsed_s"])
        return float(self.events[-1]["time"] - self.events[0]["time"]) if self.events else 0.0

    @property
    def state(self) -> str:
        """`done`; `stopped: why` when an error ended it; `unfinished` when it still runs or was killed."""
        end = next((event for event in reversed(self.events) if event["kind"] in ("done", "stopped")), None)
        if end is None or (end["kind"] == "stopped" and end is not self.events[-1]):
            return "unfinished"
        return "done" if end["kind"] == "done" else f"stopped: {end.get('error', 'no reason recorded')}"

    @property
    def outcome(self) -> str:
        """The state in one word, without the reason."""
        return self.state.partition(":")[0]

    @property
    def warnings(self) -> list[str]:
        """What the stage warned of, each once, oldest first."""
        return list(dict.fromkeys(str(event.get("text", "")) for event in self.every("warning")))

    @property
    def photos(self) -> list[Event]:
        """Which photos were used and which not, the newest event of each role."""
        return list({str(event.get("role", "")): event for event in self.every("photos")}.values())


def read_stage(run: Path, name: str) -> StageRecord | None:
    """The stage RUN/`name`, or None when it was never begun; `DataError` naming the file that is damaged."""
    path = run / name
    if not (path / "events.jsonl").exists():
        return None
    return StageRecord(
        name=name,
        path=path,
        config=_settings(path / "config.resolved.yaml"),
        environment=mapping(path / "environment.json"),
        events=tuple(_events(path / "events.jsonl")),
    )


def _settings(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path)
    except UsageError as error:
        raise DataError(f"{error} It is part of a run's record: restore it or run its stage again.") from None


def _events(path: Path) -> Iterator[Event]:
    """The events in `path`; a last line that is still being written is passed over."""
    whole = 0
    try:
        for event in read_events(path):
            if not (isinstance(event, dict) and isinstance(event.get("kind"), str) and isinstance(event.get("time"), int | float)):
                raise ValueError("an event has a `kind` and a `time`")
            whole += 1
            yield event
    except ValueError as error:
        raise DataError(f"`{path}` is damaged in line {whole + 1} ({error}). Restore it or run its stage again.") from None
    except OSError as error:
        raise DataError(f"`{path}` cannot be read ({error.strerror}). Mend its permissions.") from None


def mapping(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; `DataError` when it is something else."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(f"`{path}` holds no JSON object. Restore it or run its stage again.")
    return value


def task_words(data: Mapping[str, Any]) -> str:
    """`sr ×2 on y`: what the models of a record do, as far as it says."""
    scale = f"×{data['scale']}" if data.get("scale") not in (None, 1) else ""
    color = f"on {data['color']}" if data.get("color") else ""
    return " ".join(word for word in (str(data.get("task", "")), scale, color) if word)


def understood(path: Path, parse: Callable[[], T]) -> T:
    """What `parse` makes of the record in `path`; a field that is missing or strange becomes a `DataError` naming `path`."""
    try:
        return parse()
    except KeyError as error:
        raise DataError(f"`{path}` lacks the field {error}. Restore it or run its stage again.") from None
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"`{path}` holds something unexpected ({error}). Restore it or run its stage again.") from None
