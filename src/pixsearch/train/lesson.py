"""What a step lowers: the distance to the truth, and with a teacher also that to its answer (Hinton et al. 2015)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pixsearch.errors import UsageError
from pixsearch.nn.build import Network, deploy
from pixsearch.signature import Signature
from pixsearch.train.adversary import Adversary
from pixsearch.train.compute import Compute
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import narrowed
from pixsearch.train.losses import LOSSES
from pixsearch.train.trainee import Trainee


class Lesson:
    """The loss of a batch for a network with the signature `student`.

    A `teacher` answers the same batch, by itself; the share `teacher_share` of the loss is the distance to its answer, of the frames
    that both answer. `signature` is what batches are to be drawn for: that of the two which sees more. An `adversary` is told how
    far the network's own answers are from the truth.
    """

    def __init__(
        self,
        student: Signature,
        config: TrainConfig,
        compute: Compute,
        teacher: Network | None = None,
        adversary: Adversary | None = None,
    ) -> None:
        self.signature = wider(student, teacher)
        self._student, self._criterion, self._compute = student, LOSSES[config.loss], compute
        self._share, self._adversary = config.teacher_share, adversary
        self._teacher = None if teacher is None else compute.place(deploy(teacher)).requires_grad_(False).eval()

    def __call__(self, trainee: Trainee, inputs: list[Tensor], truth: Tensor) -> Tensor:
        """The loss, a scalar, of a batch drawn for `signature`; its gradients reach the trainee alone."""
        own, wanted = narrowed(inputs, truth, self._student)
        output = trainee(own)
        loss = self._criterion(output, wanted)
        if self._adversary is not None:
            self._adversary.watch(output, wanted, self._criterion, trainee.progress.step)
        if self._teacher is None:
            return loss
        answer = self._answer(self._teacher, inputs, truth)
        frames = min(output.shape[1], answer.shape[1])
        return torch.lerp(loss, self._criterion(output[:, :frames], answer[:, :frames]), self._share)

    @torch.no_grad()
    def _answer(self, teacher: Network, inputs: list[Tensor], truth: Tensor) -> Tensor:
        own, _ = narrowed(inputs, truth, teacher.signature)
        with self._compute.autocast():
            answer: Tensor = teacher(*own)
        return answer.float()


def wider(student: Signature, teacher: Network | None) -> Signature:
    """The signature of the two that takes more frames, with the longer sequences; `UsageError` for a teacher of another task."""
    if teacher is None:
        return student
    ours, theirs = _task(student), _task(teacher.signature)
    odd = [name for name in ours if ours[name] != theirs.get(name)]
    if odd:
        raise UsageError(
            f"The teacher was trained for another task: its {odd[0]} is `{theirs.get(odd[0])}`, and `{ours[odd[0]]}` is to be learned. "
            "Take a teacher of the same task."
        )
    both = student, teacher.signature
    widest = max(both, key=lambda signature: (bool(signature.state), signature.in_channels))
    lengths = {"length": max(signature.settings["length"] for signature in both)} if "length" in student.settings else {}
    return replace(widest, settings={**widest.settings, **lengths})


def _task(signature: Signature) -> dict[str, object]:
    """What must agree; how many frames are seen and learned from may differ."""
    settings = {name: value for name, value in signature.settings.items() if name not in ("window", "length")}
    return {"task": signature.task, "scale": signature.scale, "color": signature.color, **settings}
