"""What the targets behind a shell do beside running models: labels, chosen cores, cool-down, errors, what they leave behind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pixsearch.bench.measure import noise
from pixsearch.bench.targets import shell
from pixsearch.bench.targets.base import Repeat, open_target
from pixsearch.bench.targets.ssh import SshTarget
from pixsearch.errors import MachineError, UsageError
from pixsearch.infer.session import OnnxModel

ONCE = Repeat(warmup=0, count=1)


@pytest.fixture
def reached(ssh_options, monkeypatch) -> str:
    monkeypatch.setenv("PIXSEARCH_SSH_OPTIONS", ssh_options)
    return "ssh:127.0.0.1"


@pytest.mark.parametrize("argument", ["", "-oProxyCommand=touch /tmp/owned", "host+fast"])
def test_names_that_are_none(argument):
    with pytest.raises(UsageError):
        SshTarget(argument)


def test_a_machine_out_of_reach_is_told(monkeypatch, model):
    monkeypatch.setenv("PIXSEARCH_SSH_OPTIONS", "-p 1")
    with pytest.raises(MachineError, match=r"ssh to `127\.0\.0\.1` failed with code 255"):
        open_target("ssh:127.0.0.1").prepare(model, 1)


def test_the_runner_keeps_to_the_chosen_cores_and_leaves_only_the_bundle(reached, model):
    target = open_target(f"{reached}+0")
    assert target.label.endswith("on cores 0")
    inputs = noise(OnnxModel.open(model).card.signature, 24, 32)
    with target.prepare(model, 1) as prepared:
        prepared.run(inputs, ONCE, want_outputs=True)
        pid = target.shell(f"pgrep -n -f {target.bundle.folder.name}/[r]unner").strip()
        assert "Cpus_allowed_list:\t0\n" in Path(f"/proc/{pid}/status").read_text()
        assert len(target.shell(f"ls {target.folder}").split()) == 2
    assert target.shell(f"ls {target.folder}").split() == [target.bundle.folder.name]


def test_an_arm64_machine_gets_the_arm64_bundle(arm_ssh_options, monkeypatch, model):
    """A real sshd on loopback whose machine is an emulated one: carried over, loaded and run there are Arm's own kernels."""
    monkeypatch.setenv("PIXSEARCH_SSH_OPTIONS", arm_ssh_options)
    target = open_target("ssh:127.0.0.1")
    assert target.label.startswith("ssh 127.0.0.1: aarch64")
    here = OnnxModel.open(model)
    inputs = noise(here.card.signature, 24, 32)
    with target.prepare(model, 1) as prepared:
        measured = prepared.run(inputs, ONCE, want_outputs=True)
        runner = target.shell(f"pgrep -a -n -f {target.bundle.folder.name}/[r]unner")
        assert "qemu-aarch64" in runner
    assert target.bundle.machine == "aarch64"
    assert target.shell(f"head -c 20 {target.carried}/runner | od -A n -t x1 -j 18").split() == ["b7", "00"]  # EM_AARCH64
    np.testing.assert_allclose(measured.outputs["output"], here.run(inputs), atol=1e-5)


def test_a_lost_connection_is_told(reached, model):
    target = open_target(reached)
    with target.prepare(model, 1) as prepared:
        os.kill(prepared._child.pid, 9)
        with pytest.raises(MachineError, match=model.name):
            prepared.run(noise(OnnxModel.open(model).card.signature, 24, 32), ONCE)


def test_a_phone_tells_of_itself(adb_program, monkeypatch, model):
    monkeypatch.setenv("PATH", f"{adb_program.parent}:{os.environ['PATH']}")
    target = open_target("adb:127.0.0.1:5555")
    assert "Pretend 1" in target.label
    inputs = noise(OnnxModel.open(model).card.signature, 24, 32)
    with target.prepare(model, 1) as prepared:
        measured = prepared.run(inputs, ONCE)
    assert measured.conditions["before"]["temperatures_c"]["battery"] == 25.1
    assert set(measured.conditions) == {"before", "after"}


def test_no_such_phone(adb_program, monkeypatch, model):
    monkeypatch.setenv("PATH", f"{adb_program.parent}:{os.environ['PATH']}")
    with pytest.raises(MachineError, match="adb to `nobody`"):
        open_target("adb:nobody").prepare(model, 1)


class Warm(SshTarget):
    """A machine whose temperature falls while one looks at it."""

    def __init__(self, temperatures):
        super().__init__("warm")
        self.temperatures = list(temperatures)

    def state(self):
        return {"temperatures_c": {"cpu": self.temperatures.pop(0)}} if self.temperatures else {}


def test_it_waits_until_the_machine_is_as_cool_as_at_first(monkeypatch):
    slept = []
    monkeypatch.setattr(shell.time, "sleep", slept.append)
    target = Warm([40.0, 47.0, 44.0, 42.5, 60.0])
    target.cool_down()
    assert not slept
    target.cool_down()
    assert len(slept) == 2
    assert target.temperatures == [60.0]
    silent = Warm([])
    silent.cool_down()
    assert len(slept) == 2
