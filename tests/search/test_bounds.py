"""Closed-form bounds are settled before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixsearch.errors import InfeasibleError
from pixsearch.search.bounds import closed_form, fits_bounds, require_feasible
from pixsearch.search.objectives import parse_objectives
from pixsearch.signature import Port, Signature
from pixsearch.space.mobile import MobileSpace

SIGNATURE = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_fits_looks_at_closed_form_bounds_alone(toy: Any) -> None:
    fits = fits_bounds(toy.space, parse_objectives(["psnr>=99", "latency@local<=1ms", "params<=20", "macs_720p"]))
    assert fits(toy.space.parse({"digits": [5, 5, 0, 0, 0, 0, 0, 0]}))
    assert not fits(toy.space.parse({"digits": [5, 6, 0, 0, 0, 0, 0, 0]}))


@pytest.mark.parametrize("bound", ["macs_720p<=1M", "params<=20", "memory<=8MB"])
def test_bounds_that_nothing_keeps_name_the_nearest_miss(bound: str) -> None:
    space = MobileSpace(SIGNATURE)
    objectives = parse_objectives(["psnr", "memory", "params", bound] if bound.startswith("macs") else ["psnr", bound])
    with pytest.raises(InfeasibleError) as caught:
        require_feasible(space, objectives, rng())
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert f"`{bound}`" in message
    assert "nearest miss" in message


def test_bounds_that_something_keeps_pass() -> None:
    space = MobileSpace(SIGNATURE)
    small = closed_form(space, space.smallest())
    require_feasible(space, parse_objectives(["psnr", f"macs_720p<={small['macs_720p']}"]), rng())
    with pytest.raises(InfeasibleError):
        require_feasible(space, parse_objectives(["psnr", f"macs_720p<={small['macs_720p'] * 0.999}"]), rng())


def test_a_member_other_than_the_cheapest_may_keep_the_bounds(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The member with the fewest multiply-adds need not be the smallest in every figure."""
    monkeypatch.setattr(type(toy.space), "params", lambda self, g: 100 if sum(g.digits) == 0 else 10 + sum(g.digits))
    require_feasible(toy.space, parse_objectives(["psnr", "params<=50"]), rng())
