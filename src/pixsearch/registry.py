"""Names of implementations and where they live, loaded when first asked for so that `--help` imports no torch."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from pixsearch.errors import UsageError


def closest(word: str, known: list[str]) -> str:
    """` Did you mean `x`?` or an empty string, to end an error message with."""
    match = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean `{match[0]}`?" if match else ""


class Registry:
    """Implementations of one kind by name; each entry is `module:attribute`.

    Unknown names raise `UsageError` with the closest match. A failed `add` leaves the registry as it was.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries: dict[str, str] = {}
        for name, place in entries.items():
            self.add(name, place)

    def names(self) -> list[str]:
        """All names, in the order they were added."""
        return list(self._entries)

    def add(self, name: str, place: str) -> None:
        """Register `place` (`module:attribute`) under `name`; a name can be taken once."""
        module, _, attribute = place.partition(":")
        if not module or not attribute:
            raise UsageError(f"The {self.kind} `{name}` points to `{place}`. Write it as `module:attribute`.")
        if name in self._entries:
            raise UsageError(f"There already is a {self.kind} `{name}` ({self._entries[name]}). Choose another name.")
        self._entries[name] = place

    def load(self, name: str) -> Any:
        """The implementation called `name`; its module is imported now."""
        if name not in self._entries:
            known = self.names()
            raise UsageError(f"There is no {self.kind} `{name}`.{closest(name, known)} Known: {', '.join(known)}.")
        module, _, attribute = self._entries[name].partition(":")
        return getattr(importlib.import_module(module), attribute)


TASKS = Registry(
    "task",
    {
        "sr": "pixsearch.tasks.sr:SuperResolution",
        "denoise": "pixsearch.tasks.denoise:Denoise",
        "jdd": "pixsearch.tasks.jdd:JointDemosaic",
        "enhance": "pixsearch.tasks.enhance:Enhance",
        "video-sr": "pixsearch.tasks.video:VideoSuperResolution",
        "video-denoise": "pixsearch.tasks.video:VideoDenoise",
    },
)

SPACES = Registry(
    "space",
    {
        "mobile": "pixsearch.space.mobile:MobileSpace",
        "cell": "pixsearch.space.cell:CellSpace",
        "nsc": "pixsearch.space.nsc:NscSpace",
        "mobile-dynamic": "pixsearch.space.mobile:DynamicMobileSpace",
        "cell-dynamic": "pixsearch.space.cell:DynamicCellSpace",
        "erdb": "pixsearch.space.erdb:ErdbSpace",
        "video": "pixsearch.space.video:VideoSpace",
        "reference": "pixsearch.space.reference:ReferenceSpace",
    },
)

BUILDERS = Registry(
    "network builder",
    {
        "mobile": "pixsearch.nn.mobile:build_mobile",
        "cell": "pixsearch.nn.cell:build_cell",
        "nsc": "pixsearch.nn.nsc:build_nsc",
        "erdb": "pixsearch.nn.erdb:build_erdb",
        "video": "pixsearch.nn.video:build_video",
        "reference": "pixsearch.nn.reference:build_reference",
    },
)

STRATEGIES = Registry(
    "strategy",
    {
        "random": "pixsearch.search.strategies.random:RandomSearch",
        "nsga2": "pixsearch.search.strategies.nsga2:Nsga2",
        "esr-ea": "pixsearch.search.strategies.esr_ea:EsrEa",
        "cars": "pixsearch.search.strategies.cars:Cars",
        "blockqnn": "pixsearch.search.strategies.blockqnn:BlockQnn",
    },
)

ANATOMIES = Registry(
    "anatomy",
    {
        "mobile": "pixsearch.prune.anatomies.mobile:mobile_anatomy",
        "cell": "pixsearch.prune.anatomies.cell:cell_anatomy",
        "nsc": "pixsearch.prune.anatomies.nsc:nsc_anatomy",
        "erdb": "pixsearch.prune.anatomies.erdb:erdb_anatomy",
        "video": "pixsearch.prune.anatomies.mobile:video_anatomy",
        "reference": "pixsearch.prune.anatomies.reference:reference_anatomy",
    },
)

TARGETS = Registry(
    "target",
    {
        "local": "pixsearch.bench.targets.local:LocalTarget",
        "arm64": "pixsearch.bench.targets.arm64:Arm64Target",
        "ssh": "pixsearch.bench.targets.ssh:SshTarget",
        "adb": "pixsearch.bench.targets.adb:AdbTarget",
    },
)

EXECUTORS = Registry(
    "executor",
    {
        "inprocess": "pixsearch.search.executors.inprocess:InProcess",
        "pool": "pixsearch.search.executors.pool:Pool",
        "ray": "pixsearch.search.executors.ray:RayTasks",
    },
)

SCHEMES = Registry(
    "quantization scheme",
    {
        "portable": "pixsearch.export.scheme:PORTABLE",
        "arm": "pixsearch.export.scheme:ARM",
        "nnapi": "pixsearch.export.scheme:NNAPI",
        "x86": "pixsearch.export.scheme:X86",
    },
)
