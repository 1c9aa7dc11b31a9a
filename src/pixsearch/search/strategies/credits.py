"""What blocks have earned: how candidates stand among others of like cost, shared out over the blocks they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pixsearch.search.objectives import Objective, violation
from pixsearch.search.scored import Scored

NEIGHBOURS = 16
"""Candidates nearest in cost that one is compared with."""

DOUBT = 4.0
"""Candidates' worth of what was believed before: how fast a credit follows what it is made of."""

Chain = tuple[str, ...]


def standings(scored: Sequence[Scored], objectives: Sequence[Objective]) -> npt.NDArray[np.float64]:
    """How each candidate stands among the `NEIGHBOURS` nearest to it in cost: the share it is better than, minus a half (−½ … ½).

    Cost is compared on the objectives' own scale (decimal logarithms), quality by the mean over the qualities asked for; equals
    count half. So a block is not thought good for being large. A candidate that failed or broke a bound has −½.
    """
    whole = [i for i, one in enumerate(scored) if one.error is None and not violation(objectives, one.figures)]
    result = np.full(len(scored), -0.5)
    if len(whole) < 2:
        result[whole] = 0.0
        return result
    losses = np.array([scored[i].losses(objectives) for i in whole])
    is_cost = np.array([o.is_cost for o in objectives])
    costs, misses = losses[:, is_cost], losses[:, ~is_cost].mean(axis=1)
    for own, place in enumerate(whole):
        apart = np.abs(costs - costs[own]).sum(axis=1)
        apart[own] = np.inf
        near = np.argsort(apart, kind="stable")[: min(NEIGHBOURS, len(whole) - 1)]
        result[place] = float(np.mean(np.sign(misses[near] - misses[own]))) / 2
    return result


class Credits:
    """The credit of every kind of block, at every position.

    A kind's credit is the mean standing (see `standings`) of the candidates told so far, once for each block of the kind they
    are made of, drawn towards 0 as if `DOUBT` further blocks had stood there. Its credit at a position is the mean over the
    candidates that have it at that position, drawn towards the kind's own credit alike. Credits lie between −½ and ½; what
    was never tried has that of its kind.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.kinds = tuple(kinds)
        self._of_kind = dict.fromkeys(self.kinds, 0.0)
        self._at: dict[tuple[int, str], float] = {}

    def learn(self, chains: Sequence[Chain], stands: npt.NDArray[np.float64]) -> None:
        """Take the credits anew from all candidates: the kinds of their blocks by position, and how they stand."""
        earned: dict[str, list[float]] = {kind: [] for kind in self.kinds}
        there: dict[tuple[int, str], list[float]] = {}
        for chain, stand in zip(chains, stands, strict=True):
            for position, kind in enumerate(chain):
                earned[kind].append(float(stand))
                there.setdefault((position, kind), []).append(float(stand))
        self._of_kind = {kind: _drawn(values, 0.0) for kind, values in earned.items()}
        self._at = {place: _drawn(values, self._of_kind[place[1]]) for place, values in there.items()}

    def of(self, position: int, kind: str) -> float:
        """The credit of a block of `kind` at `position`."""
        return self._at.get((position, kind), self._of_kind[kind])


def _drawn(values: Sequence[float], prior: float) -> float:
    """The mean of `values`, with `DOUBT` values of `prior` among them."""
    return (sum(values) + DOUBT * prior) / (len(values) + DOUBT)
