"""Programs of others that targets need: found on the PATH, or among what `pixsearch target setup` has fetched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pixsearch.data.config import default_cache_folder
from pixsearch.errors import MachineError

HOME = "PIXSEARCH_TARGETS"
LLVM = range(25, 18, -1)  # llvm-mca 19 is the first that can skip an instruction its tables lack


def home() -> Path:
    """Where set-up keeps things: `$PIXSEARCH_TARGETS`, else `targets` in the user's cache folder."""
    own = os.environ.get(HOME)
    return Path(own) if own else default_cache_folder() / "targets"


def find(*names: str) -> Path | None:
    """The first of the programs `names` that is there: on the PATH, else among the fetched ones."""
    for folders in (None, str(home() / "bin")):
        for name in names:
            found = shutil.which(name, path=folders)
            if found:
                return Path(found)
    return None


def find_llvm(name: str) -> Path | None:
    """`llvm-mca` or `llvm-mc` of LLVM 19 or newer."""
    numbered = find(*(f"{name}-{version}" for version in LLVM))
    if numbered:
        return numbered
    plain = find(name)
    return plain if plain and _major(plain) in LLVM else None


def _major(program: Path) -> int:
    match = re.search(r"LLVM version (\d+)", run([str(program), "--version"], f"`{program}`"))
    return int(match[1]) if match else 0


def version_of(program: Path) -> str:
    """The first number with a point in what `program --version` prints."""
    match = re.search(r"\d+\.\d+(?:\.\d+)*", run([str(program), "--version"], f"`{program}`"))
    return match[0] if match else "of unknown version"


def run(
    command: list[str],
    what: str,
    *,
    given: str | Path | None = None,
    into: Path | None = None,
    timeout_s: float = 600.0,
    folder: Path | None = None,
) -> str:
    """What `command` prints; `MachineError`, saying `what` it was, when it fails or takes longer than `timeout_s` seconds.

    `given` is its stdin, a text or a file; with `into` its stdout goes into that file, and nothing is returned.
    """
    with ExitStack() as files:
        source = files.enter_context(given.open("rb")) if isinstance(given, Path) else subprocess.DEVNULL
        sink = files.enter_context(into.open("wb")) if into else subprocess.PIPE
        talk: dict[str, Any] = {"input": given.encode()} if isinstance(given, str) else {"stdin": source}
        try:
            done = subprocess.run(command, **talk, stdout=sink, stderr=subprocess.PIPE, check=True, timeout=timeout_s, cwd=folder)
        except OSError as error:
            raise MachineError(f"{what} could not be started ({error.strerror}: `{command[0]}`). Install it.") from error
        except subprocess.TimeoutExpired:
            raise MachineError(f"{what} took longer than {timeout_s:g} s and was ended. Run it again.") from None
        except subprocess.CalledProcessError as error:
            words = " ".join((error.stderr or error.stdout or b"").decode(errors="replace").split())[-500:]
            raise MachineError(f"{what} failed with code {error.returncode}: `{words or 'it left no message'}`.") from None
    return (done.stdout or b"").decode(errors="replace")
