"""Say of a front which members hold operators that phones punish, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from pixsearch.export.providers.rules import read_rules
from pixsearch.nn.build import build
from pixsearch.search.scored import Scored
from pixsearch.tasks.base import Task

_MODULES: dict[str, type[nn.Module]] = {"PRelu": nn.PReLU}
"""The modules that become an operator of the rules."""


def warn_of_prices(task: Task, front: Sequence[Scored], note: Callable[..., Any]) -> None:
    """A `warning` for each operator that phones punish and members of `front` hold, with the measured price."""
    networks = {one.id: build(one.genotype, task.signature) for one in front}
    for operator, module in _MODULES.items():
        members = [name for name, network in networks.items() if any(isinstance(part, module) for part in network.modules())]
        texts = [price.text for price in read_rules().prices if price.operator == operator and price.when_not is None]
        if members and texts:
            named = ", ".join(f"`{name}`" for name in members)
            note("warning", text=f"Phones punish what {named} of the front hold{'s' * (len(members) == 1)}. {'. '.join(texts)}.")
