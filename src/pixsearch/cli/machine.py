"""What this machine offers: cores, memory, execution providers, GPU, disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil

from pixsearch.rundir import environment, free_bytes


def machine_facts(cache: Path | None) -> dict[str, Any]:
    """JSON-able facts; torch and ONNX Runtime are imported for them."""
    import onnxruntime
    import torch

    folder = cache or default_cache()
    known = environment()
    return {
        "processor": known["processor"],
        "architecture": known["machine"],
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "free_memory_bytes": psutil.virtual_memory().available,
        "load_average": list(os.getloadavg()),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        "onnxruntime": onnxruntime.__version__,
        "providers": onnxruntime.get_available_providers(),
        "cache": str(folder),
        "free_disk_bytes": free_bytes(folder),
        "targets": targets(),
    }


def targets() -> dict[str, str]:
    """Each bench target and what it is on this machine, or what it lacks and the command that gets it."""
    from pixsearch.bench import setup
    from pixsearch.bench.targets.base import open_target
    from pixsearch.registry import TARGETS

    described = {}
    for name in (*TARGETS.names(), "android"):
        missing = [piece.name for piece in setup.NEEDS.get(name, ()) if piece.place is None]
        if missing:
            described[name] = f"lacks {', '.join(missing)}: `pixsearch target setup {name}`"
        else:
            described[name] = "ready" if name in setup.NEEDS else open_target(name).label
    return described


def default_cache() -> Path:
    """Where decoded pictures go unless `--cache` says otherwise."""
    from pixsearch.data.config import default_cache_folder

    return default_cache_folder()
