"""Networks whose kernels adapt to the picture, in the forms that compute no kernel: all experts blended, or coefficients fixed."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.nn.build import Network
from pixsearch.nn.dynamic import Adaptive, blended, freeze, predictors
from pixsearch.nn.modelfile import make_card
from pixsearch.registry import SPACES
from pixsearch.tasks.base import Task

LONGEST = 1024
"""Input pixels to a side of a picture that its coefficients are taken from at most: its middle."""


def as_features(network: Network, card: ModelCard) -> tuple[Network, ModelCard]:
    """The form `feature`, which takes about as many times the multiply-adds as there are experts; its card counts them."""
    space = SPACES.load(network.genotype.space)(network.signature)
    return blended(network), card.with_(dynamic="feature", macs_720p=space.blended_macs_720p(network.genotype))


def as_static(network: Network, card: ModelCard, pictures: PairCache, task: Task) -> tuple[Network, ModelCard]:
    """The form `static`: coefficients are the mean of those of whole `pictures`. What comes out is a static member of the space."""
    frozen = freeze(network, mean_coefficients(network, pictures, task))
    own = make_card(frozen, name=card.name, stage=card.stage, training=card.training)
    return frozen, own.with_(dynamic="static", calibration={**card.calibration, "fixed_on": list(pictures.names)})


@torch.no_grad()
def mean_coefficients(network: Network, pictures: PairCache, task: Task) -> list[Tensor]:
    """For each dynamic layer the mean over `pictures` of its coefficients, (channels, experts)."""
    (predictor,), body, found = predictors(network), cast(Adaptive, network.body), []
    for index in range(len(pictures)):
        planes = []
        for port in task.signature.inputs:
            picture = pictures.pair(index).inputs[port.name]
            rows, columns = (_middle(length) for length in picture.shape[:2])
            planes.append(torch.from_numpy(task.encode(port.name, np.ascontiguousarray(picture[rows, columns])))[None])
        found.append(predictor(body.entering(torch.cat(planes, dim=1))))
    return [torch.cat(of_layer).mean(0) for of_layer in zip(*found, strict=True)]


def _middle(length: int) -> slice:
    """As much of a side as is looked at: even, as networks may fold blocks of two, but for a side of one."""
    taken = min(LONGEST, length // 2 * 2) or length
    return slice((length - taken) // 4 * 2, (length - taken) // 4 * 2 + taken)
