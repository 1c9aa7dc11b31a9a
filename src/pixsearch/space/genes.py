"""Check genes as they come from a file: every fault names the gene and what it may be."""

from __future__ import annotations

from typing import Any

from pixsearch.errors import DataError
from pixsearch.registry import closest


def check_keys(value: Any, known: list[str], needed: set[str], what: str) -> None:
    """`DataError` unless `value` is an object with the keys `needed` and no other than `known`; `what` names it."""
    if not isinstance(value, dict):
        raise DataError(f"{what.capitalize()} is `{value}`; it must be an object with the keys {', '.join(known)}.")
    for key in value:
        if key not in known:
            raise DataError(f"`{key}` is no gene of {what}.{closest(str(key), known)}")
    for key in sorted(needed - set(value)):
        raise DataError(f"The gene `{key}` of {what} is missing.")


def one_of(where: str, value: Any, known: tuple[Any, ...]) -> Any:
    """`value`, or `DataError` when it is none of `known` (booleans and fractions are no numbers here)."""
    if isinstance(value, bool | float) or value not in known:
        raise DataError(f"`{where}` is `{value}`; it must be one of {', '.join(map(str, known))}.")
    return value


def integer(where: str, value: Any, low: int, high: int) -> int:
    """`value`, or `DataError` when it is no whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise DataError(f"`{where}` is `{value}`; it must be a whole number from {low} to {high}.")
    return value
