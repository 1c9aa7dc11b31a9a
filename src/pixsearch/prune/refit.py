"""Give a network that was just cut the best weights in closed form, layer by layer: what the whole one computes, by least squares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pixsearch.nn.build import Network
from pixsearch.nn.readout import best_reader, install
from pixsearch.prune.anatomy import anatomy_of

RIDGE = 1e-5  # of a tap's variance; more of it would give up fine detail, which neighbouring taps differ by


@torch.no_grad()
def refit(sliced: Network, outputs: Mapping[str, Sequence[int] | None], inputs: Sequence[Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Fit the convolutions of `sliced` (in place), one after another, to what those of the whole network gave.

    `wanted` is what `answers` found for the whole network on the same `inputs`, `outputs` which of its channels stay
    (`slicing.outputs_kept`). Each convolution that mixes channels sees what the fitted ones before it make, so it makes up for
    channels that are gone as far as those that stay can (He et al. 2017; ThiNet, Luo et al. 2017). Kernels that are computed for every
    picture are left as they are, and so is a transposed convolution.
    """
    for name, staying in outputs.items():
        conv = sliced.body.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        with _heard(sliced, [name]) as heard:
            sliced(*inputs)
        features, _ = heard[name]
        if bool(features.isfinite().all()):
            target = wanted[name] if staying is None else wanted[name][:, list(staying)]
            _fit(conv, features, target)


def _fit(conv: nn.Conv2d, features: Tensor, target: Tensor) -> None:
    """The best reader in the place of `conv`, group by group."""
    pairs = zip(features.chunk(conv.groups, 1), target.chunk(conv.groups, 1), strict=True)
    found = [best_reader(*pair, conv.kernel_size[0], ridge=RIDGE, dilation=conv.dilation[0]) for pair in pairs]
    install(conv, torch.cat([weight for weight, _ in found]), torch.cat([bias for _, bias in found]))


@torch.no_grad()
def answers(network: Network, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """What every convolution that `refit` fits gives in the whole network: (N, C, H, W) by its name."""
    with _heard(network, anatomy_of(network.genotype, network.signature).mixing) as heard:
        network(*inputs)
    return {name: output for name, (_, output) in heard.items()}


@contextmanager
def _heard(network: Network, names: Sequence[str]) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """(input, output) of these modules during the next forward pass; frames of a sequence one after another in N."""
    heard: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            before = heard.get(name)
            heard[name] = (inputs[0], output) if before is None else (torch.cat([before[0], inputs[0]]), torch.cat([before[1], output]))

        return hook

    hooks = [network.body.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
