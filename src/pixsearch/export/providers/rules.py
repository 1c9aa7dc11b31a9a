"""Read the rules: what each provider takes, and what phones punish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

LEVEL = 29
"""The NNAPI feature level that is asked about unless told otherwise: Android 10, from which on quantizing itself is taken."""


@dataclass(frozen=True)
class OperatorRule:
    """The forms of an operator that a provider takes, each from a feature level on, and the conditions that hold for all."""

    levels: Mapping[str, int]
    when: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provider:
    """One provider: its `operators`, unless it takes `any`; what it computes `in_float`; whether sides may be `dynamic`."""

    key: str
    name: str
    dynamic: bool
    takes_any: bool
    operators: Mapping[str, OperatorRule]
    float_forms: frozenset[str]
    float_operators: frozenset[str]


@dataclass(frozen=True)
class Price:
    """An operator that phones punish in some precisions, with what it costs; under `when_not` only where that does not hold."""

    operator: str
    precisions: tuple[str, ...]
    text: str
    when_not: str | None = None


@dataclass(frozen=True)
class Rules:
    """All that rules.yaml says."""

    grouped: frozenset[str]
    providers: tuple[Provider, ...]
    prices: tuple[Price, ...]


@cache
def read_rules() -> Rules:
    """The rules that come with pixsearch."""
    data = yaml.safe_load(files(__package__).joinpath("rules.yaml").read_text(encoding="utf-8"))
    providers = tuple(_provider(key, item) for key, item in data["providers"].items())
    return Rules(frozenset(data["grouped"]), providers, tuple(_price(item) for item in data["prices"]))


def _provider(key: str, item: dict[str, Any]) -> Provider:
    rules = {operator: dict(rule) for operator, rule in item.get("operators", {}).items()}
    operators = {operator: OperatorRule(when=tuple(rule.pop("when", ())), levels=rule) for operator, rule in rules.items()}
    in_float = item.get("in_float", {})
    return Provider(
        key,
        item["name"],
        item["dynamic"],
        item.get("any", False),
        operators,
        frozenset(in_float.get("forms", ())),
        frozenset(in_float.get("operators", ())),
    )


def _price(item: dict[str, Any]) -> Price:
    return Price(item["operator"], tuple(item["precisions"]), item["text"], item.get("when_not"))
