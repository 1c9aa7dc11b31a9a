"""The bundle for Android itself: ONNX Runtime out of its AAR, with NNAPI and XNNPACK, and a runner built for bionic without an NDK."""

from __future__ import annotations

import base64
import hashlib
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pixsearch.bench import tools
from pixsearch.bench.bundle import NATIVE, RUNNER, RUNTIME, SOURCES, STATEMENT, Bundle, making, sources_digest
from pixsearch.errors import DataError, MachineError

PROVIDERS = ("cpu", "xnnpack", "nnapi")
"""The execution providers of the AAR's library, by the names they are asked for."""

PACKAGE = "com.github.asus4.onnxruntime@0.4.9"
"""A package of npm, by a third party, that carries Microsoft's AAR of ONNX Runtime 1.29 (150 MB)."""
SHA512 = "BkzxduSZ9IkeDP6Q8lz2TFU2ie7hSSvS7ZIfzMooExoq0CNzJnuuGaUJ7IsojBgqO4ouD1jXah8OYyJbCN29Fg=="
IN_PACKAGE = "package/Plugins/Android/onnxruntime.aar"
ABIS = {"aarch64": "arm64-v8a", "x86_64": "x86_64"}
ABI_OPTIONS = {
    "aarch64": ("-ffixed-x18", "-mno-outline-atomics"),  # x18 is the system's: it holds the shadow call stack
    "x86_64": (),
}
BARE = ("-O2", "-fPIC", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-nostdlib", "-D__BIONIC__")
PAGES = "-Wl,-z,max-page-size=16384"  # Android 15 has phones with pages of 16 KB; larger alignment suits those of 4 KB


class AndroidBundle(Bundle):
    """Runner and ONNX Runtime for Android, which lends them its own loader and C library."""

    def command(self, folder: str) -> list[str]:
        """The runner as it is."""
        return [f"{folder}/{RUNNER}", f"{folder}/{RUNTIME}"]


def aar() -> Path | None:
    """The AAR that set-up keeps, if it is there."""
    place = _aar_place()
    return place if place.is_file() else None


def _aar_place() -> Path:
    return tools.home() / "onnxruntime.aar"


def take_aar(file: Path) -> None:
    """Keep a copy of `file`, which must be an AAR of ONNX Runtime; `DataError` for anything else."""
    _library_info(file, "aarch64")
    tools.home().mkdir(parents=True, exist_ok=True)
    part = _aar_place().with_suffix(".part")
    shutil.copy(file, part)
    part.replace(_aar_place())


def fetch_aar() -> None:
    """The AAR out of the pinned package, checked by its hash."""
    if tools.find("npm") is None:
        raise MachineError("npm is not installed to fetch ONNX Runtime for Android with. Install it, or give the AAR by `--aar FILE.aar`.")
    with tempfile.TemporaryDirectory(prefix="pixsearch-setup-") as scratch:
        tools.run(["npm", "pack", PACKAGE, "--silent", "--pack-destination", scratch], f"Downloading `{PACKAGE}`", timeout_s=1800.0)
        archive = next(Path(scratch).glob("*.tgz"))
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
            raise MachineError(
                f"npm gave another `{PACKAGE}` than the one that is pinned, so it is not used. Give the AAR by `--aar FILE.aar`."
            )
        with tarfile.open(archive) as package:
            package.extract(IN_PACKAGE, scratch, filter="data")
        take_aar(Path(scratch) / IN_PACKAGE)


def _library_info(file: Path, machine: str) -> zipfile.ZipInfo:
    """The entry of the library for `machine` in the AAR."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.getinfo(f"jni/{ABIS[machine]}/{RUNTIME}")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"`{file}` is no AAR of ONNX Runtime ({error}). Give the file `onnxruntime-android-VERSION.aar`.") from error


def folder_of(machine: str, file: Path) -> Path:
    """Where the bundle for `machine` belongs: another library or runner means another folder."""
    digest = sources_digest(*SOURCES, "bionic.h", "android.c")
    return tools.home() / f"android-{machine}-{_library_info(file, machine).CRC:08x}-{digest}"


def find_android(machine: str) -> AndroidBundle | None:
    """The bundle for Android on `machine`, if it was put together."""
    file = aar()
    folder = folder_of(machine, file) if file else None
    return AndroidBundle(machine, folder) if folder and (folder / STATEMENT).is_file() else None


def assemble_android(machine: str, compiler: Sequence[str]) -> AndroidBundle:
    """Compile the runner for bionic with any C compiler for `machine`, take the library out of the AAR."""
    file = aar()
    if file is None:
        raise MachineError("There is no AAR of ONNX Runtime here. Run `pixsearch target setup android`.")
    folder = folder_of(machine, file)
    with making(folder, {"machine": machine, "aar": _library_info(file, machine).filename}) as building:
        library = _library_info(file, machine)
        with zipfile.ZipFile(file) as archive, archive.open(library) as source, (building / RUNTIME).open("wb") as destination:
            shutil.copyfileobj(source, destination)
        build_runner(machine, compiler, building / RUNNER)
    return AndroidBundle(machine, folder)


def build_runner(machine: str, compiler: Sequence[str], place: Path) -> None:
    """The runner at `place`, linked against stubs that only name what Android's own libraries have."""
    options = [*compiler, *BARE, *ABI_OPTIONS[machine], PAGES]
    with tempfile.TemporaryDirectory(prefix="pixsearch-stubs-") as scratch:
        empty = Path(scratch) / "empty.c"
        empty.write_text("typedef int nothing;\n")
        stubs = [str(Path(scratch) / name) for name in ("libc.so", "libdl.so")]
        for stub, source in zip(stubs, (NATIVE / "android.c", empty), strict=True):
            name = f"-Wl,-soname,{Path(stub).name}"
            tools.run([*options, "-w", "-DSTUBS", "-shared", name, "-o", stub, str(source)], "Compiling a stub of Android's C library")
        sources = [str(NATIVE / name) for name in ("runner.c", "android.c")]
        linked = ["-pie", "-Wl,--no-as-needed", "-Wl,-dynamic-linker,/system/bin/linker64"]
        tools.run([*options, *linked, "-o", str(place), *sources, *stubs], "Compiling the runner for Android")
    place.chmod(0o755)
