"""What an interrupted bench had measured already, looked up by the bytes of the file and the conditions it was measured under."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixsearch.events import Event, read_events

BASELINE = "baseline"
"""Stands for a file's digest where the trivial method is meant."""


@dataclass(frozen=True)
class Past:
    """Accuracies by (file digest, digest of the pictures), latencies by (file digest, target's label, threads), the rest as it came."""

    accuracies: dict[tuple[str, str], Event]
    latencies: dict[tuple[str, str, int], Event]
    others: tuple[Event, ...]
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Past:
        """All that the events in `folder` tell; nothing when the stage was just begun."""
        everything = list(read_events(folder / "events.jsonl"))
        events = [event for event in everything if event["kind"] == "measured"]
        return cls(
            {(e["digest"], e["pictures_digest"]): e for e in events if "psnr_db" in e},
            {(e["digest"], e["target"], e["latency"][0]["threads"]): e for e in events if "latency" in e},
            tuple(event for event in everything if event["kind"] in {"on-target", "sustained", "session-tuned"}),
            folder,
        )

    def accuracy(self, digest: str, pictures: str) -> Event | None:
        """The scores of this file on these very pictures, if its crops are still there."""
        event = self.accuracies.get((digest, pictures))
        return event if event is not None and self._present(event["crops"].values()) else None

    def latency(self, digest: str, target: str, threads: int) -> dict[str, Any] | None:
        """This file's latency entry for `threads` on that target: a latency is measured once and then reused."""
        event = self.latencies.get((digest, target, threads))
        return None if event is None else event["latency"][0]

    def on_target(self, digest: str, pictures: str, target: str, count: int, side: int) -> dict[str, Any] | None:
        """This file's comparison of outputs on that target, if it was of these very pictures and as many and as large cuts."""
        for event in self.others:
            found = event.get("on_target")
            asked = (digest, pictures, target, count, side)
            if found and (event["digest"], event["pictures_digest"], event["target"], found["pictures"], found["side"]) == asked:
                return dict(found)
        return None

    def sustained(self, digest: str, target: str, asked_s: float) -> dict[str, Any] | None:
        """This file's sustained run of as many seconds on that target."""
        for event in self.others:
            found = event.get("sustained")
            if found and (event["digest"], event["target"], found["asked_s"]) == (digest, target, asked_s):
                return dict(found)
        return None

    def tuned(self, digest: str, target: str, threads: int, size: str) -> dict[str, Any] | None:
        """What was found to be the best options of this file's session on that target, at that size of the output."""
        for event in self.others:
            found = event.get("tuned")
            if found and (event["digest"], event["target"], found["threads"], found["size"]) == (digest, target, threads, size):
                return dict(found)
        return None

    def _present(self, files: Iterable[Any]) -> bool:
        names = [name for file in files for name in (file if isinstance(file, list) else [file])]
        return all((self.folder / name).is_file() for name in names)
