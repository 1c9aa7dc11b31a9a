"""Android on this computer: glibc in the place of its C library, its other libraries replaced, and the NNAPI runtime doubled."""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

from pixsearch.bench import android

SOURCES = Path(__file__).parent
MACHINES = {
    "x86_64": (("cc", "gcc"), "ld-linux-x86-64.so.2"),
    "aarch64": (("aarch64-linux-gnu-gcc",), "ld-linux-aarch64.so.1"),
}
LIBRARIES = ("libc.so.6", "libm.so.6", "libdl.so.2", "libgcc_s.so.1")
_DYNAMIC = 2
_VERSIONS = {0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF}  # entries that bind symbols to versions of bionic


class Missing(Exception):
    """What this computer lacks for it."""


def find_aar(given: str | None) -> Path:
    """The AAR that was `given`, or the one that set-up keeps."""
    found = Path(given) if given else android.aar()
    if found is None:
        raise Missing("`pixsearch target setup android` (or --ort-android FILE.aar) gets ONNX Runtime for Android")
    return found


def find_compiler(machine: str) -> str:
    """A compiler for `machine` with glibc."""
    names, _ = MACHINES[machine]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise Missing(f"there is no compiler for {machine}; .ci/run installs it")
    return found


def make(*command: str, folder: Path) -> None:
    """Run a compiler."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)


def build_libraries(machine: str, folder: Path) -> None:
    """Android's libraries in `folder`: what glibc lacks under the name of its C library, glibc itself, and its loader as `linker64`."""
    compiler, (_, loader) = find_compiler(machine), MACHINES[machine]
    shared = [compiler, "-O1", "-w", "-fPIC", "-shared"]
    make(*shared, "-Wl,-soname,libc.so", "-o", "libc.so", str(SOURCES / "bionic.c"), folder=folder)
    make(*shared, "-o", "libneuralnetworks.so", str(SOURCES / "neuralnetworks.c"), folder=folder)
    for name in ("liblog.so", "libandroid.so"):
        make(*shared, f"-Wl,-soname,{name},--no-as-needed", "-o", name, "libc.so", folder=folder)
    for name in (*LIBRARIES, loader):
        asked = [compiler, f"-print-file-name={name}"]
        shutil.copy(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip(), folder / name)
    (folder / "libm.so").symlink_to("libm.so.6")
    (folder / "libdl.so").symlink_to("libdl.so.2")
    (folder / loader).rename(folder / "linker64")


def unversioned_aar(aar: Path, machine: str, place: Path) -> None:
    """A copy of `aar` at `place` with the library for `machine` alone, which any C library can load; named too as a phone's."""
    with zipfile.ZipFile(aar) as package:
        library = without_versions(package.read(f"jni/{android.ABIS[machine]}/libonnxruntime.so"))
    with zipfile.ZipFile(place, "w") as package:
        for abi in {android.ABIS[machine], android.ABIS["aarch64"]}:
            package.writestr(f"jni/{abi}/libonnxruntime.so", library)


class AndroidRuntime:
    """Sessions of ONNX Runtime for Android on x86_64; the built programs and libraries are in `folder`."""

    def __init__(self, aar: Path, folder: Path) -> None:
        if platform.machine() != "x86_64":
            raise Missing("it takes glibc on x86_64")
        self.folder = folder
        build_libraries("x86_64", folder)
        with zipfile.ZipFile(aar) as package:
            (folder / "libonnxruntime.so").write_bytes(without_versions(package.read("jni/x86_64/libonnxruntime.so")))
            for name in package.namelist():
                if name.startswith("headers/onnxruntime_") and name.endswith((".h", ".inc")):
                    (folder / Path(name).name).write_bytes(package.read(name))
        make(find_compiler("x86_64"), "-O1", "-w", "-I", ".", "-o", "session", str(SOURCES / "session.c"), folder=folder)

    def says(self, provider: str, model: Path, level: int = 31) -> str:
        """All that a session with this provider says while it opens `model`; AssertionError when it does not open."""
        folder = str(self.folder)
        environment = {**os.environ, "LD_LIBRARY_PATH": folder, "LD_PRELOAD": f"{folder}/libc.so", "NNAPI_LEVEL": str(level)}
        command = [f"{folder}/session", f"{folder}/libonnxruntime.so", provider, str(model)]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == 0, said[-2000:]
        return said

    def nnapi(self, model: Path, level: int) -> dict[str, bool]:
        """For each operator by its name whether the NNAPI provider claims it, before the graph is rewritten for it."""
        said = self.says("nnapi", model, level).partition("GetCapability, number of partitions")[0]
        found = re.findall(r"Node supported: \[(\d)\] Operator type: \[\w+\] index: \[\d+\] name: \[(.*?)\] as part of", said)
        return {name: claimed == "1" for claimed, name in found}

    def xnnpack(self, model: Path) -> int:
        """How many nodes of the final graph the XNNPACK provider has."""
        placed = re.search(r"placed on \[XnnpackExecutionProvider\]\. Number of nodes: (\d+)", self.says("xnnpack", model))
        return int(placed[1]) if placed else 0


def without_versions(library: bytes) -> bytes:
    """A 64-bit ELF library whose symbols are bound by their names alone, and whose strerror_r is bionic's."""
    data = bytearray(library)
    (table,) = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    headers = [struct.unpack_from("<IIQQQQQQ", data, table + number * size) for number in range(count)]
    _, _, offset, _, _, length, *_ = next(header for header in headers if header[0] == _DYNAMIC)
    entries = [struct.unpack_from("<qQ", data, offset + place) for place in range(0, length, 16)]
    kept = [entry for entry in entries if entry[0] not in _VERSIONS]
    for place, entry in enumerate([*kept, *[(0, 0)] * (len(entries) - len(kept))]):
        struct.pack_into("<qQ", data, offset + 16 * place, *entry)
    return bytes(data).replace(b"\0strerror_r\0", b"\0strerror_b\0", 1)
