"""Judge what a network could be cut down to: its own weights, sliced and fitted anew in closed form, scored on whole pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from pixsearch.nn.build import Network, build
from pixsearch.nn.reparam import Branches
from pixsearch.prune.members import Cuts
from pixsearch.prune.refit import answers, refit
from pixsearch.prune.slicing import outputs_kept, slice_network
from pixsearch.search.evaluators.standalone import StandaloneTraining, quality_figures
from pixsearch.search.objectives import Objective
from pixsearch.search.scored import Fidelity
from pixsearch.search.windows import Selection
from pixsearch.space.base import Genotype
from pixsearch.tasks.base import Task
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.validate import validate

REFITTED = "sliced weights, fitted anew in closed form"
"""The fidelity of candidates."""


class SlicedWeights(StandaloneTraining):
    """Gives each candidate the weights that it keeps, fits them to what the whole network computes, and scores it.

    `inputs` are planes (N, C, H, W) of training patches, in the ports' order, that weights are fitted on. Nothing is drawn: a candidate's
    figures follow from the network, the patches and the pictures alone.
    """

    weights = REFITTED

    def __init__(
        self,
        cuts: Cuts,
        inputs: Sequence[Tensor],
        objectives: Sequence[Objective],
        task: Task,
        val: Selection,
        settings: TrainConfig,
    ) -> None:
        self.space = self.cuts = cuts
        self.objectives, self.task, self.val, self.settings = tuple(objectives), task, val, settings
        self.inputs = list(inputs)
        self._wanted: dict[str, Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what the whole network computes, which every process finds out for itself."""
        return {**self.__dict__, "_wanted": None}

    @property
    def wanted(self) -> dict[str, Tensor]:
        """What the whole network's convolutions give on the patches."""
        if self._wanted is None:
            self._wanted = answers(self.cuts.network, self.inputs)
        return self._wanted

    def cut(self, genotype: Genotype) -> Network:
        """The candidate as a network, its weights fitted."""
        kept = self.cuts.ranking.kept(self.cuts.counts(genotype))
        with choose(self.settings).in_charge():
            sliced = slice_network(self.cuts.network, kept)
            refit(sliced, outputs_kept(self.cuts.network, kept), self.inputs, self.wanted)
        return sliced

    def _network(self, genotype: Any, branches: Branches) -> Network:
        return build(genotype, self.cuts.signature, branches=branches)

    def judge(self, genotype: Genotype) -> dict[str, float]:
        """PSNR and SSIM of a candidate, as the figures that objectives name."""
        with choose(self.settings).in_charge():  # scores depend on the number of threads, in their last digits
            return quality_figures(validate(self.cut(genotype), self.val.as_cache(), self.task))

    def _quality(self, genotype: Any, fidelity: Fidelity) -> dict[str, float]:
        del fidelity
        return self.judge(genotype)
