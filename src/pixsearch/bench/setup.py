"""Set a target up: what it needs, where each piece is, what is missing and how large it would be to fetch."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pixsearch.bench import android, fetch, tools
from pixsearch.bench.bundle import LIBRARIES, LOADERS, NATIVE, assemble, find_bundle, onnxruntime_version, own_bundle, sources_digest
from pixsearch.errors import MachineError, UsageError
from pixsearch.registry import closest

CROSS = Path("usr/aarch64-linux-gnu/lib")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Piece:
    """Something a target needs: what it is for, where it was found (None: missing), and what set-up does about it."""

    name: str
    purpose: str
    find: Callable[[], Path | None]
    get: Callable[[], None] | None
    cost: str

    @property
    def place(self) -> Path | None:
        """Where it is."""
        return self.find()


def plugin() -> Path | None:
    """The compiled plugin that counts instructions, if it is there."""
    path = _plugin_path()
    return path if path.is_file() else None


def _plugin_path() -> Path:
    return tools.home() / f"count-{sources_digest('count.c')}.so"


def _compile_plugin() -> None:
    compiler = _needed(tools.find("cc", "gcc", "clang", "zig-cc"), "a C compiler")
    tools.home().mkdir(parents=True, exist_ok=True)
    options = ["-O2", "-shared", "-fPIC", "-o", str(_plugin_path()), str(NATIVE / "count.c")]
    tools.run([str(compiler), *options], "Compiling the counting plugin")


def steady() -> Path | None:
    """The compiled library that keeps an emulated program's instructions the same on a busy machine, if it is there."""
    path = _steady_path()
    return path if path.is_file() else None


def _steady_path() -> Path:
    return tools.home() / f"steady-{sources_digest('steady.c')}.so"


def _compile_steady() -> None:
    compiler = _needed(_cross_compiler(), "a C compiler for arm64")
    tools.home().mkdir(parents=True, exist_ok=True)
    options = ["-O2", "-shared", "-fPIC", "-o", str(_steady_path()), str(NATIVE / "steady.c")]
    tools.run([str(compiler), *options], "Compiling the emulated program's clock")


def _needed(found: Path | None, what: str) -> Path:
    if found is None:
        raise MachineError(f"There is no {what.removeprefix('a ')} on this machine, and set-up could not fetch one. Install {what}.")
    return found


def _cross_compiler() -> Path | None:
    """A compiler for arm64 that has its C library's headers; a bare one is of no use."""
    found = tools.find("aarch64-linux-gnu-gcc")
    headers = Path("/usr/aarch64-linux-gnu/include/bits/wordsize.h")
    return found if found and headers.is_file() else tools.find("zig-cc-arm64")


def _arm_libraries() -> Path | None:
    """The folder with arm64's loader, C and C++ libraries: an installed cross compiler's, or the fetched one."""
    wanted = (LOADERS["aarch64"], *LIBRARIES)
    places = (Path("/") / CROSS, tools.home() / "packages" / CROSS)
    return next((place for place in places if all((place / name).is_file() for name in wanted)), None)


def _arm_bundle() -> Path | None:
    found = find_bundle("aarch64")
    return found.folder if found else None


def _assemble_arm() -> None:
    compiler = _needed(_cross_compiler(), "a C compiler for arm64")
    place = _needed(_arm_libraries(), "a C library for arm64")
    with tempfile.TemporaryDirectory(prefix="pixsearch-setup-") as scratch:
        runtime = fetch.arm_runtime(Path(scratch))
        assemble("aarch64", [str(compiler)], runtime, [place / name for name in (LOADERS["aarch64"], *LIBRARIES)])


def _bare_compiler() -> Path | None:
    """A compiler for arm64, with or without a C library: Android's is declared among the runner's sources."""
    return tools.find("aarch64-linux-gnu-gcc", "zig-cc-arm64")


def _android_bundle() -> Path | None:
    found = android.find_android("aarch64")
    return found.folder if found else None


def _assemble_android() -> None:
    android.assemble_android("aarch64", [str(_needed(_bare_compiler(), "a C compiler for arm64"))])


def android_bundle(machine: str) -> android.AndroidBundle:
    """The bundle for Android on `machine`: a phone's (aarch64), or an emulator's (x86_64), which is put together when first asked for."""
    if machine not in android.ABIS:
        raise MachineError(f"There is no bundle for Android on `{machine}` machines. Known: {', '.join(android.ABIS)}.")
    found = android.find_android(machine)
    if found is None and machine == os.uname().machine and android.aar():
        found = android.assemble_android(machine, [str(_needed(tools.find("cc", "gcc", "clang", "zig-cc"), "a C compiler"))])
    if found is None:
        check("android")
        raise MachineError(f"The bundle for Android on `{machine}` can be put together on such a machine alone. Run pixsearch there.")
    return found


