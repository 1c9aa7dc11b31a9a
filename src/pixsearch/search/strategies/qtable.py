"""Tabular Q-learning over sequences of decisions, each of which is the state for the next one, with replay of what was tried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixsearch.space.base import Decision

RATE = 0.1  # how far an update goes (the paper's 0.01 is for eleven thousand candidates)
REPLAYS = 64  # trajectories out of memory that are learned from for each new one


class QTable:
    """What each decision is worth after each other one, and the memory that it is learned from.

    Q(s, a) ← (1 − `RATE`) Q(s, a) + `RATE` (r / T + max Q(a, ·)), from the last decision of a trajectory to its first. The reward r comes
    at the end alone; r / T of it are given at each of the T decisions (Zhong et al. 2018), and there is no discount. Rewards
    count from the mean over the memory, and what was never tried is worth 0, as much as the average: with rewards of one sign
    long trajectories would look better, or worse, than short ones.
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
        following = 0.0
        for state, decision in reversed(list(zip([None, *trajectory[:-1]], trajectory, strict=True))):
            values = self._values.setdefault(state, {})
            values[decision] = (1 - RATE) * values.get(decision, 0.0) + RATE * (reward / len(trajectory) + following)
            following = max(0.0, *values.values())
