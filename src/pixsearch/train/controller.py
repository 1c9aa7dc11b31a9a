"""The recurrent network that writes augmentation policies, and how it is rewarded."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pixsearch.data.operations import LEVELS, Numbers
from pixsearch.data.policies import SUBPOLICIES

EMBEDDED, HIDDEN = 32, 100
SHARPEST = 2.5
"""Logits stay between this and its negative, so that no choice ever becomes certain or impossible (Bello et al. 2017)."""
RATE, ENTROPY = 5e-3, 0.02
"""The optimizer's, and the weight of the mean entropy of a choice in nats against normalised rewards. Far above the paper's 3.5e-4 and
1e-5: it has thousands of policies to learn from, the training of a small network has hundreds."""


class Said(NamedTuple):
    """What a controller thinks of policies: of each its log probability and the mean entropy of its choices, (count,), and of each of its
    choices the probabilities of all operations (count, SUBPOLICIES, 2, operations) and levels (…, LEVELS)."""

    log_probability: Tensor
    entropy: Tensor
    operations: Tensor
    levels: Tensor


Choose = Callable[[Tensor, int], Tensor]
"""The choices (count,) by their logits (count, …) and their number in a policy."""


class Controller(nn.Module):
    """An LSTM that chooses an operation, its level, the next operation … of all sub-policies, each knowing those before.

    The controller of Adversarial AutoAugment (Zhang et al. 2020), sections 3.2 and 4: 100 hidden units, embeddings of 32.
    Fresh weights are drawn from `seed`; the global generator is left as it was.
    """

    def __init__(self, operations: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.embedding = nn.Embedding(1 + operations + LEVELS, EMBEDDED)  # 0 stands before the first choice
            self.cell = nn.LSTMCell(EMBEDDED, HIDDEN)
            self.heads = nn.ModuleList([nn.Linear(HIDDEN, operations), nn.Linear(HIDDEN, LEVELS)])
        self._operations = operations

    @torch.no_grad()
    def write(self, count: int, rng: np.random.Generator) -> Numbers:
        """So many policies, int64 (count, SUBPOLICIES, 2, 2), as `data.policies` has them; chance comes from `rng`."""

        def choose(logits: Tensor, _number: int) -> Tensor:
            return (logits + torch.from_numpy(rng.gumbel(size=tuple(logits.shape)).astype(np.float32))).argmax(dim=1)

        choices = [choice for choice, _ in self._through(count, choose)]
        written: Numbers = torch.stack(choices, dim=1).reshape(count, SUBPOLICIES, 2, 2).numpy()
        return written

    def say(self, policies: Numbers) -> Said:
        """What it thinks of `policies` (count, SUBPOLICIES, 2, 2)."""
        count, flat = len(policies), torch.from_numpy(policies).reshape(len(policies), -1)
        logs = [log for _, log in self._through(count, lambda _logits, number: flat[:, number])]
        chosen = torch.stack([log.gather(1, flat[:, [number]]).squeeze(1) for number, log in enumerate(logs)])
        entropy = torch.stack([-(log.exp() * log).sum(dim=1) for log in logs])
        shape = (count, SUBPOLICIES, 2, -1)
        kinds = [torch.stack(logs[start::2], dim=1).exp().reshape(shape) for start in (0, 1)]
        return Said(chosen.sum(dim=0), entropy.mean(dim=0), *kinds)

    def _through(self, count: int, choose: Choose) -> list[tuple[Tensor, Tensor]]:
        """Every choice in turn, (count,), and the log probabilities it was made by, (count, what there is to choose from)."""
        state, seen, made = None, torch.zeros(count, dtype=torch.int64), []
        for number in range(SUBPOLICIES * 2 * 2):
            state = self.cell(self.embedding(seen), state)
            logits = SHARPEST * torch.tanh(self.heads[number % 2](state[0]) / SHARPEST)
            choice = choose(logits, number)
            made.append((choice, torch.log_softmax(logits, dim=1)))
            seen = choice + (1 + self._operations if number % 2 else 1)
        return made
