"""Fetch what a target lacks into the user's cache, without root: a wheel by pip, programs and libraries by apt-get and dpkg."""

from __future__ import annotations

import shutil
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pixsearch.bench import tools
from pixsearch.bench.bundle import onnxruntime_version
from pixsearch.errors import MachineError

PLATFORMS = ("manylinux_2_27_aarch64", "manylinux_2_28_aarch64", "manylinux_2_34_aarch64")


def arm_runtime(folder: Path) -> Path:
    """The C library out of the aarch64 wheel of the ONNX Runtime version that is installed here, unpacked into `folder`."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    wheel = _by_pip(f"onnxruntime=={onnxruntime_version()}", folder, ["--only-binary=:all:", *platforms])
    with zipfile.ZipFile(wheel) as archive:
        inside = next((n for n in archive.namelist() if "/capi/libonnxruntime.so." in n), None)
        if inside is None:
            raise MachineError(f"`{wheel.name}` holds no libonnxruntime. Install another version of onnxruntime and set up again.")
        with archive.open(inside) as source, (folder / "libonnxruntime.so").open("wb") as destination:
            shutil.copyfileobj(source, destination)
    return folder / "libonnxruntime.so"


def _by_pip(requirement: str, folder: Path, options: Sequence[str]) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    tools.run([*pip, *options, requirement], f"Downloading `{requirement}`")
    return next(folder.glob(f"{requirement.partition('=')[0]}-*.whl"))


def zig() -> None:
    """The C compiler of PyPI's ziglang, as `zig-cc` (this machine) and `zig-cc-arm64` among the fetched programs."""
    place = tools.home() / "zig"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(place), "ziglang"]
    tools.run(pip, "Installing `ziglang`")
    for name, options in (("zig-cc", ""), ("zig-cc-arm64", "-target aarch64-linux-gnu.2.28")):
        _wrap(name, f'PYTHONPATH="{place}" exec "{sys.executable}" -m ziglang cc {options} "$@"')


def packages(names: Sequence[str]) -> Path:
    """The Debian packages `names`, unpacked into a folder of their own, which is returned; nothing is installed."""
    if tools.find("apt-get") is None or tools.find("dpkg-deb") is None:
        wanted = ", ".join(names)
        raise MachineError(f"There is no apt-get here to fetch {wanted} with. Install the programs by this machine's package manager.")
    place = tools.home() / "packages"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pixsearch-setup-") as scratch:
        tools.run(["apt-get", "download", "--quiet", *names], f"Downloading {', '.join(names)}", folder=Path(scratch))
        for package in sorted(Path(scratch).glob("*.deb")):
            tools.run(["dpkg-deb", "--extract", str(package), str(place)], f"Unpacking `{package.name}`")
    return place


def programs(names: Sequence[str], commands: Mapping[str, str]) -> None:
    """Programs out of the packages `names`, with their libraries, among the fetched ones: `commands` are paths within by name."""
    place = packages(names)
    triplet = next(iter(place.glob("usr/lib/*-linux-gnu")), place / "usr" / "lib")
    libraries = ":".join(map(str, (triplet, place / "usr/lib/llvm-19/lib")))
    for name, inside in commands.items():
        _wrap(name, f'LD_LIBRARY_PATH="{libraries}" exec "{place / inside}" "$@"')


def _wrap(name: str, line: str) -> None:
    folder = tools.home() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{line}\n")
    (folder / name).chmod(0o755)
