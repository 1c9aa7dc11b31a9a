"""Augmentation against the network: a controller writes policies, and is rewarded where patches under them are harder than clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixsearch.data.cache import PairCache
from pixsearch.data.operations import Numbers, Operation, suited
from pixsearch.data.policies import POLICIES, ROUND, Policies, one_operation, random_policies, with_identity
from pixsearch.rng import derive, stream
from pixsearch.tasks.base import Task
from pixsearch.train.config import TrainConfig
from pixsearch.train.controller import ENTROPY, RATE, Controller
from pixsearch.train.losses import Criterion
from pixsearch.train.optimizer import Adam
from pixsearch.train.ranks import ALONE, Ranks

FADING = 0.8  # share that the baseline and the scale of rewards keep from one round to the next
ASKED = 64  # policies that a controller is asked for to see what it prefers


class Adversary:
    """Adversarial AutoAugment (Zhang et al. 2020) for pixels: it raises the training loss that the network lowers.

    The patches of every batch are shared out among `POLICIES` policies, of which the first is the identity. Policies are kept for a
    round of `ROUND` steps; then REINFORCE (Williams 1992) moves the controller towards those whose mean loss was greatest, with a bonus
    for entropy. A reward is the loss over that of the clean patches of the same steps, less 1: what makes all patches harder
    earns nothing. It is normalised by a fading mean and deviation. Policies are written a round ahead, from what was known
    before it, so batches can be drawn ahead as well.

    All `ranks` hold the same controller and average what they saw, when a round ends. Its whole state is `tensors`; chance comes from
    `seed` and the round.
    """

    def __init__(self, operations: Sequence[Operation], seed: int, ranks: Ranks = ALONE) -> None:
        self._operations, self._seed, self._ranks = operations, seed, ranks
        self._controller = Controller(len(operations), derive(seed, "controller"))
        self._optimizer = Adam(self._controller.named_parameters())
        self._optimizer.param_groups[0]["lr"] = RATE
        self._lock = Lock()
        self._round = torch.zeros((), dtype=torch.int64)
        self._known = torch.from_numpy(np.stack([self._write(0), self._write(1)]))
        self._seen = torch.zeros(2, POLICIES)  # sums of losses and patches of the present round, by policy; where the network is
        self._usual = torch.zeros(3, dtype=torch.float64)  # rounds so far, fading mean and variance of rewards
        self._clean = torch.zeros((), dtype=torch.float64)  # loss of the last round's clean patches

    def policies(self, step: int) -> Numbers:
        """The policies of `step`, which is of the present round or the next."""
        with self._lock:
            known: Numbers = self._known[step // ROUND - int(self._round)].numpy().copy()
        return known

    def watch(self, output: Tensor, truth: Tensor, criterion: Criterion, step: int) -> None:
        """See what a network made of the batch of `step`; at the end of a round the controller learns from it."""
        count, self._seen = len(output), self._seen.to(output.device)
        with torch.no_grad():
            for policy in range(POLICIES):
                first = (policy - self._ranks.rank * count - step) % POLICIES  # as `policy_of` shares them out
                if first < count:
                    losses, patches = output[first::POLICIES], truth[first::POLICIES]
                    self._seen[0, policy] += criterion(losses, patches) * len(patches)
                    self._seen[1, policy] += len(patches)
        if (step + 1) % ROUND == 0:
            self._end_round()

    def _end_round(self) -> None:
        self._ranks.average(self._seen)
        sums, patches = self._seen.double().cpu()
        loss = sums / patches
        self._seen.zero_()
        if bool(loss.isfinite().all()) and float(loss[0]) > 0:
            rewards = loss[1:] / loss[0] - 1
            self._clean.copy_(loss[0])
            self._learn(self._known[0, 1:].numpy(), self._normalised(rewards).float())
        coming = torch.from_numpy(self._write(int(self._round) + 2))
        with self._lock:
            self._known.copy_(torch.stack([self._known[1], coming]))
            self._round += 1

    def _normalised(self, rewards: Tensor) -> Tensor:
        rounds, mean, variance = self._usual.tolist()
        kept = min(FADING, rounds / (rounds + 1))
        off = rewards - mean if rounds else rewards - rewards.mean()
        self._usual.copy_(torch.tensor([rounds + 1, mean + (1 - kept) * float((rewards - mean).mean()), variance], dtype=torch.float64))
        self._usual[2] = kept * variance + (1 - kept) * float(off.square().mean())
        return off / self._usual[2].sqrt().clamp(min=1e-6)

    def _learn(self, policies: Numbers, rewards: Tensor) -> None:
        said = self._controller.say(policies)
        aim = (rewards * said.log_probability).mean() + ENTROPY * said.entropy.mean()
        self._optimizer.zero_grad()
        (-aim).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def _write(self, number: int) -> Numbers:
        """The policies of round `number`, the identity first."""
        return with_identity(self._controller.write(POLICIES - 1, stream(self._seed, "policies", number)))

    @torch.no_grad()
    def preferences(self) -> dict[str, Any]:
        """What the controller tends to: `operations` {name: probability} and `amounts` {name: mean, None if it is rare}.

        And `harder`, by what share the loss under its policies has lately been above that of clean patches, which is `clean_loss`.
        """
        asked = self._controller.write(ASKED, stream(self._seed, "preferences", int(self._round)))
        said = self._controller.say(asked)
        chances, levels = said.operations.mean(dim=(0, 1, 2)).tolist(), said.levels.numpy()
        amounts: dict[str, float | None] = {}
        for number, operation in enumerate(self._operations):
            own = levels[asked[..., 0] == number]
            spread = operation.amounts(np.arange(levels.shape[-1]))
            amounts[operation.name] = round(float(own.mean(axis=0) @ spread), 4) if len(own) else None
        names = [operation.name for operation in self._operations]
        chance = {name: round(value, 4) for name, value in zip(names, chances, strict=True)}
        harder = round(float(self._usual[1]), 4)
        return {"operations": chance, "amounts": amounts, "clean_loss": float(self._clean), "harder": harder}

    def tensors(self) -> dict[str, Tensor]:
        """The whole state itself, by name."""
        numbers = {"round": self._round, "known": self._known, "seen": self._seen, "usual": self._usual, "clean": self._clean}
        weights = {f"controller/{name}": weight for name, weight in self._controller.named_parameters()}
        return {**numbers, **weights, **self._optimizer.tensors()}


def adversary_of(config: TrainConfig, task: Task, cache: PairCache, ranks: Ranks = ALONE) -> Adversary | None:
    """The adversary of a training that has one."""
    if config.augment != "adversarial":
        return None
    return Adversary(suited(task, cache.origin), derive(config.seed, "adversary"), ranks)


def policies_of(config: TrainConfig, task: Task, cache: PairCache, adversary: Adversary | None) -> Policies | None:
    """What befalls the patches of a training besides being turned."""
    operations = suited(task, cache.origin)
    if adversary is not None:
        return adversary.policies
    if config.augment == "random":
        return random_policies(operations, derive(config.seed, "adversary"))
    return one_operation(operations, "cutblur") if config.augment == "cutblur" else None
