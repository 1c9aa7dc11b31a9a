"""Modelled against published latency: nine networks of ncnn on the nine boards and phones of the device table.

    python benchmarks/arm_ncnn.py --params ncnn/benchmark [--cores a76,a55] [--work FOLDER]

Executes ncnn's aarch64 wheel under qemu-user with the counting plugin, models the cycles as target `arm64` does, and compares with the
single-thread milliseconds that ncnn publishes (benchmarks/ncnn_tables). Fetches an arm64 Python by apt-get and ncnn and numpy by pip into
FOLDER, without root. Writes benchmarks/results/arm_ncnn.json row by row and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

from pixsearch.bench import setup, tools
from pixsearch.bench.bundle import sources_digest
from pixsearch.bench.modelled.calibrate import left_out, mean_error, scale_of, spearman
from pixsearch.bench.modelled.cores import CORES, write_cpuinfo
from pixsearch.bench.modelled.counts import read_counts
from pixsearch.bench.modelled.cycles import CycleModel
from pixsearch.bench.modelled.devices import devices
from pixsearch.rundir import environment, write_json

HERE = Path(__file__).parent
NCNN = HERE / "ncnn_tables"
RESULTS = HERE / "results" / "arm_ncnn.json"
NETWORKS = (
    "squeezenet", "squeezenet_int8", "mobilenet", "mobilenet_int8", "mobilenet_v2", "resnet18", "resnet18_int8", "shufflenet_v2",
    "googlenet",
)  # fmt: skip
PUBLISHED = {
    ("Cortex-A76", "Qualcomm SM8150"): "snapdragon-855-plus",
    ("Cortex-A76", "Raspberry Pi 5"): "raspberry-pi-5",
    ("Cortex-A76", "Station-M3"): "rk3588s",
    ("Cortex-A72", "Raspberry Pi 4"): "raspberry-pi-4",
    ("Cortex-A72", "Rockchip RK3399"): "rk3399-a72",
    ("Cortex-A53", "Rockchip RK3399"): "rk3399-a53",
    ("Cortex-A53", "Raspberry Pi 3"): "raspberry-pi-3",
    ("Cortex-A55", "OrangePicm4"): "orange-pi-cm4",
    ("Cortex-A55", "Station-M2"): "rk3566",
}
"""(core, beginning of the published name) to the device of the table."""
PACKAGES = (
    "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libstdc++6", "libgcc-s1", "zlib1g", "libexpat1",
    "libgomp1", "libffi8", "libbz2-1.0", "liblzma5", "libssl3",
)  # fmt: skip
WHEELS = ("ncnn==1.0.20261020", "numpy==1.26.4")


def main() -> None:
    """Model what is missing, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, required=True, help="folder of ncnn's benchmark networks (.param)")
    parser.add_argument("--work", type=Path, default=tools.home() / "arm-python")
    parser.add_argument("--cores", default=",".join(CORES))
    options = parser.parse_args()
    work = options.work
    setup.check("arm64")
    fetch(work)
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
    for core in options.cores.split(","):
        for network in NETWORKS:
            key = f"{core}/{network}/{sources_digest('count.c')}"
            if key not in record["rows"]:
                record["rows"][key] = row(core, network, work, options.params)
                print(key, record["rows"][key], flush=True)
                write_json(RESULTS, record)
    record |= {"date": date.today().isoformat(), "environment": environment(), "wheels": WHEELS, "devices": compared(record["rows"])}
    write_json(RESULTS, record)
    print(table(record["devices"]))


def fetch(work: Path) -> None:
    """An arm64 Python with ncnn and numpy in `work`."""
    if (work / "complete").exists():
        return
    for name in ("lists/partial", "cache/archives/partial", "state", "packages", "root", "site"):
        (work / name).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    places = {"State": "state", "State::lists": "lists", "Cache": "cache", "State::status": "status"}
    options = [f"Dir::{name}={(work / place).absolute()}" for name, place in places.items()]
    options += ["APT::Architecture=arm64", "APT::Architectures::=arm64", "APT::Sandbox::User=root"]
    apt = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", *PACKAGES], check=True, cwd=work / "packages")
    for package in (work / "packages").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(work / "root")], check=True)
    platforms = [word for glibc in (17, 24, 27, 28) for word in ("--platform", f"manylinux_2_{glibc}_aarch64")]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", "3.11", *platforms]
    subprocess.run([*pip, "--dest", str(work / "wheels"), *WHEELS], check=True)
    for wheel in (work / "wheels").glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(work / "site")
    (work / "complete").touch()


def row(core: str, network: str, work: Path, params: Path) -> dict[str, Any]:
    """Cycles, instructions and memory traffic of one network on one core."""
    prefix, counts = work / "root", work / "counts"
    write_cpuinfo(CORES[core], prefix)
    plugin = f"{setup.plugin()},out={counts},cache={CORES[core].cache_bytes}"
    emulator = [str(tools.find("qemu-aarch64")), "-plugin", plugin, "-cpu", CORES[core].emulated, "-L", str(prefix)]
    settings = ["-E", "OMP_NUM_THREADS=1", "-E", f"PYTHONPATH={work / 'site'}"]
    side = "227" if network.startswith("squeezenet") else "224"
    guest = [str(prefix / "usr/bin/python3.11"), str(NCNN / "guest.py"), str(params.absolute() / f"{network}.param"), side]
    tools.run([*emulator, *settings, *guest], f"{network} on {core}", timeout_s=7200)
    found = read_counts(counts)
    cycles = CycleModel(CORES[core]).cycles(found)
    return {
        "cycles": round(cycles.cycles),
        "instructions": found.instructions,
        "memory_bytes": found.memory_bytes,
        "covered": cycles.covered,
    }


def published() -> dict[str, dict[str, float]]:
    """Milliseconds by device and network."""
    found = {}
    for line in csv.DictReader((NCNN / "published_1thread_ms.csv").read_text().splitlines()):
        device = next(name for (core, start), name in PUBLISHED.items() if line["core"] == core and line["device"].startswith(start))
        found[device] = {network: float(line[network]) for network in NETWORKS}
    return found


def compared(rows: dict[str, Any]) -> dict[str, Any]:
    """Errors of every device whose core was modelled on all networks."""
    known, result = devices(), {}
    for name, measured in published().items():
        device = known[name]
        keys = [f"{device.core}/{network}/{sources_digest('count.c')}" for network in NETWORKS]
        if not all(key in rows for key in keys):
            continue
        floors = [rows[key]["memory_bytes"] / device.memory_gb_per_s / 1e6 for key in keys]
        modelled = [max(rows[key]["cycles"] / device.clock_ghz / 1e6, floor) for key, floor in zip(keys, floors, strict=True)]
        real = [measured[network] for network in NETWORKS]
        result[name] = {
            "core": device.core,
            "tables": CORES[device.core].tables,
            "clock_ghz": device.clock_ghz,
            "error": mean_error(modelled, real),
            "scale": scale_of(modelled, real),
            "left_out_error": mean_error(left_out(modelled, real), real),
            "spearman": spearman(modelled, real),
            "modelled_ms": dict(zip(NETWORKS, modelled, strict=True)),
            "published_ms": measured,
        }
    return result


def table(found: dict[str, Any]) -> str:
    """A Markdown table."""
    lines = [
        "| device | core, tables | as modelled | scale | one scale, network left out | Spearman |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found.items():
        figures = f"{row['error']:.1%} | {row['scale']:.2f} | {row['left_out_error']:.1%} | {row['spearman']:.2f}"
        lines.append(f"| {name} | {row['core']} {row['clock_ghz']:g} GHz, {row['tables']} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
