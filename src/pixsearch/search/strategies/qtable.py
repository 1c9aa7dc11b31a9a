"""A table of what decisions are worth, learned from sequences of them, each of which is the state for the next one, by replay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixsearch.space.base import Decision

RATE = 0.1  # how far an update goes (the paper's 0.01 is for eleven thousand candidates)
REPLAYS = 8  # trajectories out of memory that are learned from for each new one


class QTable:
    """What each decision is worth after each other one, and the memory that it is learned from.

    Q(s, a) ← (1 − `RATE`) Q(s, a) + `RATE` r for every decision of a trajectory: Q(λ) at λ = 1 (Peng and Williams 1996), the mean of what
    was earned after it, drawn towards 0 while it was seldom tried. One-step Q-learning with r / T at each of the T decisions, as
    published (Zhong et al. 2018), needs thousands of candidates: its maximum over what follows believes the luckiest of few trials, and
    the more decisions are still to come, the larger is the share of r that they add up to, so that it writes long blocks.
    Rewards count from the mean over the memory, so what was never tried is worth as much as the average.
    """

    def __init__(self) -> None:
        self.memory: list[tuple[Sequence[Decision], float]] = []
        self._values: dict[Decision | None, dict[Decision, float]] = {}

    def value(self, state: Decision | None, decision: Decision) -> float:
        """Q of a decision in a state; None is the start."""
        return self._values.get(state, {}).get(decision, 0.0)

    def best(self, state: Decision | None) -> Decision | None:
        """The decision that is worth most in a state, the first tried of equals; None when nothing known is better than the average."""
        known = self._values.get(state, {})
        found = max(known, key=lambda decision: known[decision], default=None)
        return found if found is not None and known[found] > 0 else None

    def learn(self, trajectory: Sequence[Decision], reward: float, rng: np.random.Generator) -> None:
        """Remember one more, and replay it and `REPLAYS` drawn from memory."""
        self.memory.append((trajectory, reward))
        middle = float(np.mean([reward for _, reward in self.memory]))
        for place in [*rng.integers(len(self.memory), size=REPLAYS), -1]:
            known, earned = self.memory[place]
            self._replay(known, earned - middle)

    def _replay(self, trajectory: Sequence[Decision], reward: float) -> None:
        for state, decision in zip([None, *trajectory[:-1]], trajectory, strict=True):
            values = self._values.setdefault(state, {})
            values[decision] = (1 - RATE) * values.get(decision, 0.0) + RATE * reward
