"""Training features that many networks share: each step trains one member, and moves only what it is made of."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.errors import DataError
from pixsearch.nn.body import Body
from pixsearch.nn.build import Network
from pixsearch.nn.readout import best_reader, kernel_of, missing
from pixsearch.nn.reparam import Folded
from pixsearch.nn.supernet import Supernet, cut
from pixsearch.train.compute import Compute
from pixsearch.train.optimizer import Adam, Muon, Rule, is_matrix
from pixsearch.train.trainee import Packed

AVERAGE_OVER = 10
TELLING = 2  # pixels of a batch for each tap that reads it, at least
CACHED = 128  # members kept ready, each with what its updates need

State = dict[str, Tensor]
Named = list[tuple[str, Tensor]]


class SharedMuon(Rule):
    """Muon without momentum for one member's slices of shared kernels (`named` by the shared weight), Adam for the rest.

    What the members before it learned is no guide to where this one should go. Only the slice of a kernel that the member has is
    made orthogonal, so an update is what the member alone would get. Adam's moments are slices of shared ones.
    """

    def __init__(self, named: Named, first: State, second: State, steps: State) -> None:
        super().__init__(named)
        self._kernels = _Kernels((name, weight) for name, weight in named if is_matrix(weight))
        self._rest = _Rest((name, weight) for name, weight in named if not is_matrix(weight))
        self._rest.share(first, second, steps)

    def step(self) -> None:
        """Move the member's slices by their gradients."""
        for rule in (self._kernels, self._rest):
            rule.param_groups[0]["lr"] = self.param_groups[0]["lr"]
            rule.step()

    def tensors(self) -> State:
        """Nothing of its own: all state is shared."""
        return {}


class _Kernels(Muon):
    """Muon that forgets its momentum before each step: an orthogonal update has one size, so the gradient alone is left."""

    def step(self) -> None:
        for stack in self._stacks:
            stack.momentum.zero_()
        super().step()


class _Rest(Adam):
    """Adam whose moments are slices of shared tensors; steps are counted for each shared weight."""

    def share(self, first: State, second: State, steps: State) -> None:
        self._first = [cut(first[name], weight.shape) for name, weight in self.named]
        self._second = [cut(second[name], weight.shape) for name, weight in self.named]
        self._steps = [steps[name] for name, _ in self.named]
        self._fused = self._fused and all(weight.is_contiguous() for weight in self._weights)


class Member:
    """A network fetched from the shared weights: trained for a step, then put back; and the rule that moves it."""

    def __init__(self, network: Network, shared: SharedWeights) -> None:
        self.network = network
        parts = shared.supernet.parts(network)
        self.places, self._views = [part.place for part in parts], [part.view for part in parts]
        named = {part.parameter: part.place for part in reversed(parts)}  # a parameter of several places goes by the first
        self.weights: list[Tensor] = list(named)
        self.rule = SharedMuon([(place, weight) for weight, place in named.items()], shared.first, shared.second, shared.steps)
        self._shared = [part.of(shared.supernet.weights) for part in parts]
        self._averages = [part.of(shared.average) for part in parts]
        self._gains = [part.gain for part in parts]
        self._shares = [1 / part.gain for part in parts]

    @torch.no_grad()
    def fetch(self) -> None:
        """Take the weights from where they are shared."""
        torch._foreach_copy_(self._views, self._shared)
        torch._foreach_mul_(self._views, self._gains)

    @torch.no_grad()
    def put_back(self, decays: list[float]) -> None:
        """Hand the weights on, and let their averages follow."""
        torch._foreach_copy_(self._shared, torch._foreach_mul(self._views, self._shares))
        torch._foreach_lerp_(self._averages, self._shared, [1 - decay for decay in decays])


