"""Checked settings: every fault at once, unknown keys with the closest match, and what may change on resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from pixsearch.errors import UsageError
from pixsearch.registry import Registry, closest
from pixsearch.units import parse_bytes, parse_duration


class Config(BaseModel):
    """Base of every stage's settings; unknown keys are faults.

    `may_change` names the fields that a resumed run may set anew (budgets, live output): all others give what is
    already recorded its meaning.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    may_change: ClassVar[frozenset[str]] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """Plain values, as they are written to config.resolved.yaml."""
        return self.model_dump(mode="json")

    def changeable(self) -> frozenset[str]:
        """`may_change` of this and of every section within it, as dotted names."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        within = {f"{name}.{inner}" for name, part in sections.items() if isinstance(part, Config) for inner in part.changeable()}
        return self.may_change | within


C = TypeVar("C", bound=Config)
T = TypeVar("T")


def as_fault(parse: Callable[[Any], T], value: Any) -> T:
    """`parse(value)`, with its `UsageError` as one of the faults that `validate` gathers."""
    try:
        return parse(value)
    except UsageError as error:
        raise ValueError(str(error).rstrip(".")) from None


def _typed(parse: Callable[[Any], Any]) -> BeforeValidator:
    return BeforeValidator(lambda value: as_fault(parse, value) if isinstance(value, str) else value)


def listed(value: Any) -> Any:
    """`1,2` as people type it, as a list of its parts; what is no text stays, one number becomes a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return [value] if isinstance(value, int | float) else value


LISTED = BeforeValidator(listed)


def known_in(registry: Registry) -> AfterValidator:
    """Refuse a name that `registry` does not hold."""

    def check(name: str) -> str:
        if name not in registry.names():
            known = registry.names()
            raise ValueError(f"there is no such {registry.kind}.{closest(name, known)} Known: {', '.join(known)}")
        return name

    return AfterValidator(check)


Seconds = Annotated[float, _typed(parse_duration)]
"""A time as people type it: `90s`, `10m`, or a number of seconds."""

ByteCount = Annotated[int, _typed(parse_bytes)]
"""A size as people type it: `20GB`, `2GiB`, or a number of bytes."""


def validate(model: type[C], data: dict[str, Any], source: str) -> C:
    """`data` as a `model`; all faults in one `UsageError` that begins with `source` (a file or a command)."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = _sentences(model, error)
        raise UsageError(
            f"{source} has {len(faults)} fault{'s' if len(faults) > 1 else ''}:\n" + "\n".join(f"  {f}" for f in faults)
        ) from None


def nested(model: type[C], data: dict[str, Any]) -> C:
    """`data` as a `model`, within a validator of another: its faults are told as they are, and not as one of the outer value."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise PydanticCustomError(_NESTED, "faults within", {"sentences": _sentences(model, error)}) from None


_NESTED = "nested"


def _sentences(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Every fault in a sentence."""
    faults = error.errors()
    return [line for fault in faults for line in (fault["ctx"]["sentences"] if fault["type"] == _NESTED else [_sentence(model, fault)])]


def _sentence(model: type[BaseModel], fault: Any) -> str:
    path = [str(part) for part in fault["loc"]]
    where = ".".join(path)
    if fault["type"] == "extra_forbidden":
        known = list(_fields_at(model, path[:-1]))
        return f"`{where}` is not a setting.{closest(path[-1], known)}"
    if fault["type"] == "missing":
        return f"`{where}` is missing."
    message = fault["msg"].removeprefix("Value error, ")
    return f"`{where}` is `{fault['input']}`: {message}."


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Names of the settings in the section that `path` leads to."""
    current: Any = model
    for part in path:
        field = current.model_fields.get(part) if hasattr(current, "model_fields") else None
        current = field.annotation if field else None
        current = next((a for a in getattr(current, "__args__", (current,)) if hasattr(a, "model_fields")), None)
    return list(current.model_fields) if current is not None else []


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; `UsageError` with the line when it is not one."""
    try:
        data = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UsageError(f"There is no file `{path}`. Check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` is not valid YAML: {error}") from None
    if not isinstance(data, dict):
        raise UsageError(f"`{path}` holds no settings. Write it as `name: value` lines.")
    return data


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level with dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def merge(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`settings` with `changes` laid over them, section by section; a change that is None counts as not given."""
    merged = dict(settings)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        elif value is not None:
            merged[key] = value
    return merged


def differences(before: dict[str, Any], after: dict[str, Any], may_change: frozenset[str]) -> list[str]:
    """Lines `name: before → after` for each setting that differs and may not."""
    old, new = flatten(before), flatten(after)
    names = sorted((set(old) | set(new)) - may_change)
    return [f"{name}: {old.get(name)} → {new.get(name)}" for name in names if old.get(name) != new.get(name)]
