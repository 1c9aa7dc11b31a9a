"""All that a training changes: weights, their average, the optimizer's moments and a few numbers, packed and unpacked as one."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from pixsearch.errors import DataError
from pixsearch.nn.build import Network
from pixsearch.train.adversary import Adversary
from pixsearch.train.compute import Compute
from pixsearch.train.config import TrainConfig
from pixsearch.train.optimizer import make
from pixsearch.train.ranks import ALONE, Ranks

AVERAGE_OVER = 10  # the average reaches back over a tenth of the steps so far, until `ema` bounds it


@dataclass
class Progress:
    """The numbers of a training that go on when it is resumed.

    `step` counts finished steps, `summed` those whose losses are in the trainee's sum. `slowed` is what the rate is
    multiplied by since the loss exploded, `setbacks` the steps at which it did, `usual_loss` what a loss has been lately.
    `best_db` and `since_best` count validations for `patience`; `over` is set when they ended the training. `entered` is where and
    with what share of the peak rate it came upon a schedule of another length.
    """

    step: int = 0
    elapsed_s: float = 0.0
    summed: int = 0
    slowed: float = 1.0
    setbacks: list[int] = field(default_factory=list)
    usual_loss: float | None = None
    best_db: float | None = None
    since_best: int = 0
    over: bool = False
    entered: tuple[float, float] | None = None


@dataclass(frozen=True)
class Packed:
    """A whole state of a training: tensors by name (copies, contiguous, on the processor) and plain values."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class Trainee:
    """A network in training, and its adversary if it has one; all is the same on all `ranks`.

    `network` has the raw weights, `average` the averaged ones. While `in_full` convolutions compute in float32, whatever else was chosen.
    """

    def __init__(
        self, network: Network, config: TrainConfig, compute: Compute, ranks: Ranks = ALONE, adversary: Adversary | None = None
    ) -> None:
        self.network = compute.place(network).train()
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.progress = Progress()
        self._loss_sum = torch.zeros((), device=compute.device)
        self._ema, self._compute, self._ranks = config.ema, compute, ranks
        self._weights: list[Tensor] = list(self.network.parameters())
        self._averaged: list[Tensor] = list(self.average.parameters())
        self._adversary, self.in_full = adversary, False
        self._optimizer = make(config.optimizer, self.network.named_parameters())
        self._scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.dtype == torch.float16)
        shared = ranks.wrap(self.network, compute.device)
        self._forward = torch.compile(shared) if config.compile else shared

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        """The network's output, float32."""
        with nullcontext() if self.in_full else self._compute.autocast():
            output: Tensor = self._forward(*inputs)
        return output.float()

    def learn(self, loss: Tensor, rate: float) -> None:
        """One step down `loss`, then the average follows."""
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.zero_grad()
        if self._scaler.is_enabled():
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self._scaler.step(self._optimizer)  # type: ignore[arg-type]
            self._scaler.update()
        else:
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        self.progress.step += 1
        self.progress.summed += 1
        self._loss_sum += loss.detach()
        self._follow()

    def gather_losses(self) -> None:
        """Put the mean over all ranks in place of this one's losses, so that all judge alike."""
        self._ranks.average(self._loss_sum)

    @property
    def mean_loss(self) -> float:
        """The mean of the losses since `forget_losses`, of this rank since `gather_losses`; reading it waits for the device."""
        return float(self._loss_sum) / max(self.progress.summed, 1)

    def forget_losses(self) -> None:
        """Begin a new mean."""
        self.progress.summed = 0
        self._loss_sum.zero_()

    def _follow(self) -> None:
        step = self.progress.step
        decay = min(self._ema, step / (step + AVERAGE_OVER))
        with torch.no_grad():
            torch._foreach_lerp_(self._averaged, self._weights, 1 - decay)

    def pack(self, elapsed_s: float = 0.0) -> Packed:
        """A copy of the whole state after `elapsed_s` seconds of training."""
        copies = {name: _copied(tensor) for name, tensor in self._tensors().items()}
        progress = {**asdict(self.progress), "elapsed_s": elapsed_s}
        return Packed(copies, {"progress": progress, "scaler": self._scaler.state_dict()})

    @torch.no_grad()
    def unpack(self, packed: Packed) -> None:
        """Take on a whole state, bit for bit; `DataError` when it is of another network or optimizer."""
        own = self._tensors()
        odd = {(name, value.shape) for name, value in own.items()} ^ {(name, value.shape) for name, value in packed.tensors.items()}
        if odd:
            raise DataError(f"The checkpoint is of another network: `{min(odd)[0]}` differs. Resume with the one it was begun with.")
        for name, value in own.items():
            value.copy_(packed.tensors[name])
        if packed.values["scaler"]:  # a checkpoint of another precision has none
            self._scaler.load_state_dict(packed.values["scaler"])
        self.progress = Progress(**copy.deepcopy(packed.values["progress"]))

    def averaged(self) -> Network:
        """The network with its averaged weights, on the processor, laid out as it was built."""
        average: Network = self.average.requires_grad_(True).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return average

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return bool(torch.stack([weight.isfinite().all() for weight in self._weights]).all())  # a GPU is waited for once

    def _tensors(self) -> dict[str, Tensor]:
        """Everything that changes and is a tensor, by name."""
        tensors = {"loss_sum": self._loss_sum, **self._optimizer.tensors()}
        for (name, weight), averaged in zip(self.network.named_parameters(), self._averaged, strict=True):
            tensors[f"network/{name}"], tensors[f"average/{name}"] = weight, averaged
        if self._adversary is not None:
            tensors |= {f"adversary/{name}": value for name, value in self._adversary.tensors().items()}
        return tensors


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
