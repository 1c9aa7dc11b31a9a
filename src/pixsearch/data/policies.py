"""Policies of augmentation: which operations befall which patch of a batch, at a step; plain arrays that a controller may write.

A policy is some sub-policies, each of two operations with their levels (Cubuk et al. 2019): int64 (policies, `SUBPOLICIES`, 2, 2), the last
axis an operation's number among those a task has and its level. Policy 0 of a step is always the identity, `NOTHING` throughout.
The patches of a batch are shared out evenly among its policies; each takes one of its policy's sub-policies by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pixsearch.data.operations import LEVELS, Chosen, Inputs, Numbers, Operation
from pixsearch.rng import stream
from pixsearch.tasks.base import Batch, Task

POLICIES = 4
"""Of a step, the identity among them."""
SUBPOLICIES = 3
ROUND = 50
"""Steps that policies are kept for."""
NOTHING = -1

Policies = Callable[[int], Numbers]
"""The policies of a step."""


def with_identity(policies: Numbers) -> Numbers:
    """`policies` behind the one that does nothing."""
    return np.concatenate([np.full_like(policies[:1], NOTHING), policies])


def random_policies(operations: Sequence[Operation], seed: int) -> Policies:
    """Operations and levels evenly at random, anew every round, as many as a controller gives."""

    def at(step: int) -> Numbers:
        rng, shape = stream(seed, "policies", step // ROUND), (POLICIES - 1, SUBPOLICIES, 2)
        return with_identity(np.stack([rng.integers(len(operations), size=shape), rng.integers(LEVELS, size=shape)], axis=-1))

    return at


def one_operation(operations: Sequence[Operation], name: str) -> Policies:
    """The operation called `name` alone for half of the patches, at all levels evenly."""
    number = next(number for number, operation in enumerate(operations) if operation.name == name)
    first = np.array([[number, level] for level in range(LEVELS)])
    fixed = with_identity(np.stack([first, np.full_like(first, NOTHING)], axis=1)[np.newaxis])
    return lambda _step: fixed


def policy_of(step: int, count: int, policies: int, part: int = 0) -> Numbers:
    """Which policy each of a batch's `count` patches falls to, when the batch is part number `part` of a larger one."""
    return (np.arange(part * count, (part + 1) * count) + step) % policies


class Plan:
    """What befalls the patches of one batch, drawn from the seed, the step and the part of a batch that they are alone.

    Without `policies` nothing does. `inputs` says where those of the batch come from.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        policies: Numbers | None,
        step: int,
        count: int,
        seed: int,
        part: int = 0,
        inputs: Inputs = "drawn",
    ) -> None:
        self._operations, self._inputs = operations if policies is not None else (), inputs
        self._rng = stream(seed, "augment", step, part)
        if policies is None:
            policies = np.full((1, 1, 2, 2), NOTHING)
        own = policy_of(step, count, len(policies), part)
        self.chosen = policies[own, self._rng.integers(policies.shape[1], size=count)]
        """Each patch's two operations and levels: (count, 2, 2)."""

    def before(self, batch: Batch, task: Task, among: Numbers | None = None) -> None:
        """Do to `batch`, in place, what comes before inputs are drawn; it holds the patches numbered `among`, or all."""
        self._do(batch, task, among, after=False)

    def after(self, batch: Batch, task: Task) -> None:
        """Do to the whole `batch`, in place, what needs its inputs."""
        self._do(batch, task, None, after=True)

    def shrunk(self) -> dict[int, float]:
        """The patches to be cut from a smaller picture, each with how many times smaller it is; of two operations the first counts."""
        found: dict[int, float] = {}
        for slot in (1, 0):
            for number, operation in enumerate(self._operations):
                if operation.apply is None:
                    who = np.flatnonzero(self.chosen[:, slot, 0] == number)
                    found.update(zip(who.tolist(), operation.amounts(self.chosen[who, slot, 1]).tolist(), strict=True))
        return found

    def _do(self, batch: Batch, task: Task, among: Numbers | None, *, after: bool) -> None:
        chosen = self.chosen if among is None else self.chosen[among]
        for slot in range(chosen.shape[1]):
            for number, operation in enumerate(self._operations):
                who = np.flatnonzero(chosen[:, slot, 0] == number)
                if len(who) and operation.after == after and operation.apply is not None:
                    amount = operation.amounts(chosen[who, slot, 1])[:, np.newaxis, np.newaxis, np.newaxis]
                    operation.do(Chosen(batch, task, who, amount, self._rng), self._inputs)
