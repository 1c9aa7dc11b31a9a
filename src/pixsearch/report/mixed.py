"""What the search for a format for each layer recorded: every mixture tried, the front within the bound, and the chosen one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixsearch.report.stage import StageRecord, understood

Formats = tuple[str, ...]


@dataclass(frozen=True)
class Mixture:
    """Formats by layer with their loss in dB, milliseconds and bytes."""

    formats: Formats
    loss_db: float
    latency_ms: float
    bytes: int
    feasible: bool


@dataclass(frozen=True)
class MixtureRecord:
    """One model's search: `front` holds those within the bound that none dominates, fastest first; `chosen` is None until it has ended."""

    label: str
    target: str
    latency: str
    modelled: bool
    bound_ms: float
    extra_latency: float
    crops: int
    layers: tuple[tuple[str, str], ...]
    int8: Mixture
    tried: tuple[Mixture, ...]
    front: tuple[Mixture, ...]
    chosen: Mixture | None


def read_mixtures(stage: StageRecord) -> tuple[MixtureRecord, ...]:
    """One for each model, the newest."""
    newest = {str(event.get("label")): event for event in stage.every("bits")}
    return understood(stage.path / "events.jsonl", lambda: tuple(_record(stage, label, event) for label, event in newest.items()))


def _record(stage: StageRecord, label: str, begun: Mapping[str, Any]) -> MixtureRecord:
    mixtures = [_mixture(event) for event in stage.every("mixture") if event.get("label") == label]
    tried = {one.formats: one for one in mixtures}
    ended = next((event for event in reversed(stage.every("mixtures")) if event.get("label") == label), None)
    front = tuple(tried[tuple(formats)] for formats in ended["front"]) if ended else ()
    return MixtureRecord(
        label=label,
        target=str(begun["target"]),
        latency=str(begun["latency"]),
        modelled=bool(begun["modelled"]),
        bound_ms=float(begun["bound_ms"]),
        extra_latency=float(begun["extra_latency"]),
        crops=int(begun["crops"]),
        layers=tuple((str(one["layer"]), str(one["operators"])) for one in begun["layers"]),
        int8=_mixture({"formats": ["int8"] * len(begun["layers"]), "figures": begun["int8"], "feasible": True}),
        tried=tuple(tried.values()),
        front=front,
        chosen=tried[tuple(ended["chosen"])] if ended and ended["chosen"] else None,
    )


def _mixture(event: Mapping[str, Any]) -> Mixture:
    figures = event["figures"]
    return Mixture(
        formats=tuple(map(str, event["formats"])),
        loss_db=float(figures["loss_db"]),
        latency_ms=float(figures["latency_ms"]),
        bytes=int(figures["bytes"]),
        feasible=bool(event["feasible"]),
    )
