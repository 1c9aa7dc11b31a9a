"""BlockQNN (Zhong et al., CVPR 2018; TPAMI 2020): Q-learning writes blocks layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pixsearch import rng as streams
from pixsearch.errors import UsageError
from pixsearch.search.scored import Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.search.strategies.operators import spread_ceiling
from pixsearch.search.strategies.qtable import QTable
from pixsearch.space.base import Decision, Genotype, SequentialSpace

MU = 0.25  # dB that a candidate has to gain for each e-fold of multiply-adds
RHO = 0.1  # the same for the density of its block
EXPLORE, EXPLOIT = 0.05, 0.3  # shares of the budget until which ε is 1, and from which on it is least
LEAST = 0.05
USUAL = 100  # candidates that ε is scaled to when the budget is not known


def epsilon(spent: float) -> float:
    """How likely a decision is drawn at random when the share `spent` of the budget is: from 1 down to `LEAST`, evenly in the middle."""
    fallen = min(max((spent - EXPLORE) / (EXPLOIT - EXPLORE), 0.0), 1.0)
    return 1.0 - (1.0 - LEAST) * fallen


def reward(quality_db: float, macs: float, density: float) -> float:
    """What the agent is paid: quality after a short training, less `MU` times log multiply-adds and `RHO` times log density, in dB."""
    return quality_db - MU * math.log(macs) - RHO * math.log(density)


class BlockQnn(Strategy):
    """An agent that writes each candidate decision by decision, ε-greedily by a table of Q-values.

    The state is the last decision, as published, and ε falls from 1 to 0.05 as the budget is spent: of candidates when it is
    `evaluations`, else of the search's own time, as it was recorded. Every candidate has a ceiling of multiply-adds of its own,
    spread as random search spreads its members, and is as large as that and the bounds allow: the reward takes μ log(multiply-adds)
    off, so what is learned at one size holds for others. A candidate that failed, or was not judged because it broke a bound,
    earns the least that any has earned. `UsageError` in a space that is not written decision by decision.
    """

    options: ClassVar[tuple[str, ...]] = ("evaluations", "budget_s")
    flows: ClassVar[bool] = True

    def __init__(self, *args: Any, evaluations: int | None = None, budget_s: float | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if not isinstance(self.space, SequentialSpace):
            raise UsageError(
                f"`blockqnn` writes blocks layer by layer, which the space `{self.space.name}` does not have. "
                "Search the space `nsc` (`--space nsc`), or by the strategy `nsga2`."
            )
        self.sequences: SequentialSpace[Any] = self.space
        self.evaluations = evaluations if evaluations or budget_s else USUAL
        self.budget_s = budget_s
        self.table = QTable()
        self._draw_ceiling = spread_ceiling(self.space, self.objectives)
        self._told, self._elapsed_s = 0, 0.0

    @property
    def epsilon(self) -> float:
        """How likely the next decision is drawn at random."""
        return epsilon(self._told / self.evaluations if self.evaluations else self._elapsed_s / (self.budget_s or math.inf))

    def propose(self, rng: np.random.Generator) -> Genotype:
        """A candidate written by the agent, under a ceiling drawn for it."""
        ceiling = self._draw_ceiling(rng)

        def low(genotype: Genotype) -> bool:
            return self.space.macs_720p(genotype) <= ceiling and self.fits(genotype)

        written = self.sequences.written(self._write(rng), low)
        genotype: Genotype = self.sample(rng) if written is None else self.space.repair(written, low, rng)
        return genotype

    def tell(self, scored: Sequence[Scored]) -> None:
        """Learn from each, in the order asked for."""
        for one in scored:
            self._told += 1
            self._elapsed_s = max(self._elapsed_s, one.elapsed_s)
            earned = self._reward(one)
            if earned is not None:
                rng = streams.stream(self.seed, "replay", self._told)
                self.table.learn(self.sequences.decisions(one.genotype), earned, rng)

    def _write(self, rng: np.random.Generator) -> list[Decision]:
        decisions: list[Decision] = []
        last: Decision | None = None
        while self.sequences.following(last):
            best = None if rng.random() < self.epsilon else self.table.best(last)
            last = self.sequences.draw_following(last, rng) if best is None else best
            decisions.append(last)
        return decisions

    def _reward(self, one: Scored) -> float | None:
        """The reward in dB; None when it failed before anything was earned."""
        qualities = [_decibels(o.name, one.figures[o.name]) for o in self.objectives if not o.is_cost and o.name in one.figures]
        if one.error is None and qualities:
            macs = self.space.macs_720p(one.genotype)
            return reward(float(np.mean(qualities)), macs, self.sequences.density(one.genotype))
        return min((earned for _, earned in self.table.memory), default=None)


def _decibels(name: str, quality: float) -> float:
    """PSNR as it is; SSIM as decibels of what it misses, so that both weigh alike against costs."""
    return quality if name == "psnr" else -10 * math.log10(max(1.0 - quality, 1e-6))
