"""Machines to test remote targets on: a real sshd on loopback, and a real adbd in a network namespace of its own."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pixsearch.bench import setup
from pixsearch.bench.modelled.cores import CORES, write_cpuinfo
from pixsearch.errors import MachineError

from ..android.system import build_libraries

PATIENCE_S = 60.0


def needed(*programs: str) -> list[str]:
    """The programs' paths, or a skip that says what is missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/lib/android-sdk/platform-tools"
    found = {name: shutil.which(name, path=path) for name in programs}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing on this machine; .ci/run installs it")
    return [place for place in found.values() if place]


def require(target: str) -> None:
    """Skip, loudly, where the machine lacks what `target` needs."""
    try:
        setup.check(target)
    except MachineError as reason:
        pytest.skip(str(reason))


def wait_for(ready, what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come up within {PATIENCE_S:g} s")
        time.sleep(0.1)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# Inside a namespace: files for arm64 are executed by qemu-user.
ARM = r"""
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit
elf='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
bits='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":arm64:M::$elf:$bits:@QEMU@:F" > /proc/sys/fs/binfmt_misc/register || exit
"""
UNAME = "echo aarch64"


def emulated_arm(folder: Path) -> tuple[str, dict[str, str]]:
    """What a shell does in a namespace to execute files for arm64 there, and the environment they need; `folder` keeps what they see."""
    unshare, qemu = needed("unshare", "qemu-aarch64")
    able = subprocess.run(
        [unshare, "-U", "-r", "-m", "mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"], capture_output=True, check=False
    )
    if able.returncode:
        pytest.skip(f"this kernel has no binfmt_misc for namespaces (Linux 6.7 has): {able.stderr.decode().strip()}")
    write_cpuinfo(CORES["a76"], folder / "root")
    return ARM.replace("@QEMU@", qemu), {"QEMU_CPU": CORES["a76"].emulated, "QEMU_LD_PREFIX": str(folder / "root")}


def scripts(folder: Path, texts: dict[str, str]) -> None:
    """Shell scripts in `folder`, by name."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


@contextmanager
def arm_sshd(folder: Path) -> Iterator[str]:
    """Like `sshd`, but what its shells start may be for arm64: qemu-user executes it, each command in namespaces of its own."""
    (unshare,) = needed("unshare")
    lines, machine = emulated_arm(folder)
    scripts(folder / "bin", {"uname": UNAME})
    (folder / "arm.sh").write_text(f'{lines}eval "$SSH_ORIGINAL_COMMAND"\n')
    machine["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    with sshd(folder, machine, f"exec {unshare} -U -r -m sh {folder / 'arm.sh'}") as options:
        yield options


@contextmanager
def sshd(folder: Path, environment: dict[str, str] | None = None, started: str = 'eval "$SSH_ORIGINAL_COMMAND"') -> Iterator[str]:
    """Options of ssh that reach a server on loopback, which takes this user's new key.

    `environment` is what its shells see, `started` how they run what ssh asks for.
    """
    server, keygen, _ = needed("sshd", "ssh-keygen", "ssh")
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port, home = free_port(), folder / "home"
    home.mkdir()
    settings = {"HOME": str(home), **(environment or {})}
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'authorized'}\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nForceCommand cd {home} && {started}\n"
        f"SetEnv {' '.join(f'{name}={value}' for name, value in settings.items())}\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "sshd.log").open("w") as log:
        process = subprocess.Popen([server, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        wait_for(lambda: answers(port) or process.poll() is not None, "sshd")
        if process.poll() is not None:
            pytest.skip(f"sshd cannot run here: {(folder / 'sshd.log').read_text()[-300:]}")
        yield f"-p {port} -i {folder / 'user'} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    finally:
        process.terminate()
        process.wait()


# Inside the namespace: loopback alone (adbd listens on every address) and a root of its own with Android's /data and /system.
DEVICE = r"""
set -e
ip link set lo up
root="$1/root"
mkdir "$root" && mount -t tmpfs none "$root"
for top in /*; do
  case "$top" in /data|/system) continue;; esac
  if [ -L "$top" ]; then cp -P "$top" "$root$top"; elif [ -d "$top" ]; then mkdir "$root$top" && mount --rbind "$top" "$root$top"; fi
done
mkdir -p "$root/data/local/tmp" "$root/system/bin" && ln -s /bin/sh "$root/system/bin/sh"
if [ -e "$1/lib64" ]; then cp -a "$1/lib64" "$root/system" && ln -s ../lib64/linker64 "$root/system/bin/linker64"; fi
if [ -e "$1/arm.sh" ]; then . "$1/arm.sh"; fi
exec chroot "$root" /bin/sh -c 'cd / && PATH="$1/bin:$PATH" exec "$2"' sh "$1" "$2"
"""


@contextmanager
def android_adbd(folder: Path, machine: str) -> Iterator[Path]:
    """Like `adbd`, but the device has Android's loader and libraries; one for aarch64 executes its files by qemu-user."""
    (folder / "lib64").mkdir()
    build_libraries(machine, folder / "lib64")
    if machine == platform.machine():
        with adbd(folder, environment={"LD_LIBRARY_PATH": "/system/lib64"}) as program:
            yield program
        return
    lines, environment = emulated_arm(folder)
    (folder / "arm.sh").write_text(lines)
    with adbd(folder, {"uname": UNAME}, {**environment, "QEMU_SET_ENV": "LD_LIBRARY_PATH=/system/lib64"}) as program:
        yield program


@contextmanager
def adbd(folder: Path, tools: dict[str, str] | None = None, environment: dict[str, str] | None = None) -> Iterator[Path]:
    """A program `adb` that reaches a device in a namespace; `tools` are shell scripts on its PATH, by name."""
    device, adb, unshare, nsenter, _ = needed("adbd", "adb", "unshare", "nsenter", "ip")
    scripts(folder / "bin", tools or {})
    command = [unshare, "-U", "-r", "-n", "-m", "--", "sh", "-c", DEVICE, "sh", str(folder), device]
    with (folder / "adbd.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})
    wrapper = folder / "adb"
    inside = f'exec {nsenter} -t {process.pid} --preserve-credentials -U -n -- {adb} "$@"'
    wrapper.write_text(f"#!/bin/sh\nexport HOME={folder}\n{inside}\n")
    wrapper.chmod(0o755)
    try:
        wait_for(lambda: process.poll() is not None or _connected(wrapper), "adbd")
        if process.poll() is not None:
            pytest.skip(f"adbd cannot run here: {(folder / 'adbd.log').read_text()[-300:]}")
        yield wrapper
    finally:
        subprocess.run([str(wrapper), "kill-server"], capture_output=True, check=False)
        process.terminate()
        process.wait()


def _connected(adb: Path) -> bool:
    done = subprocess.run([str(adb), "connect", "127.0.0.1:5555"], capture_output=True, text=True, check=False)
    state = subprocess.run([str(adb), "-s", "127.0.0.1:5555", "get-state"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and state.stdout.strip() == "device"
