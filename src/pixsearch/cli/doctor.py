"""`pixsearch doctor`: what would be used of a folder of photos, and what the machine offers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def doctor(
    photos: Annotated[list[Path] | None, typer.Argument(metavar="[PHOTOS...]", help="Folders or files of photos.")] = None,
    reduce: o.Reduce = None,
    cache: o.Cache = None,
    as_json: o.Json = False,
) -> None:
    """Say which photos would be used, which not and why, and what the machine offers (threads, providers, GPU, disk).

    \b
    Examples:
      pixsearch doctor photos/
      pixsearch doctor photos/ --json > doctor.json
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.pictures import diagnose

    with Output(as_json) as output:
        diagnose(photos or [], reduce=reduce, cache=cache, output=output)


def add_to(app: typer.Typer) -> None:
    """Make `doctor` a subcommand."""
    app.command()(doctor)
