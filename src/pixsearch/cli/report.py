"""`pixsearch report`: the whole run as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run with at least one stage.")],
    as_json: o.Json = False,
) -> None:
    """Write RUN/report.html from the record alone: one file that opens from disk without a network.

    \b
    Examples:
      pixsearch report runs/phone
      pixsearch report runs/phone --json > report.json
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import report_stage

    with Output(as_json) as output:
        report_stage(run, output)


def add_to(app: typer.Typer) -> None:
    """Make `report` a subcommand."""
    app.command()(report)
