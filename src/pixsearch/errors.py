"""Errors that a user can act on: each says what is wrong, which value it was and what to do, and carries an exit code."""

from __future__ import annotations

from typing import ClassVar


class PixsearchError(Exception):
    """Base of every error pixsearch raises on purpose; its message is a full sentence for the user.

    `exit_code` is what the command line ends with: 2 usage or config, 3 data, 4 nothing feasible,
    5 quality or parity gate, 6 environment, 130 interrupted. Code 1 is kept for bugs (any other exception). `told` is set
    where another process has shown the message already, and only the exit code is left to give.
    """

    exit_code: ClassVar[int] = 1
    told: bool = False


class UsageError(PixsearchError):
    """An option, argument, recipe or record that cannot be followed."""

    exit_code = 2


class DataError(PixsearchError):
    """Pictures, folders or model files that are missing, broken or do not fit together."""

    exit_code = 3


class InfeasibleError(PixsearchError):
    """No architecture satisfies the bounds; the message names the nearest miss and the bound it broke."""

    exit_code = 4


class GateError(PixsearchError):
    """A quality or parity gate was missed; the message carries the measured figure and the limit."""

    exit_code = 5


class MachineError(PixsearchError):
    """What the machine lacks or lost: a tool, a target, disk space, permission to write."""

    exit_code = 6


class Interrupted(PixsearchError):
    """The user asked to stop; everything up to here is recorded and can be resumed."""

    exit_code = 130
