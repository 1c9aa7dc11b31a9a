"""What is carried to a target: runner, ONNX Runtime, and the loader and libraries of C to run them on any Linux of its kind."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pixsearch.bench import tools
from pixsearch.errors import MachineError

NATIVE = Path(__file__).parent / "native"
LOADERS = {"aarch64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}
LIBRARIES = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1")
RUNNER, RUNTIME = "runner", "libonnxruntime.so"
SOURCES = ("runner.c", "ort.h", "power.h", "provider.h")
STATEMENT = "bundle.json"


@dataclass(frozen=True)
class Bundle:
    """A complete bundle for machines that call themselves `machine`, all of it in `folder`."""

    machine: str
    folder: Path

    @property
    def files(self) -> list[Path]:
        """Everything to carry over."""
        return sorted(path for path in self.folder.iterdir() if path.name != STATEMENT)

    @property
    def size_bytes(self) -> int:
        """What carrying it over costs."""
        return sum(path.stat().st_size for path in self.files)

    def command(self, folder: str) -> list[str]:
        """How the runner is started from a copy in `folder`, before its own arguments (MODEL THREADS …)."""
        return [f"{folder}/{LOADERS[self.machine]}", "--library-path", folder, f"{folder}/{RUNNER}", f"{folder}/{RUNTIME}"]


def onnxruntime_version() -> str:
    """The version that is installed here: every target runs the same."""
    return version("onnxruntime")


def sources_digest(*names: str) -> str:
    """A short digest of native sources, so that a changed one is compiled anew."""
    return hashlib.blake2b(b"".join((NATIVE / name).read_bytes() for name in names), digest_size=4).hexdigest()


def folder_of(machine: str) -> Path:
    """Where the bundle for `machine` belongs: another runtime or runner means another folder."""
    return tools.home() / f"{machine}-onnxruntime-{onnxruntime_version()}-{sources_digest(*SOURCES)}"


def find_bundle(machine: str) -> Bundle | None:
    """The bundle for `machine`, if it was put together."""
    folder = folder_of(machine)
    return Bundle(machine, folder) if (folder / STATEMENT).is_file() else None


def assemble(machine: str, compile_command: Sequence[str], runtime: Path, libraries: Sequence[Path]) -> Bundle:
    """Compile the runner, copy the rest beside it."""
    folder = folder_of(machine)
    with making(folder, {"machine": machine, "onnxruntime": onnxruntime_version()}) as building:
        for source in libraries:
            shutil.copy(source, building / source.name)
        shutil.copy(runtime, building / RUNTIME)
        tools.run([*compile_command, "-O2", "-o", str(building / RUNNER), str(NATIVE / "runner.c"), "-ldl"], "Compiling the runner")
        for name in (RUNNER, LOADERS[machine]):
            (building / name).chmod(0o755)
    return Bundle(machine, folder)


@contextmanager
def making(folder: Path, statement: Mapping[str, str]) -> Iterator[Path]:
    """A folder to fill in place of `folder`, which appears whole, with its statement, or not at all."""
    building = folder.with_name(folder.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    yield building
    (building / STATEMENT).write_text(json.dumps(dict(statement)))
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def own_bundle() -> Bundle:
    """The bundle for machines like this one, out of what is installed here; put together when it is first asked for."""
    machine = platform.machine()
    if machine not in LOADERS:
        raise MachineError(f"There is no bundle for `{machine}` machines. Known: {', '.join(LOADERS)}.")
    return find_bundle(machine) or assemble(machine, [str(_compiler())], _own_runtime(), _own_libraries(machine))


def _compiler() -> Path:
    found = tools.find("cc", "gcc", "clang", "zig-cc")
    if found is None:
        raise MachineError("There is no C compiler here to build the runner with. Install `gcc`.")
    return found


def _own_runtime() -> Path:
    import onnxruntime

    found = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not found:
        raise MachineError(f"ONNX Runtime {onnxruntime.__version__} was installed without its C library. Install its wheel by pip.")
    return found[0]


def _own_libraries(machine: str) -> list[Path]:
    """This machine's loader and libraries, as its own loader finds them."""
    said = subprocess.run(["ldd", str(_own_runtime())], capture_output=True, text=True, check=False).stdout
    places = {Path(path).name: Path(path) for path in re.findall(r"(/\S+)", said)}
    if not {"libc.so.6", LOADERS[machine]} <= set(places):
        raise MachineError("This machine's C library is not glibc, so no bundle can be made of it. Use a Linux with glibc.")
    beside = places["libc.so.6"].parent
    wanted = {name: places.get(name, beside / name) for name in (LOADERS[machine], *LIBRARIES)}
    return [path for path in wanted.values() if path.is_file()]
