"""Costs counted on the network itself, without computing it."""

from __future__ import annotations

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from pixsearch.nn.build import Network, deploy


def count_macs(network: Network, height: int, width: int) -> int:
    """Multiply-adds of the deploy form for one input of `height` × `width`: every convolution, fixed ones too."""
    plain = deploy(copy.deepcopy(network).to("meta")).eval()
    inputs = [torch.empty(1, port.channels, height, width, device="meta") for port in network.signature.inputs]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plain(*inputs)
    return int(counter.get_total_flops()) // 2


def count_params(network: Network) -> int:
    """Trained values of the deploy form."""
    return sum(value.numel() for value in deploy(copy.deepcopy(network).to("meta")).parameters())
