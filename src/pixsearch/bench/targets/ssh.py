"""Target `ssh:HOST`: another Linux machine, x86-64 or arm64, that ssh reaches without asking; nothing has to be installed there."""

from __future__ import annotations

import os
import shlex
from functools import cached_property
from pathlib import Path

from pixsearch.bench import tools
from pixsearch.bench.targets.shell import ShellTarget
from pixsearch.errors import UsageError

OPTIONS = "PIXSEARCH_SSH_OPTIONS"
QUIET = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15", "-T")
FOLDER = ".cache/pixsearch"


class SshTarget(ShellTarget):
    """The machine `argument`: a name of ssh's configuration or `user@host`, perhaps with cores to keep to (`pi@rk3399+big`).

    More options for ssh may stand in `$PIXSEARCH_SSH_OPTIONS` (`-p 2222 -F FILE`). Files go through `cat`, so the shell is enough.
    """

    name = "ssh"

    def __init__(self, argument: str = "") -> None:
        super().__init__(argument)
        if not self.machine or self.machine.startswith("-"):
            raise UsageError(f"The target `ssh` needs the name of a machine, but was given `{argument}`. Write it as `ssh:user@host`.")

    def start(self, line: str) -> list[str]:
        """ssh, its options, the machine, the line."""
        return ["ssh", *QUIET, *shlex.split(os.environ.get(OPTIONS, "")), "--", self.machine, line]

    def shell(self, line: str) -> str:
        """By ssh."""
        return tools.run(self.start(line), self._what)

    def push(self, file: Path, place: str) -> None:
        """Through `cat`."""
        tools.run(self.start(f"cat > {shlex.quote(place)}"), self._what, given=file)

    def pull(self, place: str, file: Path) -> None:
        """Through `cat`."""
        tools.run(self.start(f"cat {shlex.quote(place)}"), self._what, into=file)

    @property
    def _what(self) -> str:
        return f"ssh to `{self.machine}`"

    @cached_property
    def folder(self) -> str:
        """In the home there."""
        return f"{self.shell('pwd').strip()}/{FOLDER}"
