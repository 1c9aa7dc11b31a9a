"""The bundle for Android: what a phone's loader demands of the runner, and the whole way by adb, with glibc in the place of bionic.

The device is a real adbd on Linux, so this proves the runner, its providers and the way there; nothing of a phone's speed or drivers.
"""

from __future__ import annotations

import os
import platform
import struct

import numpy as np
import pytest

from pixsearch.bench import android, setup
from pixsearch.bench.measure import noise
from pixsearch.bench.targets.base import Repeat, open_target
from pixsearch.bench.targets.state import Facts
from pixsearch.bench.timing import left_to_cpu
from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.infer.session import OnnxModel

from ..android.system import Missing, find_aar, find_compiler, unversioned_aar
from .machines import android_adbd, needed

ONCE = Repeat(warmup=0, count=1)
MACHINE_OF = {"aarch64": 183, "x86_64": 62}
# Relocations that every version of Android's loader knows: relative, absolute, table entry, jump slot. No copies of its variables.
RELOCATIONS = {"aarch64": {1027, 257, 1025, 1026}, "x86_64": {8, 1, 6, 7}}
PHDR, DYNAMIC, INTERPRETER, THREAD_LOCAL, LOAD = 6, 2, 3, 7, 1
NEEDED, STRINGS, RELA, RELA_BYTES, JUMPS, JUMP_BYTES, GNU_HASH, TEXT_RELOCATIONS = 1, 5, 7, 8, 23, 2, 0x6FFFFEF5, 22


@pytest.fixture(params=["aarch64", "x86_64"])
def machine(request) -> str:
    if request.param == "x86_64" and platform.machine() != "x86_64":
        pytest.skip("a compiler for x86_64 is looked for on such a machine alone")
    return request.param


class Elf:
    """As much of a 64-bit program's headers as a loader reads; addresses are found by its segments."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        assert data[:6] == b"\x7fELF\x02\x01"
        self.type, self.machine = struct.unpack_from("<HH", data, 16)
        (table,) = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        self.segments = [struct.unpack_from("<IIQQQQQQ", data, table + number * size) for number in range(count)]
        offset, length = next((s[2], s[5]) for s in self.segments if s[0] == DYNAMIC)
        self.dynamic = [struct.unpack_from("<qQ", data, place) for place in range(offset, offset + length, 16)]

    def entry(self, tag: int) -> int:
        return next(value for name, value in self.dynamic if name == tag)

    def at(self, address: int) -> int:
        return next(s[2] + address - s[3] for s in self.segments if s[0] == LOAD and s[3] <= address < s[3] + s[5])

    def text(self, offset: int) -> str:
        return self.data[offset : self.data.index(b"\0", offset)].decode()

    @property
    def needed(self) -> list[str]:
        return [self.text(self.at(self.entry(STRINGS)) + value) for name, value in self.dynamic if name == NEEDED]

    @property
    def relocations(self) -> set[int]:
        found = set()
        for table, length in ((RELA, RELA_BYTES), (JUMPS, JUMP_BYTES)):
            start = self.at(self.entry(table))
            found |= {
                struct.unpack_from("<Q", self.data, place + 8)[0] & 0xFFFFFFFF for place in range(start, start + self.entry(length), 24)
            }
        return found


def test_the_runner_is_what_androids_loader_takes(machine, tmp_path):
    try:
        android.build_runner(machine, [find_compiler(machine)], tmp_path / "runner")
    except Missing as missing:
        pytest.skip(str(missing))
    elf = Elf((tmp_path / "runner").read_bytes())
    assert (elf.type, elf.machine) == (3, MACHINE_OF[machine])  # position-independent, as Android demands
    assert next(elf.text(s[2]) for s in elf.segments if s[0] == INTERPRETER) == "/system/bin/linker64"
    assert elf.needed == ["libc.so", "libdl.so"]
    assert elf.relocations <= RELOCATIONS[machine]
    assert TEXT_RELOCATIONS not in dict(elf.dynamic)
    assert GNU_HASH in dict(elf.dynamic)
    assert not [s for s in elf.segments if s[0] == THREAD_LOCAL]  # bionic wants one of 64 bytes' alignment, or none
    loads = [s for s in elf.segments if s[0] == LOAD]
    assert all(alignment == 16384 and (address - offset) % 16384 == 0 for _, _, offset, address, _, _, _, alignment in loads)
    assert not [flags for _, flags, *_ in loads if flags & 3 == 3]  # nothing both writable and executable


@pytest.fixture(scope="module", params=["x86_64", "aarch64"])
def phone(request, tmp_path_factory):
    """The environment in which `adb` reaches a device of that kind and set-up has kept a library that it can load."""
    if request.param == "x86_64" and platform.machine() != "x86_64":
        pytest.skip("this machine does not execute x86_64")
    try:
        aar, compiler = find_aar(request.config.getoption("--ort-android")), find_compiler(request.param)
    except Missing as missing:
        pytest.skip(f"ONNX RUNTIME FOR ANDROID WAS NOT RUN: {missing}")
    folder = tmp_path_factory.mktemp("android")
    with pytest.MonkeyPatch.context() as patch, android_adbd(folder, request.param) as program:
        patch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        patch.setenv("PIXSEARCH_TARGETS", str(folder / "targets"))
        unversioned_aar(aar, request.param, folder / "onnxruntime.aar")
        android.take_aar(folder / "onnxruntime.aar")
        android.assemble_android(request.param, [compiler])
        yield "adb:127.0.0.1:5555"


@pytest.fixture(scope="module")
def fixed(model, tmp_path_factory):
    """The model for one frame of 24×32: the providers of phones take no other."""
    import onnx

    proto = onnx.load(model)
    for port in (*proto.graph.input, *proto.graph.output):
        scale = 2 if port.name == "output" else 1
        for axis, side in zip(port.type.tensor_type.shape.dim[2:], (24, 32), strict=True):
            axis.dim_value = side * scale
    path = tmp_path_factory.mktemp("fixed") / "fixed.onnx"
    onnx.save(proto, path)
    return path


def test_a_provider_on_a_device(phone, model, fixed):
    """Of a model of one shape XNNPACK takes the convolutions and computes them; the rest is the CPU's, and both are told."""
    here = OnnxModel.open(model)
    inputs = noise(here.card.signature, 24, 32)
    target = open_target(f"{phone}+xnnpack")
    assert target.label.endswith("xnnpack on Android's own libraries")
    with target.prepare(fixed, 1) as prepared:
        measured = prepared.run(inputs, ONCE, want_outputs=True)
    assert measured.runtime.startswith("onnxruntime 1.")
    assert measured.provider == "XnnpackExecutionProvider"
    assert "nodes ran on the CPU" in left_to_cpu(measured.placed)
    np.testing.assert_allclose(measured.outputs["output"], here.run(inputs), atol=1e-5)


