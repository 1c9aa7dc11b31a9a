"""Target `adb[:SERIAL]`: an Android phone that adb reaches; the runner and its C library are carried along, no app is installed."""

from __future__ import annotations

from pathlib import Path

from pixsearch.bench import setup, tools
from pixsearch.bench.targets.shell import ShellTarget

FOLDER = "/data/local/tmp"


class AdbTarget(ShellTarget):
    """The phone with the serial number `argument`, or the only one there is; perhaps with cores to keep to (`adb:+big`).

    No phone has run it yet: it is tested against a real adbd on Linux.
    """

    name = "adb"

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
