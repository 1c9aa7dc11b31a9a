"""`pixsearch target`: set up, list and calibrate what models are measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o

HELP = """Set up, list and calibrate what models are measured on: arm64, ssh, adb.

\b
Examples:
  pixsearch target setup arm64
  pixsearch target list
"""
target = typer.Typer(help=HELP, no_args_is_help=True)
NAME = typer.Argument(metavar="NAME", help="arm64, ssh, adb, or android (adb with --ep).")
DEVICE = typer.Option("--device", metavar="NAME", help="The device the file's latencies are of.")
FILE = typer.Option("--measured", metavar="FILE.csv", help="Lines `model,latency_ms`, perhaps `size`: ONNX files and what they took.")


@target.command()
def setup(
    name: Annotated[str, NAME],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is there and what would be fetched.")] = False,
    aar: Annotated[
        Path | None, typer.Option("--aar", metavar="FILE.aar", help="For android: take ONNX Runtime out of this AAR, not out of npm's.")
    ] = None,
    as_json: o.Json = False,
) -> None:
    """Fetch and build what the target NAME needs, into the user's cache folder; nothing needs root.

    \b
    Examples:
      pixsearch target setup arm64 --dry-run
      pixsearch target setup arm64
      pixsearch target setup android --aar onnxruntime-android-1.22.0.aar
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.targets import set_up

    with Output(as_json) as output:
        set_up(name, aar=aar, dry_run=dry_run, output=output)


@target.command(name="list")
def list_targets(as_json: o.Json = False) -> None:
    """Show every target with what it lacks here, and the devices that can be modelled.

    \b
    Examples:
      pixsearch target list
      pixsearch target list --json
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.targets import list_all

    with Output(as_json) as output:
        list_all(output)


@target.command()
def calibrate(
    measured: Annotated[Path, FILE],
    device: Annotated[str, DEVICE],
    size: Annotated[str, typer.Option("--size", metavar="WxH", help="Output size of the lines that name none.")] = "1280x720",
    write: Annotated[bool, typer.Option("--write", help="Keep the scale in your table of devices.")] = False,
    as_json: o.Json = False,
) -> None:
    """Fit modelled to measured latency by one scale, and show the error on each model when it is fitted on the others.

    \b
    Examples:
      pixsearch target calibrate --measured phone.csv --device snapdragon-855-plus
      pixsearch target calibrate --measured phone.csv --device my-phone --write
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.targets import calibrate_device

    with Output(as_json) as output:
        calibrate_device(measured, device, size=size, write=write, output=output)


def add_to(app: typer.Typer) -> None:
    """Make `target` a group of subcommands."""
    app.add_typer(target, name="target")
