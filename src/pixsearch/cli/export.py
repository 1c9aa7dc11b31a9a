"""`pixsearch export`: from a trained model to ONNX, float and int8."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def export(
    models: Annotated[
        list[Path] | None, typer.Argument(metavar="MODEL|RUN...", help="Model files, or a run with all of its models.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantize the last of them, too (static QDQ).")] = False,
    calibrate: Annotated[
        list[Path] | None,
        typer.Option("--calibrate", metavar="PHOTOS", help="Photos for the int8 ranges; by default those it was trained on."),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option("--scheme", metavar="arm|portable", help="How int8 stores numbers; by default as the model was trained, or arm."),
    ] = None,
    gate_db: Annotated[float | None, typer.Option("--gate", metavar="DB", help="Largest PSNR loss that int8 may cost.")] = None,
    out: o.Out = None,
    again: o.Again = False,
    as_json: o.Json = False,
) -> None:
    """Write MODELs as ONNX with dynamic height and width, and prove that each agrees with PyTorch.

    Exit code 5 when a gate is missed: float parity of 1e-5, or the int8 loss in dB on photos held out of the calibration.

    \b
    Examples:
      pixsearch export runs/phone --int8
      pixsearch export runs/phone/train/model.safetensors --int8 \\
          --calibrate photos/ --gate 0.1 --out runs/phone-int8
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import Launch, export_stage

    settings = {"export": o.given(int8=int8 or None, calibrate=calibrate, scheme=scheme, gate_db=gate_db)}
    with Output(as_json) as output:
        export_stage(settings, Launch(out, again=again, output=output), models)


def add_to(app: typer.Typer) -> None:
    """Make `export` a subcommand."""
    app.command()(export)
