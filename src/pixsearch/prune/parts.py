"""The models of one pruning that has several shares: each a training of its own within the one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixsearch.events import read_events
from pixsearch.rundir import Stage
from pixsearch.train.config import TrainConfig
from pixsearch.train.record import length
from pixsearch.train.session import MODEL


class Part(Stage):
    """One share's training, as a stage whose files lie in RUN/prune/keep-SHARE and whose events go to the record of the `whole`.

    Its events carry `keep_macs`; the training's `done` is written down as `tuned`, for the stage is not at its end with it.
    """

    def __init__(self, whole: Stage, share: float, training: TrainConfig) -> None:
        self.whole, self.share, self.training = whole, share, training
        self.run, self.name, self.config, self.resumed = whole.run, whole.name, whole.config, whole.resumed
        self.path = whole.path / f"keep-{share:g}"

    def note(self, kind: str, **fields: Any) -> None:
        """Append one event to the record of the whole."""
        if kind == "done":
            kind, fields = "tuned", {**fields, "model": self.model.name, "goal": self._goal}
        self.whole.note(kind, keep_macs=self.share, **fields)

    @property
    def model(self) -> Path:
        """The model file, beside the record of the whole."""
        return self.whole.path / f"keep-{self.share:g}.safetensors"

    @property
    def tuned(self) -> dict[str, Any] | None:
        """The event `tuned` of a training as long as this one, when it has come to its end and its model is in place."""
        events = read_events(self.whole.path / "events.jsonl")
        found = [e for e in events if e["kind"] == "tuned" and e["keep_macs"] == self.share and e["goal"] == self._goal]
        return found[-1] if found and self.model.exists() else None

    def keep_model(self) -> None:
        """Put the model that the training wrote beside the record of the whole."""
        (self.path / MODEL).replace(self.model)

    @property
    def _goal(self) -> str:
        return length(self.training.steps, self.training.budget_s)
