"""ESR-EA (Song et al., AAAI 2020): evolution in which blocks that did well are put where others did badly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pixsearch.errors import UsageError
from pixsearch.search.scored import Scored
from pixsearch.search.strategies.credits import Credits, standings
from pixsearch.search.strategies.nsga2 import Nsga2
from pixsearch.search.strategies.operators import vary_and_slim
from pixsearch.space.base import BlockSpace, Genotype

ELITES = 0.25  # of the population: the best fronts, and of the last one the lonelier members
FROM_ELITES = 0.5  # of the children are mutants of one elite; the others have two parents by tournament
EXCHANGES = 0.5  # of the mutations exchange a block; the others are the space's own
KEENNESS = 8.0  # how much a credit weighs: a quarter more is e² times as likely


class EsrEa(Nsga2):
    """Guided evolution of chains of blocks, with several objectives at once.

    A child is a mutant of an elite, or of a crossover of two parents by binary tournament; some are then shrunk to another cost,
    as those of NSGA-II are, and the survivors are chosen as there. Half of the mutations exchange a block for one of another kind. Both
    choices are weighted by the credits that blocks have earned (`credits.Credits` says how): a position is chosen the more often the
    less credit the block there has, by exp(−`KEENNESS` · credit), and the new kind the more often the more credit it has
    at that position, by exp(`KEENNESS` · credit). Without `guidance` all positions and kinds are equally likely, and nothing else differs.

    The paper leaves the credit's formula open beside "earned during evaluation"; it maximises PSNR alone among networks of about one
    size. `UsageError` in a space without blocks to exchange.
    """

    options: ClassVar[tuple[str, ...]] = ("guidance",)

    def __init__(self, *args: Any, guidance: bool = True, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if not isinstance(self.space, BlockSpace):
            raise UsageError(
                f"`esr-ea` exchanges blocks one by one, which the space `{self.space.name}` has none of. "
                "Search the space `erdb` or `mobile`, or by the strategy `nsga2`."
            )
        self.blocks: BlockSpace[Any] = self.space
        self.guidance = guidance
        self.credits = Credits(self.blocks.kinds)
        self.breed = vary_and_slim(self.space, mutate=self.mutate)
        self._mutants = vary_and_slim(self.space, crossover_share=0.0, mutate=self.mutate)
        self._elites: list[int] = []
        self._history: list[Scored] = []

    def propose(self, rng: np.random.Generator) -> Genotype:
        """A child of the elites or of two of the living; a random member while the first generation is drawn."""
        if self.asked < self.population or not self.living or rng.random() >= FROM_ELITES:
            return super().propose(rng)
        elite = self.living[self._elites[int(rng.integers(len(self._elites)))]].genotype
        child: Genotype = self._mutants(elite, elite, rng)
        return child

    def tell(self, scored: Sequence[Scored]) -> None:
        """Let the best survive, and share out what all candidates so far have earned."""
        super().tell(scored)
        order = sorted(range(len(self.living)), key=lambda i: (self.standings[i].rank, -self.standings[i].crowding))
        self._elites = order[: max(1, round(ELITES * self.population))]
        self._history += scored
        chains = [self.blocks.kinds_of(one.genotype) for one in self._history]
        self.credits.learn(chains, standings(self._history, self.objectives))

    def mutate(self, genotype: Any, rng: np.random.Generator) -> Any:
        """A block exchanged for one of another kind, or the space's own mutation."""
        if rng.random() >= EXCHANGES:
            return self.space.mutate(genotype, rng)
        chain = self.blocks.kinds_of(genotype)
        position = self._choose([-self.credits.of(place, kind) for place, kind in enumerate(chain)], rng)
        others = [kind for kind in self.blocks.kinds if kind != chain[position]]
        kind = others[self._choose([self.credits.of(position, other) for other in others], rng)]
        return self.blocks.exchange(genotype, position, kind, rng)

    def _choose(self, credits: Sequence[float], rng: np.random.Generator) -> int:
        """A place among `credits`, by their weight."""
        weights = np.exp(KEENNESS * np.asarray(credits)) if self.guidance else np.ones(len(credits))
        return int(rng.choice(len(credits), p=weights / weights.sum()))
