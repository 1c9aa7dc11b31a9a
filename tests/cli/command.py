"""Run the command line as a user does: in a process of its own, looking at stdout, stderr and the exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)


def pixsearch(*arguments: object, cwd: Path | None = None, **environment: str) -> Ended:
    """Run `pixsearch ARGUMENTS` and wait for it."""
    command = [sys.executable, "-W", "error::ResourceWarning", "-m", "pixsearch.cli", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={**os.environ, "COLUMNS": "100", **environment}, timeout=500, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)
