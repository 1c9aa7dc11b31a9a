"""The cores whose time can be modelled: how qemu and ONNX Runtime are told of them, and whose tables llvm-mca takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pixsearch.errors import UsageError
from pixsearch.registry import closest

V8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
V8_2 = f"{V8_0} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """One core design.

    `emulated` is qemu's name for a core with the same instructions, `part` the number by which ONNX Runtime knows the
    design and picks its kernels, `features` what /proc/cpuinfo says it has, `tables` the llvm-mca model, `clock_ghz` a
    usual clock, `cache_bytes` a usual last-level cache.
    """

    name: str
    design: str
    emulated: str
    part: int
    features: str
    tables: str
    clock_ghz: float
    cache_bytes: int

    def cpuinfo(self) -> str:
        """/proc/cpuinfo of one such core."""
        return (
            f"processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: {self.features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
            f"CPU variant\t: 0x1\nCPU part\t: {self.part:#x}\nCPU revision\t: 0\n\n"
        )


CORES = {
    core.name: core
    for core in (
        # LLVM's own table for the A53 is far off (52 % on ncnn's published figures, against 23–26 % with the A55's).
        Core("a53", "Cortex-A53", "cortex-a53", 0xD03, V8_0, "cortex-a55", 1.4, 512 << 10),
        # qemu 7.2 knows no A55; an A76 executes the same instruction set.
        Core("a55", "Cortex-A55", "cortex-a76", 0xD05, V8_2, "cortex-a55", 1.8, 512 << 10),
        Core("a72", "Cortex-A72", "cortex-a72", 0xD08, V8_0, "cortex-a72", 1.8, 1 << 20),
        Core("a76", "Cortex-A76", "cortex-a76", 0xD0B, V8_2, "neoverse-n1", 2.4, 2 << 20),
    )
}


def core_named(name: str) -> Core:
    """The core called `name`; `UsageError` with the closest match."""
    if name not in CORES:
        raise UsageError(f"There is no core `{name}`.{closest(name, list(CORES))} Known: {', '.join(CORES)}.")
    return CORES[name]


def write_cpuinfo(core: Core, prefix: Path) -> None:
    """`prefix`/proc/cpuinfo, which a program run with `qemu-aarch64 -L prefix` reads instead of this machine's."""
    (prefix / "proc").mkdir(parents=True, exist_ok=True)
    (prefix / "proc" / "cpuinfo").write_text(core.cpuinfo())
