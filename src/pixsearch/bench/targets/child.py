"""A child process that answers JSON lines with JSON lines, and whose death is told with its last words."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from pixsearch.errors import MachineError

LAST_WORDS = 600  # characters of stderr to quote
CHUNK = 1 << 16
PARTING_S = 5.0  # from the end of its output to its end


class Child:
    """One running child; `what` names it in errors. `close` ends it whatever it is doing."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path, what: str) -> None:
        self.what = what
        self._stderr = (folder / "last-words").open("w+b")  # a file, for a pipe that nobody reads would fill up
        self._unread = b""
        try:
            # A group of its own: Ctrl-C is for the parent, which ends the child when it is ready to.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, env=environment, process_group=0
            )
        except OSError as error:
            self._stderr.close()
            raise MachineError(f"{what} could not be started ({error.strerror}: `{command[0]}`). Mend the installation.") from error

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def ask(self, request: dict[str, Any] | str, timeout_s: float) -> dict[str, Any]:
        """Send one line (JSON, or text as it is), wait for the answer."""
        self.say(request if isinstance(request, str) else json.dumps(request))
        return self.hear(timeout_s)

    def say(self, line: str) -> None:
        """Send one line that is not answered."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._death() from None

    def hear(self, timeout_s: float) -> dict[str, Any]:
        """The next line of the child; `MachineError` when it dies, babbles or takes longer than `timeout_s` seconds."""
        line = self._read_line(timeout_s)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.close()
            raise MachineError(f"{self.what} answered with something unreadable: `{line[:200].decode(errors='replace')}`. Run it again.")
        return answer

    def _read_line(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        pipe, end = self._process.stdout.fileno(), time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            ready = select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]
            if not ready:
                words = self._last_words()
                self.close()
                raise MachineError(f"{self.what} gave no answer within {timeout_s:g} s and was ended.{words} Ask for a smaller size.")
            chunk = os.read(pipe, CHUNK)
            if not chunk:
                raise self._death()
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _death(self) -> MachineError:
        """Why the child is gone, as an error."""
        try:
            code = self._process.wait(timeout=PARTING_S)
        except subprocess.TimeoutExpired:  # its stdout is closed, yet it lives on
            self._process.kill()
            code = self._process.wait()
        words = self._last_words()
        self.close()
        if code >= 0:
            return MachineError(f"{self.what} ended with code {code}.{words} Run `pixsearch doctor` to see what this machine offers.")
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        advice = "Most likely the machine ran out of memory: ask for a smaller size." if code == -signal.SIGKILL else "Run it again."
        return MachineError(f"{self.what} was ended by {name}.{words} {advice}")

    def _last_words(self) -> str:
        self._stderr.seek(0)
        text = self._stderr.read().decode(errors="replace").strip()
        if not text:
            return " It left no message."
        return f" Its last words: `{text[-LAST_WORDS:]}`."

    def close(self) -> None:
        """End the child and free its pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
