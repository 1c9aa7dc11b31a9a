"""Levers that were tried and are not in the trainer, each as a change of one plain training loop (see train_levers.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.data.patches import Patches
from pixsearch.nn.build import Network
from pixsearch.nn.modelfile import load_deployed
from pixsearch.nn.reparam import Folded
from pixsearch.tasks.base import Batch
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.schedule import rate_share
from pixsearch.train.trainee import Trainee


class Trial:
    """The trainer's own way: every hook does what `fit` does."""

    def begin(self, network: Network, teacher: Path | None) -> None:
        """Before the first step."""

    def step(self, trainee: Trainee, inputs: list[Tensor], truth: Tensor, progress: float) -> Tensor:
        """The loss of a step."""
        return self.loss(trainee(inputs), truth, progress)

    def draw(self, patches: Patches, step: int, progress: float) -> Batch:
        """The batch of a step."""
        del progress
        return patches.draw(step)

    def loss(self, output: Tensor, truth: Tensor, progress: float) -> Tensor:
        """What the step lowers."""
        del progress
        return F.l1_loss(output, truth)

    def after(self, trainee: Trainee, progress: float) -> None:
        """Behind a step."""

    def result(self, trainee: Trainee) -> Network:
        """The trained network."""
        return trainee.averaged()


class Teach(Trial):
    """Half of the loss is the distance to what a larger trained network makes of the batch (Hinton et al. 2015).

    `features` weighs the distance of their maps: the mean square over the channels that enter the last convolution, at unit
    length (Zagoruyko and Komodakis 2017).
    """

    def __init__(self, features: float = 0.0) -> None:
        self.features = features
        self.seen: list[Tensor] = []

    def begin(self, network: Network, teacher: Path | None) -> None:
        """Read the teacher and listen to both networks."""
        if teacher is None:
            raise SystemExit("Name a trained model with --teacher for this row.")
        self.teacher = load_deployed(teacher)[0].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for each in (self.teacher, network):
            last = [module for module in each.modules() if isinstance(module, torch.nn.Conv2d | Folded)][-1]
            last.register_forward_pre_hook(lambda _module, inputs: self.seen.append(inputs[0]))

    def step(self, trainee: Trainee, inputs: list[Tensor], truth: Tensor, progress: float) -> Tensor:
        """Both distances, and that of the maps."""
        del progress
        self.seen.clear()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            wanted = self.teacher(*inputs).float()
        output = trainee(inputs)
        loss = (F.l1_loss(output, truth) + F.l1_loss(output, wanted)) / 2
        if self.features:
            theirs, ours = (F.normalize(maps.float().square().mean(1).flatten(1)) for maps in self.seen)
            loss = loss + self.features * (theirs - ours).square().sum(1).mean()
        return loss


class FinishL2(Trial):
    """L1 first, then the mean of squares, which is what PSNR measures. Its gradients are brought to L1's size: the rate has a meaning."""

    def __init__(self, share: float) -> None:
        self.share = share

    def loss(self, output: Tensor, truth: Tensor, progress: float) -> Tensor:
        """The root of the mean of squares has a gradient about as large as L1's."""
        return F.l1_loss(output, truth) if progress < 1 - self.share else F.mse_loss(output, truth).sqrt()


class Grow(Trial):
    """Half of the patch's side at first, then all of it, then half as much again."""

    def draw(self, patches: Patches, step: int, progress: float) -> Batch:
        """Sizes by progress."""
        return patches.draw(step, patch=patches.patch * (1 if progress < 0.4 else 2 if progress < 0.8 else 3) // 2)


class GrowBatch(Trial):
    """Half of the batch for the first half, twice the batch for the last fifth."""

    def draw(self, patches: Patches, step: int, progress: float) -> Batch:
        """Sizes by progress."""
        return patches.draw(step, batch=patches.batch * (1 if progress < 0.5 else 2 if progress < 0.8 else 4) // 2)


class Mine(Trial):
    """Twice as many patches are drawn and the half with more detail (mean difference of neighbours in the truth) is kept."""

    def draw(self, patches: Patches, step: int, progress: float) -> Batch:
        """The most detailed of twice as many."""
        del progress
        batch = patches.draw(step, batch=2 * patches.batch)
        detail = np.abs(np.diff(batch.truth, axis=-1)).mean((1, 2, 3)) + np.abs(np.diff(batch.truth, axis=-2)).mean((1, 2, 3))
        kept = np.argsort(-detail, kind="stable")[: patches.batch]
        return Batch({name: planes[kept] for name, planes in batch.inputs.items()}, batch.truth[kept])


class Frequency(Trial):
    """L1 of the two-dimensional spectrum on top (MAXIM's and MIMO-UNet's term, weight 0.1 at an orthonormal scale)."""

    def loss(self, output: Tensor, truth: Tensor, progress: float) -> Tensor:
        """Both terms."""
        del progress
        spectrum = torch.fft.rfft2(output - truth, norm="ortho")
        return F.l1_loss(output, truth) + 0.1 * torch.view_as_real(spectrum).abs().mean()


class MeanOfLast(Trial):
    """The plain mean of the raw weights at ten moments of the last tenth, instead of the running average."""

    def __init__(self) -> None:
        self.sums: list[Tensor] = []
        self.count = 0

    def after(self, trainee: Trainee, progress: float) -> None:
        """Add the weights to the sum at each hundredth of the training."""
        if progress >= 0.9 and int(progress * 100) > 89 + self.count:
            weights = [weight.detach() for weight in trainee.network.parameters()]
            self.sums = (
                [total + weight for total, weight in zip(self.sums, weights, strict=True)] if self.sums else [w.clone() for w in weights]
            )
            self.count += 1

    def result(self, trainee: Trainee) -> Network:
        """The mean, in place of the average."""
        with torch.no_grad():
            for weight, total in zip(trainee.average.parameters(), self.sums, strict=True):
                weight.copy_(total / self.count)
        return trainee.averaged()


TRIALS: dict[str, Any] = {
    "L2 for the last quarter": lambda: FinishL2(0.25),
    "patch grows 16, 32, 48": Grow,
    "batch grows 8, 16, 32": GrowBatch,
    "detailed half of the patches": Mine,
    "frequency term": Frequency,
    "mean of the last checkpoints": MeanOfLast,
    "teacher": Teach,
    "teacher and its features": lambda: Teach(0.05),
}


def fit_trial(network: Network, patches: Patches, config: TrainConfig, trial: Trial, teacher: Path | None) -> Network:
    """Train `network` for `config.steps` as `fit` does, with the trial's change."""
    compute = choose(config)
    trainee = Trainee(network, config, compute)
    names = [port.name for port in network.signature.inputs]
    assert config.steps is not None
    trial.begin(trainee.network, teacher)
    with compute.in_charge():
        for step in range(config.steps):
            progress = (step + 0.5) / config.steps
            batch = trial.draw(patches, step, progress)
            inputs = [compute.move(torch.from_numpy(batch.inputs[name])) for name in names]
            loss = trial.step(trainee, inputs, compute.move(torch.from_numpy(batch.truth)), progress)
            trainee.learn(loss, config.rate * rate_share(progress, config.warmup))
            trial.after(trainee, progress)
    return trial.result(trainee)