@pytest.mark.parametrize("phone", ["x86_64"], indirect=True)
def test_what_nnapi_is_handed_is_told_and_a_driver_that_fails_too(phone, model, fixed):
    target = open_target(f"{phone}+nnapi")
    inputs = noise(OnnxModel.open(model).card.signature, 24, 32)
    with target.prepare(fixed, 1) as prepared, pytest.raises(MachineError, match="ANEURALNETWORKS_OP_FAILED"):
        prepared.run(inputs, ONCE)
    with target.prepare(model, 1) as prepared:
        measured = prepared.run(inputs, ONCE)
    assert measured.provider == "CPUExecutionProvider"
    assert left_to_cpu(measured.placed).startswith("the provider takes none of it")


def test_how_much_was_left_to_the_cpu():
    assert left_to_cpu({}) == ""
    assert left_to_cpu({"NnapiExecutionProvider": 1}) == ""
    assert (
        left_to_cpu({"NnapiExecutionProvider": 1, "CPUExecutionProvider": 3}) == "3 of 4 nodes ran on the CPU, 1 on NnapiExecutionProvider."
    )
    assert left_to_cpu({"CPUExecutionProvider": 3}).startswith("the provider takes none of it")


def test_two_providers_are_one_too_many():
    with pytest.raises(UsageError, match="names 2 providers"):
        open_target("adb:+cpu+nnapi")
    assert open_target("adb:X+big+nnapi").cores == "big"


def test_without_set_up_the_command_is_named(monkeypatch, tmp_path):
    needed("adb")
    monkeypatch.setenv("PIXSEARCH_TARGETS", str(tmp_path))
    target = open_target("adb:+nnapi")
    target.__dict__["facts"] = Facts("aarch64", 8, "Pretend 1", {})
    with pytest.raises(MachineError, match="pixsearch target setup android"):
        target.bundle  # noqa: B018


def test_a_file_that_is_no_aar(monkeypatch, tmp_path):
    monkeypatch.setenv("PIXSEARCH_TARGETS", str(tmp_path / "targets"))
    (tmp_path / "some.aar").write_bytes(b"nothing")
    with pytest.raises(DataError, match="is no AAR"):
        android.take_aar(tmp_path / "some.aar")
    assert setup.needs("android")
