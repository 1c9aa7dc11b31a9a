"""Judge a graph node by node: which provider takes it, and if not, why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto

from pixsearch.export.graph import attribute
from pixsearch.export.providers.rules import LEVEL, OperatorRule, Price, Provider, read_rules
from pixsearch.export.providers.units import DEQUANTIZE, Scene, Unit, units_of


@dataclass(frozen=True)
class Judged:
    """One operator with all `nodes` of its unit: for each provider by key None, where it takes them, or why it does not.

    `remarks` say of a provider that takes it what is still worth knowing.
    """

    name: str
    operator: str
    form: str
    nodes: int
    refused: dict[str, str | None]
    remarks: dict[str, str]


@dataclass(frozen=True)
class Check:
    """A graph's judged operators, in the order they are computed in, at an NNAPI feature level."""

    level: int
    judged: tuple[Judged, ...]

    @property
    def nodes(self) -> int:
        """All nodes of the graph."""
        return sum(one.nodes for one in self.judged)

    def taken(self) -> dict[str, int]:
        """How many nodes each provider takes, by its name."""
        names = {provider.key: provider.name for provider in read_rules().providers}
        return {name: sum(one.nodes for one in self.judged if one.refused[key] is None) for key, name in names.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain values: level, nodes, taken by provider, and each operator with what refuses it and why."""
        operators = [
            {
                "name": one.name,
                "operator": one.operator,
                "form": one.form,
                "nodes": one.nodes,
                "refused": _given(one.refused),
                "remarks": one.remarks,
            }
            for one in self.judged
        ]
        return {"level": self.level, "nodes": self.nodes, "taken": self.taken(), "operators": operators}


def _given(refused: dict[str, str | None]) -> dict[str, str]:
    return {key: reason for key, reason in refused.items() if reason is not None}


def check_model(model: onnx.ModelProto, level: int = LEVEL) -> Check:
    """Judge every node of `model` for the CPU, XNNPACK and NNAPI providers, the last at feature level `level`."""
    rules, scene = read_rules(), Scene(model)
    return Check(level, tuple(_judge(scene, unit, rules.providers, level) for unit in units_of(scene, rules.grouped)))


def _judge(scene: Scene, unit: Unit, providers: tuple[Provider, ...], level: int) -> Judged:
    refused = {provider.key: _refusal(scene, unit, provider, level) for provider in providers}
    remarks = {p.key: "computed in float" for p in providers if refused[p.key] is None and _is_in_float(unit, p)}
    return Judged(unit.node.name or unit.node.output[0], unit.node.op_type, unit.form, len(unit.nodes), refused, remarks)


def _is_in_float(unit: Unit, provider: Provider) -> bool:
    quantized = unit.is_group or unit.form in provider.float_forms
    return quantized and (unit.form in provider.float_forms or unit.node.op_type in provider.float_operators)


def _refusal(scene: Scene, unit: Unit, provider: Provider, level: int) -> str | None:
    if provider.takes_any:
        return None
    rule = provider.operators.get(unit.node.op_type)
    if rule is None:
        return f"{provider.name} has no {unit.node.op_type}"
    if not provider.dynamic and not all(scene.is_fixed(name) for name in scene.graph.flowing(unit.node)):
        return "its height and width are not fixed"
    if unit.form not in rule.levels:
        return _wrong_form(unit, rule)
    if rule.levels[unit.form] > level:
        return f"only from feature level {rule.levels[unit.form]} on"
    return next((said for name in rule.when if (said := CONDITIONS[name](scene, unit))), None)


def _wrong_form(unit: Unit, rule: OperatorRule) -> str:
    taken = ", ".join(form for form in rule.levels)
    if unit.form.startswith("s8"):
        return f"signed 8-bit activations; it takes {taken}"
    return f"it is {unit.form}; it takes {taken}"


def _constant_kernel(scene: Scene, unit: Unit) -> str | None:
    """The kernel is a constant, or one that is dequantized."""
    name = unit.node.input[1]
    maker = scene.graph.maker(name)
    stored = maker.input[0] if maker is not None and maker.op_type == DEQUANTIZE else name
    return None if scene.graph.is_constant(stored) else "its kernel is computed, not a constant"


def _subpixel_first(_: Scene, unit: Unit) -> str | None:
    mode = attribute(unit.node, "mode", b"DCR")
    return None if mode == b"DCR" else f"its mode is {mode.decode()}; it takes DCR"


def _constant_padding(_: Scene, unit: Unit) -> str | None:
    mode = attribute(unit.node, "mode", b"constant")
    return None if mode == b"constant" else f"its mode is {mode.decode()}; it takes constant"


def _relu6_or_relu1(scene: Scene, unit: Unit) -> str | None:
    ends = [float(scene.graph.constant(name)) if name and scene.graph.is_constant(name) else None for name in unit.node.input[1:]]
    return None if ends in ([0.0, 6.0], [-1.0, 1.0]) else "it takes the ranges 0 to 6 and -1 to 1"


def _behind_float_convolution(scene: Scene, unit: Unit) -> str | None:
    maker = scene.graph.maker(unit.node.input[0])
    fused = maker is not None and maker.op_type == "Conv" and len(scene.graph.readers(maker.output[0])) == 1
    return None if fused else "it is taken right behind a float convolution alone"


def _to_float_or_int32(_: Scene, unit: Unit) -> str | None:
    to = attribute(unit.node, "to", 0)
    return None if to in (TensorProto.FLOAT, TensorProto.INT32) else f"it casts to {TensorProto.DataType.Name(to).lower()}"


CONDITIONS: dict[str, Callable[[Scene, Unit], str | None]] = {
    "behind_float_convolution": _behind_float_convolution,
    "constant_kernel": _constant_kernel,
    "constant_padding": _constant_padding,
    "relu6_or_relu1": _relu6_or_relu1,
    "subpixel_first": _subpixel_first,
    "to_float_or_int32": _to_float_or_int32,
}
"""Why a unit breaks a condition that rules.yaml names, or None."""


def punished(model: onnx.ModelProto, precisions: tuple[str, ...]) -> Iterator[Price]:
    """What phones punish of `model`, a float graph, in any of `precisions`."""
    scene = Scene(model)
    for price in read_rules().prices:
        nodes = [Unit(node, (node,), "float") for node in scene.graph.nodes if node.op_type == price.operator]
        broken = nodes and (price.when_not is None or any(CONDITIONS[price.when_not](scene, unit) for unit in nodes))
        if broken and set(price.precisions) & set(precisions):
            yield price
