"""Cycles of counted code on a core: llvm-mca's steady state of each block, times how often it was executed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pixsearch.bench import tools
from pixsearch.bench.modelled.cores import Core
from pixsearch.bench.modelled.counts import Counts, Words
from pixsearch.errors import MachineError

COVERED = 0.995  # share of the executed instructions whose blocks are modelled; the rest counts like their average
ITERATIONS = 50
FEATURES = "+v8.2a,+dotprod,+i8mm,+bf16,+lse,+fullfp16"
BRANCH = re.compile(r"^(bl?)\t.*")


@dataclass(frozen=True)
class Cycles:
    """`cycles` for all `instructions`, of which the share `covered` was modelled block by block."""

    cycles: float
    instructions: int
    covered: float


class CycleModel:
    """Cycles by llvm-mca with the tables of `core`; each block is looked at once.

    What it leaves out: cache misses (every access hits the first level), mispredicted branches, other cores, and clock changes.
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self._known: dict[Words, float | None] = {}

    def cycles(self, counts: Counts) -> Cycles:
        """The cycles of all that `counts` tells."""
        blocks = list(counts.heaviest(COVERED))
        self._learn([words for _, words in blocks if words not in self._known])
        known = [(executions, words, each) for executions, words in blocks if (each := self._known[words]) is not None]
        seen = sum(executions * len(words) for executions, words, _ in known)
        if not seen:
            raise MachineError("llvm-mca could model none of the executed code. Update LLVM.")
        cycles = sum(executions * each for executions, _, each in known)
        return Cycles(cycles * counts.instructions / seen, counts.instructions, seen / counts.instructions)

    def _learn(self, blocks: Sequence[Words]) -> None:
        if blocks:
            self._known |= dict(zip(blocks, block_cycles(blocks, self.core.tables), strict=True))


def block_cycles(blocks: Sequence[Words], tables: str) -> list[float | None]:
    """Cycles of one execution of each block when it is repeated; None for one that llvm-mca cannot model."""
    text = "\n".join(_regions(blocks)) + "\n"
    options = ["-mtriple=aarch64-linux-gnu", f"-mcpu={tables}", f"-mattr={FEATURES}", f"-iterations={ITERATIONS}", "-json"]
    program = _program("llvm-mca")
    said = tools.run([program, *options, "--skip-unsupported-instructions=any"], "llvm-mca", given=text)
    found = {region["Name"]: region["SummaryView"] for region in json.loads(said)["CodeRegions"]}
    views = (found.get(f"b{number}") for number in range(len(blocks)))
    return [view["TotalCycles"] / view["Iterations"] if view else None for view in views]


def _regions(blocks: Sequence[Words]) -> list[str]:
    lines, at = [], iter(disassemble([word for words in blocks for word in words]))
    for number, words in enumerate(blocks):
        lines.append(f"# LLVM-MCA-BEGIN b{number}")
        lines += [BRANCH.sub(r"\1\t#0", next(at)) for _ in words]
        lines.append(f"# LLVM-MCA-END b{number}")
    return lines


def disassemble(words: Sequence[str]) -> list[str]:
    """One line of assembly for each instruction word; those that LLVM cannot read become `nop`."""
    text = "\n".join(" ".join(f"0x{byte:02x}" for byte in int(word, 16).to_bytes(4, "little")) for word in words)
    said = tools.run([_program("llvm-mc"), "-triple=aarch64", "-mattr=+all", "--disassemble"], "llvm-mc", given=text + "\n")
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.strip().startswith(".")]
    if len(lines) != len(words):
        raise MachineError(f"llvm-mc read {len(lines)} of {len(words)} executed instructions. Update LLVM.")
    return lines


def _program(name: str) -> str:
    found = tools.find_llvm(name)
    if found is None:
        raise MachineError(f"`{name}` of LLVM 19 or newer is missing. Run `pixsearch target setup arm64`.")
    return str(found)
