"""The session options that `bench --tune` found for a model on this machine, out of the record of the run that the model lies in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixsearch.bench.past import Past
from pixsearch.bench.subjects import digest_of_file
from pixsearch.bench.targets.local import LocalTarget


@dataclass(frozen=True)
class Recorded:
    """Options of a session, the output size they were found at, the share of time they saved, and the record that says so."""

    options: Mapping[str, str]
    size: str
    gain: float
    folder: Path

    @property
    def text(self) -> str:
        """One sentence."""
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"session options of `{self.folder}`, {self.gain:.1%} faster at {self.size}: {options}"


def recorded(model: Path, threads: int) -> Recorded | None:
    """What the newest tuning of these very bytes on this processor with `threads` threads found; None where it found nothing better.

    The run of RUN/export/model.onnx is RUN; its record is RUN/bench.
    """
    folder = model.resolve().parent.parent / "bench"
    if not (folder / "events.jsonl").is_file():
        return None
    digest, here = digest_of_file(model), LocalTarget().label
    for event in reversed(Past.read(folder).others):
        found = event.get("tuned")
        if found and (event["digest"], event["target"], found["threads"]) == (digest, here, threads):
            return Recorded(found["options"], found["size"], found["gain"], folder) if found["options"] else None
    return None
