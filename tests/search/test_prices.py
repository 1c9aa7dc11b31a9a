"""A front with operators that phones punish says so, with the price."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixsearch.rundir import read_json
from pixsearch.search.prices import warn_of_prices
from pixsearch.search.scored import Scored
from pixsearch.space.base import read_genotype
from pixsearch.tasks.base import make_task

TASK = make_task("sr", 2, "y")
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "arm_activations.json"


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
    found = read_json(RESULTS)["mega_cycles"]
    for precision in ("int8", "fp16"):
        assert f"takes {found[f'prelu/{precision}']:.0f} Mcycles" in text
        assert f"{found[f'relu/{precision}']:.0f}" in text
    assert text.count("modelled A76") == 2


def test_others_are_not_warned_of() -> None:
    assert said("relu", "leaky", "hardswish") == []
