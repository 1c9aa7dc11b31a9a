"""What a training computes on, and what it leaves behind."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import torch

from pixsearch.errors import MachineError
from pixsearch.train import compute
from pixsearch.train.config import TrainConfig

Make = Callable[..., TrainConfig]


def test_threads_are_put_back(config: Make) -> None:
    before = torch.get_num_threads()
    with compute.choose(config(threads=before + 1)).in_charge():
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (8, 4)])
def test_half_of_the_cores_are_left_to_others(cores: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)), raising=False)
    assert compute.default_threads() == threads


@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_takes_bfloat16_where_it_is_native(native: bool, expected: str, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "multiplies_bfloat16", lambda: native)
    assert compute.choose(config(precision="auto", device="cpu")).precision == expected


def test_a_processor_of_unknown_features_computes_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert compute.multiplies_bfloat16() is False


def test_autocast_reaches_convolutions_and_nothing_else(config: Make) -> None:
    half = compute.choose(config(precision="bfloat16"))
    conv = half.place(torch.nn.Conv2d(3, 4, 3))
    with half.autocast():
        assert conv(half.move(torch.rand(2, 3, 8, 8))).dtype == torch.bfloat16
    assert conv.weight.dtype == torch.float32
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has a GPU")
def test_a_device_the_machine_lacks_is_named(config: Make) -> None:
    with pytest.raises(MachineError, match="`cuda`"):
        compute.choose(config(device="cuda"))
