"""What else a record tells: photos and why some were left out, failures, warnings, and how every stage was run."""

from __future__ import annotations

import shlex
from collections import Counter
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import yaml

from pixsearch.events import Event
from pixsearch.report import wording as w
from pixsearch.report.markup import Markup, element, table
from pixsearch.report.page import Page, quiet
from pixsearch.report.records import RunRecord
from pixsearch.report.searched import SearchRecord
from pixsearch.report.stage import StageRecord
from pixsearch.units import format_duration

LISTED = 12  # rows that are shown without being asked for
COUNTED = ("used", "pixels", "groups", "duplicates", "held_out", "left_out_as_duplicates_of_val")


def failures(page: Page, search: SearchRecord) -> None:
    """Candidates that failed with their errors, and how often each bound was broken."""
    broken = Counter(bound for candidate in search.candidates for bound in candidate.broke)
    if not search.failed and not broken:
        return
    errors = _errors(search) if search.failed else element("p", "No candidate failed.")
    bounds = table(["bound", "candidates that broke it"], [[bound, count] for bound, count in broken.most_common()]) if broken else None
    page.add("failures", "Failed candidates", errors, bounds)


def _errors(search: SearchRecord) -> Markup:
    rows = [[c.number, c.id, c.description, c.error] for c in search.failed]
    listed = table(["number", "id", "architecture", "error"], rows, words=(0, 1, 2, 3))
    title = element("summary", f"{w.plural(len(rows), 'candidate')} failed, and why")
    return element("details", title, listed, open=len(rows) <= LISTED)


def photos(page: Page, run: RunRecord) -> None:
    """Which photos each stage used and which it left out, with the reason."""
    if not run.photos:
        return
    heads = ["stage", "role", "used", "megapixels", "groups", "duplicates", "held out", "duplicates of val", "reduced", "left out"]
    rows = [[stage, event.get("role", ""), *_counts(event)] for stage, event in run.photos]
    page.add("photos", "Photos", table(heads, rows, words=(0, 1)), *_rejected(run))


def _counts(event: Event) -> list[object]:
    numbers = [_count(event.get(name)) for name in COUNTED]
    pixels = event.get("pixels")
    numbers[1] = w.ABSENT if not isinstance(pixels, int | float) else f"{pixels / 1e6:.1f}"
    reduced = ", ".join(f"{count} by {factor}" for factor, count in (event.get("reduced") or {}).items())
    return [*numbers, reduced or w.ABSENT, len(event.get("rejected") or ())]


def _count(value: Any) -> object:
    """A number, or the length of a list of names."""
    return w.ABSENT if value is None else len(value) if isinstance(value, list | tuple) else value


def _rejected(run: RunRecord) -> list[Markup]:
    """Every photo that was left out, once, however many stages said so."""
    reasons: dict[str, str] = {}
    for _, event in run.photos:
        alike = event.get("left_out_as_duplicates_of_val") or ()
        reasons |= {str(path): "is a photo to select by, or nearly one" for path in (alike if isinstance(alike, list) else ())}
        reasons |= {str(item["path"]): str(item["reason"]) for item in event.get("rejected") or ()}
    if not reasons:
        return []
    title = element("summary", f"{w.plural(len(reasons), 'file')} left out, and why")
    return [element("details", title, table(["file", "reason"], sorted(reasons.items()), words=(0, 1)), open=len(reasons) <= LISTED)]


def warnings(page: Page, run: RunRecord) -> None:
    """Every warning, with its stage."""
    if run.warnings:
        items = (element("li", element("span", f"{stage} ", class_="quiet"), words) for stage, words in run.warnings)
        page.add("warnings", "Warnings", element("ul", *items, class_="warnings"))


def stages(page: Page, run: RunRecord) -> None:
    """Each stage's outcome, command, machine and settings."""
    heads = ["stage", "outcome", "begun", "took"]
    rows = [[stage.name, stage.state, _begun(stage), format_duration(stage.seconds)] for stage in run.stages]
    page.add("record", "How it was run", table(heads, rows, words=(0, 1, 2)), *(_stage(stage) for stage in run.stages))


def _begun(stage: StageRecord) -> str:
    return datetime.fromtimestamp(stage.events[0]["time"], UTC).strftime("%Y-%m-%d %H:%M UTC") if stage.events else w.ABSENT


def _stage(stage: StageRecord) -> Markup:
    settings = yaml.safe_dump(stage.config, sort_keys=False, allow_unicode=True)
    return element(
        "details",
        element("summary", f"{stage.name}: command, machine, settings"),
        element("pre", _command(stage.environment), class_="command"),
        quiet(*_machine(stage.environment)),
        element("pre", *_block(settings)),
    )


def _block(lines: str) -> list[object]:
    """Lines of text, each escaped, kept apart."""
    return [part for line in lines.splitlines() for part in (line, element("br"))]


def _command(environment: dict[str, Any]) -> str:
    """The command as it was typed, the program by its name alone."""
    words = [str(word) for word in environment.get("command") or ()]
    return shlex.join([PurePath(words[0]).name, *words[1:]]) if words else "command not recorded"


def _machine(environment: dict[str, Any]) -> list[str]:
    named = [f"{name} {environment[name]}" for name in ("pixsearch", "git", "python") if environment.get(name)]
    machine = [str(environment[name]) for name in ("processor", "platform") if environment.get(name)]
    cores = [w.plural(environment["cores"], "core")] if isinstance(environment.get("cores"), int) else []
    return [*named, *machine, *cores, *(f"{package} {version}" for package, version in (environment.get("versions") or {}).items())]
