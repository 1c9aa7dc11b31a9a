"""The table of devices whose latency can be modelled: the shipped one, and what a user adds in a file of the same form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, field_validator

from pixsearch.bench.modelled.cores import CORES, Core, core_named
from pixsearch.config import Config, read_yaml, validate
from pixsearch.errors import UsageError
from pixsearch.registry import closest
from pixsearch.rundir import write_atomic

SHIPPED = Path(__file__).with_name("devices.yaml")
OWN = "PIXSEARCH_DEVICES"


class Validation(Config):
    """How far modelled time was from measured time, in per cent on average: as it is, and with one scale fitted on the other networks."""

    error_percent: float = Field(ge=0)
    left_out_error_percent: float = Field(ge=0)
    spearman: float = Field(ge=-1, le=1)
    networks: int = Field(ge=1)
    on: str


class Device(Config):
    """A device's core and memory. `clock_ghz` and `memory_gb_per_s` (10⁹ a second) are upper limits by specification."""

    title: str = ""
    core: str
    clock_ghz: float = Field(gt=0, lt=10)
    memory_gb_per_s: float = Field(gt=0, lt=1000)
    cache_bytes: int = Field(ge=64 << 10, le=1 << 30)
    scale: float = Field(default=1.0, gt=0)
    provider: str = "CPUExecutionProvider"
    nnapi_feature_level: int | None = None
    validation: Validation | None = None

    @field_validator("core")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CORES:
            raise ValueError(f"there is no core `{value}`; known: {', '.join(CORES)}")
        return value

    @property
    def design(self) -> Core:
        """Its core."""
        return core_named(self.core)


def own_file() -> Path:
    """The user's table: `$PIXSEARCH_DEVICES`, else `pixsearch/devices.yaml` in `$XDG_CONFIG_HOME` or in `~/.config`."""
    named = os.environ.get(OWN)
    if named:
        return Path(named)
    shared = os.environ.get("XDG_CONFIG_HOME")
    return (Path(shared) if shared else Path.home() / ".config") / "pixsearch" / "devices.yaml"


def devices() -> dict[str, Device]:
    """All devices by name; the user's go over shipped ones of the same name. `UsageError` names every fault of the user's file."""
    tables = [SHIPPED, *([own_file()] if own_file().is_file() else [])]
    return {name: device for path in tables for name, device in _read(path).items()}


def _read(path: Path) -> dict[str, Device]:
    entries: Mapping[str, Any] = read_yaml(path)
    return {str(name): validate(Device, dict(entry or {}), f"`{path}`, device `{name}`") for name, entry in entries.items()}


def device_named(name: str) -> Device | None:
    """The device called `name`, or None for a name that is a core's; `UsageError` with the closest match of either."""
    if name in CORES:
        return None
    known = devices()
    if name not in known:
        choices = [*CORES, *known]
        raise UsageError(f"There is no core or device `{name}`.{closest(name, choices)} Known: {', '.join(choices)}.")
    return known[name]


def save(name: str, device: Device) -> Path:
    """Write `device` into the user's table, which is returned; other entries stay."""
    path = own_file()
    entries = dict(read_yaml(path)) if path.is_file() else {}
    entries[name] = device.model_dump(mode="json", exclude_none=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, yaml.safe_dump(entries, sort_keys=False, allow_unicode=True).encode())
    return path
