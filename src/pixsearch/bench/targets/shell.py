"""Targets that are reached through a shell of theirs: carry the bundle over once, a model each time, and run it there."""

from __future__ import annotations

import os
import shlex
import time
import uuid
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pixsearch.bench import setup
from pixsearch.bench.bundle import LOADERS, Bundle, find_bundle, own_bundle
from pixsearch.bench.targets.base import Prepared, Target
from pixsearch.bench.targets.runner import SETTINGS, Carrier, RunnerPrepared
from pixsearch.bench.targets.state import FACTS, STATE, Facts, hottest_c, processors, read_facts, read_state, split_cores
from pixsearch.errors import DataError, MachineError, UsageError

WARMER_C = 3.0  # above the temperature of the first run, from which on later ones wait
COOL_DOWN_S = 120.0
LOOK_S = 5.0


class ShellTarget(Target):
    """ONNX Runtime's CPU provider on another machine; what follows `+` in `argument` are the cores to keep to."""

    modelled = False

    def __init__(self, argument: str = "") -> None:
        super().__init__(argument)
        self.machine, self.cores = split_cores(argument)
        self.first_c: float | None = None

    @abstractmethod
    def start(self, line: str) -> list[str]:
        """What to run here so that `line` runs in a shell there, with its stdin and stdout here."""

    @abstractmethod
    def shell(self, line: str) -> str:
        """What `line` prints there; `MachineError` when it fails or the machine is out of reach."""

    @abstractmethod
    def push(self, file: Path, place: str) -> None:
        """Copy the file to `place` there."""

    @abstractmethod
    def pull(self, place: str, file: Path) -> None:
        """Copy `place` there to the file."""

    @property
    @abstractmethod
    def folder(self) -> str:
        """The folder there that may be written to and run from."""

    @cached_property
    def facts(self) -> Facts:
        """What it is."""
        return read_facts(self.shell(FACTS))

    @property
    def label(self) -> str:
        """`ssh pi5: aarch64 Raspberry Pi 5 Model B Rev 1.0, 4 cores`; on big cores alone `…, on cores 4,5,6,7`."""
        facts = self.facts
        kept = f", on cores {processors(self.cores, facts)}" if self.cores else ""
        named = f" {self.machine}" if self.machine else ""
        words = " ".join(filter(None, (facts.machine, facts.title)))
        return f"{self.name}{named}: {words}, {facts.cores} core{'s' * (facts.cores > 1)}{kept}"

    @cached_property
    def bundle(self) -> Bundle:
        """The bundle for its kind; `MachineError` where there is none."""
        kind = self.facts.machine
        if kind not in LOADERS:
            raise MachineError(f"There is no bundle for `{kind}` machines such as `{self.machine}`. Known: {', '.join(LOADERS)}.")
        found = find_bundle(kind)
        if found is None and kind == os.uname().machine:
            found = own_bundle()
        if found is None:
            setup.check(self.name)
            raise MachineError(f"The bundle for `{kind}` machines can be put together on such a machine alone. Run pixsearch there.")
        return found

    @cached_property
    def carried(self) -> str:
        """The folder there that holds the bundle, carried over unless it was before."""
        place = f"{self.folder}/{self.bundle.folder.name}"
        there = shlex.quote(place)
        if self.shell(f"test -e {there}/complete && echo yes || echo no").strip() == "no":
            self.shell(f"rm -rf {there} && mkdir -p {there}")
            for file in self.bundle.files:
                self.push(file, f"{place}/{file.name}")
            self.shell(f"chmod 755 {there}/* && touch {there}/complete")
        return place

    def prepare(self, model: Path, threads: int) -> Prepared:
        """Carry over what is not there yet and start the runner."""
        if not model.is_file():
            raise DataError(f"There is no file `{model}`. Give a model that `pixsearch export` has written.")
        offered = self.facts.cores
        if threads > offered:
            raise UsageError(f"`{threads}` threads are asked for, but the machine offers {offered}. Ask for at most {offered}.")
        kept = processors(self.cores, self.facts)
        return RunnerPrepared(model, threads, ShellCarrier(self), dict(os.environ), kept, self.settings)

    @property
    def settings(self) -> Sequence[str]:
        """Settings of the runner's sessions."""
        return SETTINGS

    def cool_down(self) -> None:
        """Wait until it is about as cool as before the first run, two minutes at most; at once where it tells no temperature."""
        end = time.monotonic() + COOL_DOWN_S
        while (now_c := hottest_c(self.state())) is not None:
            self.first_c = now_c if self.first_c is None else min(self.first_c, now_c)
            if now_c <= self.first_c + WARMER_C or time.monotonic() > end:
                return
            time.sleep(LOOK_S)

    def state(self) -> dict[str, Any]:
        """Governors, clocks and temperatures now."""
        return read_state(self.shell(STATE))


class ShellCarrier(Carrier):
    """A scratch folder of one model beside the bundle there."""

    def __init__(self, target: ShellTarget) -> None:
        self._target = target
        self._folder = f"{target.carried}.{uuid.uuid4().hex[:12]}"
        target.shell(f"mkdir {shlex.quote(self._folder)}")

    def place(self, name: str) -> str:
        """In the scratch folder."""
        return f"{self._folder}/{name}"

    def push(self, file: Path, name: str) -> None:
        """Over there."""
        self._target.push(file, self.place(name))

    def pull(self, name: str, file: Path) -> None:
        """Back here."""
        self._target.pull(self.place(name), file)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The runner there, in place of the shell that started it."""
        return self._target.start("exec " + shlex.join([*self._target.bundle.command(self._target.carried), *arguments]))

    def conditions(self) -> dict[str, Any]:
        """The machine's state."""
        return self._target.state()

    def rest(self) -> None:
        """Let the machine cool down."""
        self._target.cool_down()

    def close(self) -> None:
        """Remove the scratch folder if the machine still answers."""
        try:
            self._target.shell(f"rm -rf {shlex.quote(self._folder)}")
        except MachineError:
            return
