"""`pixsearch apply`: run an exported model on photos of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def apply(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="An exported model; it knows its task and colour.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="A photo or a folder of photos.")],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="Where the result goes; a file's suffix chooses the format.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of ONNX Runtime.")] = 1,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="What a tile's arrays may take.")] = "256MiB",
    as_json: o.Json = False,
) -> None:
    """Run MODEL on a photo or a folder, in tiles that overlap, so that memory stays bounded and no seam shows.

    \b
    Examples:
      pixsearch apply runs/phone/export/model.onnx photo.jpg photo@2x.png
      pixsearch apply runs/phone/export/model.onnx photos/ enlarged/ --threads 2
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.pictures import apply_to

    with Output(as_json) as output:
        apply_to(model, source, destination, threads=threads, memory=memory, output=output)


def add_to(app: typer.Typer) -> None:
    """Make `apply` a subcommand."""
    app.command()(apply)
