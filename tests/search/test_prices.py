"""A front with operators that phones punish says so, with the price."""

from __future__ import annotations

from typing import Any

from pixsearch.search.prices import warn_of_prices
from pixsearch.search.scored import Scored
from pixsearch.space.base import read_genotype
from pixsearch.tasks.base import make_task

TASK = make_task("sr", 2, "y")


def member(act: str) -> Scored:
    genes = {"space": "mobile", "layers": [{"op": "conv3", "act": act, "width": 4}], "head": "plain", "skip": "nearest", "tail": 3}
    return Scored(read_genotype(genes, TASK.signature)[1], {})


def said(*acts: str) -> list[str]:
    texts: list[str] = []

    def note(kind: str, **fields: Any) -> None:
        assert kind == "warning"
        texts.append(fields["text"])

    warn_of_prices(TASK, [member(act) for act in acts], note)
    return texts


def test_members_with_prelu_are_named_with_the_measured_price() -> None:
    [text] = said("relu", "prelu")
    assert f"`{member('prelu').id}`" in text
    assert f"`{member('relu').id}`" not in text
    assert "497 Mcycles" in text
    assert "1133 Mcycles" in text
    assert text.count("modelled A76") == 2


def test_others_are_not_warned_of() -> None:
    assert said("relu", "leaky", "hardswish") == []