def _get_qemu() -> None:
    fetch.programs(["qemu-user", "libcapstone4", "liburing2"], {"qemu-aarch64": "usr/bin/qemu-aarch64"})


def _get_llvm() -> None:
    names = ["llvm-19", "libllvm19", "libz3-4", "libedit2", "libbsd0", "libxml2"]
    fetch.programs(names, {f"{name}-19": f"usr/lib/llvm-19/bin/{name}" for name in ("llvm-mc", "llvm-mca")})


def _get_libraries() -> None:
    fetch.packages(["libc6-arm64-cross", "libstdc++6-arm64-cross", "libgcc-s1-arm64-cross"])


ARM_BUNDLE = (
    Piece("C compiler for arm64", "compiles the runner", _cross_compiler, fetch.zig, "PyPI's ziglang, 101 MB (410 MB unpacked)"),
    Piece("C and C++ libraries for arm64", "let the runner run on any arm64 Linux", _arm_libraries, _get_libraries, "3 packages, 1.6 MB"),
    Piece("arm64 bundle", "ONNX Runtime and its runner", _arm_bundle, _assemble_arm, "the aarch64 wheel of onnxruntime, about 23 MB"),
)
EMULATOR = (
    Piece("qemu-aarch64", "executes arm64 programs", lambda: tools.find("qemu-aarch64"), _get_qemu, "3 packages, 13 MB"),
    Piece("C compiler", "compiles the plugin", lambda: tools.find("cc", "gcc", "clang", "zig-cc"), fetch.zig, "PyPI's ziglang, 101 MB"),
    Piece("counting plugin", "counts what qemu executes", plugin, _compile_plugin, "compiled here"),
    Piece("steady clock", "keeps counts the same on a busy machine", steady, _compile_steady, "compiled here"),
    Piece("llvm-mc", "reads the counted instructions", lambda: tools.find_llvm("llvm-mc"), _get_llvm, "6 packages, 48 MB"),
    Piece("llvm-mca", "knows how long a core takes for them", lambda: tools.find_llvm("llvm-mca"), _get_llvm, "with llvm-mc"),
)


def _own() -> Path | None:
    try:
        return own_bundle().folder
    except MachineError:
        return None


OWN_BUNDLE = Piece("bundle of this machine's kind", "ONNX Runtime and its runner", _own, None, "made of what is installed")
SSH = Piece("ssh", "reaches the other machine", lambda: tools.find("ssh"), None, "install openssh-client")
ADB = Piece("adb", "reaches the phone", lambda: tools.find("adb"), None, "install adb (Android's platform tools)")
NEEDS: dict[str, tuple[Piece, ...]] = {
    "arm64": (*ARM_BUNDLE, *EMULATOR),
    "ssh": (SSH, OWN_BUNDLE, *ARM_BUNDLE),
    "adb": (ADB, *ARM_BUNDLE),
    "android": (
        ADB,
        Piece("bare C compiler for arm64", "compiles the runner", _bare_compiler, fetch.zig, "PyPI's ziglang, 101 MB (410 MB unpacked)"),
        Piece("ONNX Runtime for Android", "has NNAPI and XNNPACK", android.aar, android.fetch_aar, f"npm's {android.PACKAGE}, 150 MB"),
        Piece("Android bundle", "ONNX Runtime and its runner", _android_bundle, _assemble_android, "compiled here"),
    ),
}
"""What each target needs, in the order in which set-up gets it; `android` is target adb with a provider of its own (`--ep`)."""


def needs(target: str) -> tuple[Piece, ...]:
    """The pieces of `target`; `UsageError` for one that needs no set-up or is unknown."""
    if target not in NEEDS:
        hint = closest(target, list(NEEDS))
        raise UsageError(f"There is nothing to set up for `{target}`.{hint} Targets with set-up: {', '.join(NEEDS)}.")
    return NEEDS[target]


def set_up(target: str, say: Say) -> None:
    """Get every piece of `target` that is missing; what cannot be fetched is told, all of it, as one `MachineError`."""
    for piece in needs(target):
        if piece.place is None and piece.get is not None:
            say(f"{piece.name}: {piece.cost}")
            piece.get()
    missing = [piece for piece in needs(target) if piece.place is None]
    if missing:
        lines = "\n".join(f"  {piece.name} ({piece.purpose}): {piece.cost}" for piece in missing)
        raise MachineError(f"The target `{target}` still lacks:\n{lines}\nInstall it and run `pixsearch target setup {target}` again.")


def check(target: str) -> None:
    """`MachineError` that names what `target` lacks and the command that gets it."""
    missing = [piece.name for piece in needs(target) if piece.place is None]
    if missing:
        raise MachineError(
            f"The target `{target}` (ONNX Runtime {onnxruntime_version()}) lacks {', '.join(missing)} on this machine. "
            f"Run `pixsearch target setup {target}`."
        )
