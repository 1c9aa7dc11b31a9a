"""Machines to test remote targets on: a real sshd on loopback, and a real adbd in a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pixsearch.bench import setup
from pixsearch.errors import MachineError

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


@contextmanager
def sshd(folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Options of ssh that reach a server on loopback, which takes this user's new key; `environment` is what its shells see."""
    server, keygen, _ = needed("sshd", "ssh-keygen", "ssh")
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port, home = free_port(), folder / "home"
    home.mkdir()
    settings = {"HOME": str(home), **(environment or {})}
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'authorized'}\n"
        f'PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nForceCommand cd {home} && eval "$SSH_ORIGINAL_COMMAND"\n'
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
exec chroot "$root" /bin/sh -c 'cd / && PATH="$1/bin:$PATH" exec "$2"' sh "$1" "$2"
"""


@contextmanager
def adbd(folder: Path, tools: dict[str, str] | None = None) -> Iterator[Path]:
    """A program `adb` that reaches a device in a namespace; `tools` are shell scripts on its PATH, by name."""
    device, adb, unshare, nsenter, _ = needed("adbd", "adb", "unshare", "nsenter", "ip")
    (folder / "bin").mkdir()
    for name, text in (tools or {}).items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / "bin" / name).chmod(0o755)
    command = [unshare, "-U", "-r", "-n", "-m", "--", "sh", "-c", DEVICE, "sh", str(folder), device]
    with (folder / "adbd.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
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
