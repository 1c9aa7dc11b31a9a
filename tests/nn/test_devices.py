"""Devices are picked by name, and what the machine lacks is said."""

from __future__ import annotations

import pytest
import torch

from pixsearch.errors import MachineError, UsageError
from pixsearch.nn.build import build
from pixsearch.nn.devices import pick_device
from pixsearch.signature import Port, Signature
from pixsearch.space.named import named

SR = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))


def test_the_cpu_is_always_there():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_torch_does_not_know():
    with pytest.raises(UsageError, match="`abacus`"):
        pick_device("abacus")


@pytest.mark.parametrize("name", ["cuda:77", "xpu", "meta"])
def test_a_device_the_machine_lacks(name):
    with pytest.raises(MachineError, match=f"`{name}`"):
        pick_device(name)


def test_the_gpu_is_chosen_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device().type == "cuda"
    assert pick_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize("name", ["plain-m2c8", "ecbsr-m2c8", "fsrcnn", "espcn"])
def test_channels_last_gives_the_same(name):
    network = build(named(name, SR)[1], SR)
    x = torch.rand(2, 1, 9, 7)
    with torch.no_grad():
        expected = network(x)
        found = network.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(found, expected, atol=1e-5)
