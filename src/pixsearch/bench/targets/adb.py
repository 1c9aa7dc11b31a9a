"""Target `adb[:SERIAL]`: an Android phone that adb reaches; the runner and its C library are carried along, no app is installed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pixsearch.bench import setup, tools
from pixsearch.bench.android import PROVIDERS
from pixsearch.bench.bundle import Bundle
from pixsearch.bench.targets.runner import SETTINGS
from pixsearch.bench.targets.shell import ShellTarget
from pixsearch.errors import UsageError

FOLDER = "/data/local/tmp"
BATTERY = "/sys/class/power_supply/battery"


class AdbTarget(ShellTarget):
    """The phone with the serial number `argument`, or the only one there is; perhaps with cores to keep to (`adb:+big`).

    A provider after another `+` (`adb:+big+nnapi`) takes ONNX Runtime for Android and a runner that uses the phone's own C library.
    No phone has run either yet: they are tested against a real adbd on Linux.
    """

    name = "adb"

    def __init__(self, argument: str = "") -> None:
        words = argument.split("+")
        providers = [word for word in words[1:] if word in PROVIDERS]
        if len(providers) > 1:
            raise UsageError(f"`{argument}` names {len(providers)} providers ({', '.join(providers)}). Name one of them.")
        super().__init__("+".join([words[0], *(word for word in words[1:] if word not in PROVIDERS)]))
        self.provider = providers[0] if providers else None

    @property
    def label(self) -> str:
        """As of every shell, and the provider that was asked for."""
        return f"{super().label}, {self.provider} on Android's own libraries" if self.provider else super().label

    @cached_property
    def bundle(self) -> Bundle:
        """Linux's bundle, or with a provider Android's."""
        return setup.android_bundle(self.facts.machine) if self.provider else super().bundle

    @property
    def settings(self) -> Sequence[str]:
        """With the battery, and with the provider if one was asked for."""
        usual = (*SETTINGS, f"power={BATTERY}")
        return (*usual, f"provider={self.provider}") if self.provider else usual

    def start(self, line: str) -> list[str]:
        """adb's shell without a terminal, which passes exit codes on."""
        return [*self._adb(), "shell", "-T", line]

    def shell(self, line: str) -> str:
        """By adb."""
        return tools.run(self.start(line), self._what).replace("\r\n", "\n")

    def push(self, file: Path, place: str) -> None:
        """adb's own."""
        tools.run([*self._adb(), "push", str(file), place], self._what)

    def pull(self, place: str, file: Path) -> None:
        """adb's own."""
        tools.run([*self._adb(), "pull", place, str(file)], self._what)

    def _adb(self) -> list[str]:
        found = tools.find("adb")
        if found is None:
            setup.check(self.name)
        return [str(found), *(["-s", self.machine] if self.machine else [])]

    @property
    def _what(self) -> str:
        return f"adb to `{self.machine}`" if self.machine else "adb"

    @property
    def folder(self) -> str:
        """Where Android lets the shell write and run."""
        return FOLDER
