"""What else export recorded: which layer costs how much in 8 bits, and which provider of a phone takes which node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixsearch.report.stage import StageRecord, understood

TAKEN = "yes"


@dataclass(frozen=True)
class LayerCosts:
    """Why an int8 file missed its gate: (layer, operators, loss with it alone quantized, with all but it), costliest first, in dB."""

    file: str
    loss_db: float
    limit_db: float | None
    crops: int
    layers: tuple[tuple[str, str, float, float], ...]


@dataclass(frozen=True)
class Checked:
    """One file judged for phones: `taken` nodes by provider, and each operator with what every provider says to it."""

    file: str
    level: int
    nodes: int
    taken: Mapping[str, int]
    operators: tuple[tuple[str, ...], ...]

    @property
    def heads(self) -> list[str]:
        """What the columns of `operators` are called."""
        return ["node", "operator", "nodes", *self.taken]

    @property
    def words(self) -> str:
        """`net.int8.onnx: CPU 12, XNNPACK 3, NNAPI 12 of 12 nodes (NNAPI at feature level 29)`."""
        counts = ", ".join(f"{name} {count}" for name, count in self.taken.items())
        return f"{self.file}: {counts} of {self.nodes} nodes (NNAPI at feature level {self.level})"


def read_layer_costs(stage: StageRecord) -> tuple[LayerCosts, ...]:
    """The newest of each file that has not been exported since."""
    last: dict[str, Mapping[str, Any]] = {}
    for event in stage.events:
        if event["kind"] == "sensitivity":
            last[str(event.get("file"))] = event
        elif event["kind"] == "exported":
            last.pop(str(event.get("file")), None)
    return understood(stage.path / "events.jsonl", lambda: tuple(_layer_costs(event) for event in last.values()))


def _layer_costs(event: Mapping[str, Any]) -> LayerCosts:
    layers = [(str(one["layer"]), str(one["operators"]), float(one["alone_db"]), float(one["spared_db"])) for one in event["layers"]]
    layers.sort(key=lambda layer: -layer[2])
    return LayerCosts(str(event["file"]), float(event["loss_db"]), event.get("limit_db"), int(event["crops"]), tuple(layers))


def read_checks(stage: StageRecord) -> tuple[Checked, ...]:
    """The newest of each file."""
    events = {event.get("file"): event for event in stage.every("checked")}
    return understood(stage.path / "events.jsonl", lambda: tuple(checked(event) for event in events.values()))


def checked(data: Mapping[str, Any]) -> Checked:
    """The check that `data` (an event, or what the command gives as JSON) tells of."""
    operators = tuple(_operator(one, list(data["taken"])) for one in data["operators"])
    return Checked(str(data["file"]), int(data["level"]), int(data["nodes"]), dict(data["taken"]), operators)


def _operator(one: Mapping[str, Any], providers: list[str]) -> tuple[str, ...]:
    said = []
    for name in providers:
        key = name.lower()
        remark = one["remarks"].get(key)
        said.append(one["refused"].get(key) or (f"{TAKEN}, {remark}" if remark else TAKEN))
    return (str(one["name"]), f"{one['operator']} {one['form']}", str(one["nodes"]), *said)
