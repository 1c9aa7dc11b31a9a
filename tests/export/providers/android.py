"""ONNX Runtime for Android on this computer: its library out of the AAR, Android's own libraries replaced, the NNAPI runtime doubled."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "com.github.asus4.onnxruntime@0.4.9"
"""A package of npm, by a third party, that carries Microsoft's AAR of ONNX Runtime 1.29 (150 MB)."""

SHA512 = "BkzxduSZ9IkeDP6Q8lz2TFU2ie7hSSvS7ZIfzMooExoq0CNzJnuuGaUJ7IsojBgqO4ouD1jXah8OYyJbCN29Fg=="
IN_PACKAGE = "package/Plugins/Android/onnxruntime.aar"
SOURCES = Path(__file__).parent / "android"
_DYNAMIC = 2
_VERSIONS = {0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF}  # entries that bind symbols to versions of bionic


class Missing(Exception):
    """What this computer lacks for it."""


def fetch_aar() -> Path:
    """The AAR out of the pinned package, checked by its hash; kept in the folder of temporary files."""
    if shutil.which("npm") is None:
        raise Missing("npm is not installed; give the AAR of ONNX Runtime by --ort-android FILE.aar")
    folder = Path(tempfile.gettempdir()) / f"{PACKAGE.replace('@', '-')}-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    archive = folder / f"{PACKAGE.replace('@', '-')}.tgz"
    if not archive.exists():
        command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        except subprocess.TimeoutExpired:
            raise Missing(f"npm gave no `{PACKAGE}` within 15 minutes") from None
        if done.returncode or not archive.exists():
            raise Missing(f"npm gave no `{PACKAGE}`: {done.stderr.strip()[-300:]}")
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
        archive.unlink()
        raise AssertionError(f"`{PACKAGE}` is not the package that was pinned")
    with tarfile.open(archive) as package:
        package.extract(IN_PACKAGE, folder, filter="data")
    return folder / IN_PACKAGE


class AndroidRuntime:
    """The built programs and libraries in `folder`."""

    def __init__(self, aar: Path, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        libc = _mapped("libc.so.6")
        if compiler is None or libc is None or platform.machine() != "x86_64":
            raise Missing("it takes a C compiler and glibc on x86_64")
        self.folder = folder
        with zipfile.ZipFile(aar) as package:
            (folder / "libonnxruntime.so").write_bytes(without_versions(package.read("jni/x86_64/libonnxruntime.so")))
            (folder / "onnxruntime_c_api.h").write_bytes(package.read("headers/onnxruntime_c_api.h"))
            for name in package.namelist():
                if name.startswith("headers/onnxruntime_") and name.endswith((".h", ".inc")):
                    (folder / Path(name).name).write_bytes(package.read(name))
        shared = [compiler, "-O1", "-w", "-fPIC", "-shared"]
        self._make(*shared, "-o", "libbionic.so", str(SOURCES / "bionic.c"))
        self._make(*shared, "-o", "libneuralnetworks.so", str(SOURCES / "neuralnetworks.c"))
        self._make(compiler, "-O1", "-w", "-I", ".", "-o", "session", str(SOURCES / "session.c"))
        for name in ("liblog.so", "libandroid.so"):
            shutil.copy(folder / "libbionic.so", folder / name)
        for name, real in (("libc.so", libc), ("libm.so", libc.with_name("libm.so.6")), ("libdl.so", libc.with_name("libdl.so.2"))):
            (folder / name).symlink_to(real)

    def _make(self, *command: str) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)

    def says(self, provider: str, model: Path, level: int = 31) -> str:
        """All that a session with this provider says while it opens `model`; AssertionError when it does not open."""
        folder = str(self.folder)
        environment = {**os.environ, "LD_LIBRARY_PATH": folder, "LD_PRELOAD": f"{folder}/libbionic.so", "NNAPI_LEVEL": str(level)}
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


def _mapped(name: str) -> Path | None:
    """The library called `name` that this very process uses."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    return next((Path(line.split()[-1]) for line in lines if line.endswith(f"/{name}")), None)


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
