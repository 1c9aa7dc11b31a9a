"""Run the command line as a user does: in a process of its own, looking at stdout, stderr and the exit code.

The processes are forked off one that has imported PyTorch already (`nursery.py`): importing it takes longer than most commands.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LONGEST_S = 500
NURSERY = Path(__file__).parent / "nursery.py"


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
    """Run `pixsearch ARGUMENTS` and wait for it; `TimeoutError` after `LONGEST_S`."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        asked = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(cwd or Path.cwd()),
            "environment": {**os.environ, "COLUMNS": "100", **environment},
            "out": str(out),
            "err": str(err),
        }
        code = _ask(json.dumps(asked))
        return Ended(code, out.read_text(), err.read_text())


def _ask(request: str) -> int:
    """The exit code of the command; negative for a signal that ended it."""
    nursery = _nursery()
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{request}\n".encode())
    child = int(nursery.stdout.readline())
    if not select.select([nursery.stdout], [], [], LONGEST_S)[0]:
        os.kill(child, signal.SIGKILL)
        nursery.stdout.readline()
        raise TimeoutError(f"The command took longer than {LONGEST_S} s: {request}")
    return int(nursery.stdout.readline())


@cache
def _nursery() -> subprocess.Popen[bytes]:
    """The process that commands are forked off, started when it is first needed; nothing it says waits in a buffer."""
    command = [sys.executable, "-W", "error::ResourceWarning", str(NURSERY)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    atexit.register(process.communicate)
    return process
