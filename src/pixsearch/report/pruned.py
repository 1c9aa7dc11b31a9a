"""What a pruning recorded: before and after, for each share that was asked for, and the evolution that chose what stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pixsearch.report.searched import SearchRecord, read_search
from pixsearch.report.stage import StageRecord, understood
from pixsearch.report.trained import TrainingRecord, read_training


@dataclass(frozen=True)
class Size:
    """What one side of a pruning costs and, where it was scored, how well it does."""

    macs_720p: float | None
    params: float | None
    psnr_db: float | None
    ssim: float | None
    description: str


@dataclass(frozen=True)
class PruneRecord:
    """A pruning: the model before it, as it was just after the cut, and the fine-tuning that followed.

    `keep_macs` is the share that was asked for, `strategy` how channels were chosen; `curve` holds the prunings to all shares,
    this one included, from the greatest on, where there were several. `evolution` is what chose, if one did.
    """

    before: Size
    cut: Size
    training: TrainingRecord
    keep_macs: float | None = None
    strategy: str = ""
    curve: tuple[PruneRecord, ...] = ()
    evolution: SearchRecord | None = None

    @property
    def after(self) -> Size:
        """What is left, with the newest scores."""
        scored = self.training.psnr_db is not None
        return replace(self.cut, psnr_db=self.training.psnr_db, ssim=self.training.ssim) if scored else self.cut

    @property
    def rows(self) -> list[tuple[str, Size]]:
        """(name, size) of the lines of a table: before, the cut where it was scored, and after; of several shares after alone."""
        if self.curve:
            return [("before", self.before), *((one.words, one.after) for one in self.curve)]
        cut = [("cut", self.cut)] if self.training.psnr_db is not None and self.cut.psnr_db is not None else []
        return [("before", self.before), *cut, ("after", self.after)]

    @property
    def words(self) -> str:
        """`keep 0.5`, and whether that was cut only."""
        return f"keep {self.keep_macs:g}" + (", cut" if self.training.psnr_db is None else "")

    @property
    def kept_words(self) -> str:
        """`60.0 % of the multiply-adds kept`; empty when they are not on record, or for several shares."""
        if self.curve or not self.before.macs_720p or self.cut.macs_720p is None:
            return ""
        return f"{self.cut.macs_720p / self.before.macs_720p * 100:.1f} % of the multiply-adds kept"

    @property
    def chosen_words(self) -> str:
        """`chosen by evolution, 160 candidates tried`; empty when it is not on record."""
        tried = f", {self.evolution.tried}" if self.evolution else ""
        return f"chosen by {self.strategy}{tried}" if self.strategy else ""


def read_pruning(stage: StageRecord) -> PruneRecord | None:
    """The record of a pruning, or None while it has not yet told of its `before` and `after`."""
    pruned = [event for event in stage.events if isinstance(event.get("before"), dict) and isinstance(event.get("after"), dict)]
    if not pruned:
        return None
    evolution = read_search(stage) if stage.every("candidate") else None
    shares = list(dict.fromkeys(event.get("keep_macs") for event in pruned))
    if not any(event.get("keep_macs") is not None for event in stage.every("start")):
        return replace(_pruning(stage), evolution=evolution)
    of_share = [_pruning(_of(stage, share)) for share in shares]
    curve = tuple(sorted(of_share, key=lambda one: -(one.cut.macs_720p or 0.0)))
    return replace(of_share[0], curve=curve, evolution=evolution)


def _of(stage: StageRecord, share: float | None) -> StageRecord:
    """The events of one share, its `tuned` in the place of `done`."""
    kinds = {"tuned": "done"}
    own = [event for event in stage.events if event.get("keep_macs") == share and event["kind"] != "done"]
    return replace(stage, events=tuple({**event, "kind": kinds.get(event["kind"], event["kind"])} for event in own))


def _pruning(stage: StageRecord) -> PruneRecord:
    event = next(e for e in reversed(stage.events) if isinstance(e.get("before"), dict) and isinstance(e.get("after"), dict))
    before, cut = understood(stage.path / "events.jsonl", lambda: (_size(event["before"]), _size(event["after"])))
    return PruneRecord(before, cut, read_training(stage), event.get("keep_macs"), str(event.get("strategy", "")))


def _size(data: Mapping[str, Any]) -> Size:
    return Size(data.get("macs_720p"), data.get("params"), data.get("psnr_db"), data.get("ssim"), str(data.get("description", "")))
