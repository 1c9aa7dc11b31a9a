"""`pixsearch doctor`: what would be used of a folder of photos and clips, and what the machine offers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def doctor(
    photos: Annotated[
        list[Path] | None, typer.Argument(metavar="[PHOTOS...]", help="Folders or files of photos, videos, numbered frames.")
    ] = None,
    reduce: o.Reduce = None,
    cache: o.Cache = None,
    noise: Annotated[
        list[Path] | None,
        typer.Option(
            "--noise", metavar="FRAME", help="Measure a camera's noise in a flat or dark raw frame; repeat it.", rich_help_panel=o.RAW
        ),
    ] = None,
    raw_size: o.RawSize = None,
    pattern: o.RawPattern = None,
    black: o.RawBlack = None,
    white: o.RawWhite = None,
    as_json: o.Json = False,
) -> None:
    """Say which photos and clips would be used, which not and why, and what the machine offers (threads, providers, GPU, disk).

    With --noise say what noise a camera has, as --shot and --read of `search` and `train` take it.

    \b
    Examples:
      pixsearch doctor photos/
      pixsearch doctor photos/ --json > doctor.json
      pixsearch doctor --noise flat.dng --noise dark.dng
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.pictures import diagnose, measure_noise

    with Output(as_json) as output:
        if noise:
            measure_noise(noise, o.given(size=raw_size, pattern=pattern, black=black, white=white), output)
        if photos or not noise:
            diagnose(photos or [], reduce=reduce, cache=cache, output=output)


def add_to(app: typer.Typer) -> None:
    """Make `doctor` a subcommand."""
    app.command()(doctor)
