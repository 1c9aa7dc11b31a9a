"""The results of a benchmark that goes on where it was stopped, all measured by one protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixsearch.rundir import environment, read_json


def open_results(path: Path, protocol: dict[str, Any], **empty: Any) -> dict[str, Any]:
    """What `path` holds, or a new record with `empty` places; ends the script when it was begun by another protocol."""
    if not path.exists():
        return {"protocol": protocol, "machine": environment(), **empty}
    results: dict[str, Any] = read_json(path)
    before = results["protocol"]
    different = {key: (before.get(key), protocol.get(key)) for key in {**before, **protocol} if before.get(key) != protocol.get(key)}
    if different:
        raise SystemExit(f"`{path}` was begun otherwise: {different} (before, now). Give another `--results`.")
    return results