class SharedWeights:
    """The weights of a supernet in training, their average and the optimizer's moments.

    `average` follows each weight over the steps in which it took part, at a `decay` that grows from a short memory to that of about
    `1 / (1 - decay)` of these steps; members are judged, and inherit, by it.
    """

    def __init__(self, supernet: Supernet, compute: Compute, *, decay: float) -> None:
        self.supernet, self._compute, self._decay = supernet, compute, decay
        for name, value in supernet.weights.items():
            supernet.weights[name] = value.to(compute.device)
        self.average = {name: value.clone() for name, value in supernet.weights.items()}
        rest = {name: value for name, value in supernet.weights.items() if not is_matrix(value)}
        self.first, self.second = ({name: torch.zeros_like(value) for name, value in rest.items()} for _ in range(2))
        self.steps = {name: torch.zeros((), device=compute.device) for name in rest}
        self.visits = dict.fromkeys(supernet.weights, 0)
        self._ready: OrderedDict[str, Member] = OrderedDict()

    def member(self, genotype: Any) -> Member:
        """The member with its present weights, ready to be trained."""
        member = self._ready.pop(genotype.id, None) or Member(self._compute.place(self.supernet.blank(genotype)).train(), self)
        self._ready[genotype.id] = member
        if len(self._ready) > CACHED:
            self._ready.popitem(last=False)
        member.fetch()
        return member

    def loss(self, member: Member, inputs: list[Tensor], truth: Tensor) -> Tensor:
        """The mean squared error of the member with the best tail for its features on this very batch.

        Solving for the tail instead of training it (variable projection, Golub & Pereyra 1973) leaves the features as all that is
        shared: a tail that many members train in turn reads none of them, and drives their features astray. As the tail is the best in
        the sense of this error, its gradient is that of the features alone.
        """
        body = cast(Body, member.network.body)
        x = inputs[0] if len(inputs) == 1 else torch.cat(inputs, dim=1)
        folded = body.head(x)
        with self._compute.autocast():
            features = body.features(folded)
        with torch.no_grad():
            target = missing(body, x, folded, truth)
        kernel = kernel_of(body.tail)
        weight, bias = best_reader(features.detach(), target, kernel)
        with self._compute.autocast():
            output = F.conv2d(features, weight, bias, padding=kernel // 2)
        return F.mse_loss(output.float(), target)

    def teaches(self, member: Member, truth: Tensor) -> bool:
        """Whether a batch says anything of the member's features: a tail with about as many taps as pixels fits it whatever they are."""
        tail = cast(Body, member.network.body).tail
        inputs, outputs = (tail.inputs, tail.outputs) if isinstance(tail, Folded) else (tail.in_channels, tail.out_channels)
        return truth.numel() // outputs >= TELLING * inputs * kernel_of(tail) ** 2

    def learn(self, member: Member, loss: Tensor, rate: float) -> bool:
        """One step down `loss` for the member's slices; a loss or gradient that is no number changes nothing and gives False.

        Gradients are taken at one length in all: those of a member that is far off would drown all others in the shared moments.
        """
        gradients = list(torch.autograd.grad(loss, member.weights))
        length = torch.stack(torch._foreach_norm(gradients)).norm()
        if not bool(loss.isfinite() & length.isfinite()):
            return False
        torch._foreach_div_(gradients, length + 1e-12)
        for weight, gradient in zip(member.weights, gradients, strict=True):
            weight.grad = gradient
        member.rule.param_groups[0]["lr"] = rate
        member.rule.step()
        member.rule.zero_grad()
        member.put_back([self._visited(place) for place in member.places])
        return True

    def _visited(self, place: str) -> float:
        """The decay of an average whose weight was trained once more."""
        self.visits[place] += 1
        return min(self._decay, self.visits[place] / (self.visits[place] + AVERAGE_OVER))

    def inherit(self, genotype: Any) -> Network:
        """An ordinary network with the member's averaged layers and a quiet tail, on the processor."""
        return self.supernet.inherit(genotype, self.average)

    def pack(self) -> Packed:
        """A copy of the whole state."""
        copies = {name: value.detach().to("cpu", copy=True) for name, value in self._tensors()}
        return Packed(copies, {"visits": dict(self.visits)})

    @torch.no_grad()
    def unpack(self, packed: Packed) -> None:
        """Take on a whole state, bit for bit; `DataError` when it is of another supernet."""
        own = dict(self._tensors())
        odd = own.keys() ^ packed.tensors.keys()
        if odd:
            raise DataError(f"The checkpoint is of another supernet: `{min(odd)}` differs. Start the search anew with `--again`.")
        for name, value in own.items():
            value.copy_(packed.tensors[name])
        self.visits = {name: int(count) for name, count in packed.values["visits"].items()}

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        parts = {"weights": self.supernet.weights, "average": self.average, "first": self.first, "second": self.second, "steps": self.steps}
        for part, tensors in parts.items():
            for name, value in tensors.items():
                yield f"{part}/{name}", value
