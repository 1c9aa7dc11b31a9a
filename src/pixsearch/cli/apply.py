"""`pixsearch apply`: run an exported model on photos and videos of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def apply(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="An exported model; it knows its task and colour.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="A photo, a raw frame, a video, or a folder.")],
    destination: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Where the result goes; the suffix chooses the format, without one it is a folder."),
    ],
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of ONNX Runtime.")] = 1,
    tuned: Annotated[
        bool,
        typer.Option("--tuned/--untuned", help="Use the session options that `bench --tune` recorded in MODEL's run here."),
    ] = True,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="What a tile's arrays may take.")] = "256MiB",
    sigma: Annotated[
        float | None, typer.Option("--sigma", min=0, max=255, help="How noisy it is, for denoisers that ask; in levels of 255.")
    ] = None,
    raw_size: o.RawSize = None,
    pattern: o.RawPattern = None,
    black: o.RawBlack = None,
    white: o.RawWhite = None,
    balance: Annotated[
        str | None,
        typer.Option("--balance", metavar="R,G,B", help="Gains of white balance; else the camera's, or grey.", rich_help_panel=o.RAW),
    ] = None,
    as_json: o.Json = False,
) -> None:
    r"""Run MODEL on a photo, a video or a folder, in tiles that overlap, so that memory stays bounded and no seam shows.

    A video goes through frame by frame, and so does a folder of numbered frames if MODEL was made for clips; sound is kept where
    ffmpeg is there. A recurrent MODEL takes each frame whole.

    A jdd model takes raw frames: .npy, plain 16-bit .raw, and with the extra `pixsearch\[raw]` DNG and cameras' own formats.

    \b
    Examples:
      pixsearch apply runs/phone/export/model.onnx photo.jpg photo@2x.png
      pixsearch apply runs/phone/export/model.onnx photos/ enlarged/ --threads 2
      pixsearch apply runs/video/export/model.onnx clip.mp4 clip@2x.mp4
      pixsearch apply runs/jdd/export/model.onnx frame.raw photo.png \\
          --raw-size 4032x3024 --raw-pattern rggb --raw-black 64 --raw-white 1023
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.pictures import apply_to

    raw = o.given(size=raw_size, pattern=pattern, black=black, white=white, balance=balance)
    with Output(as_json) as output:
        apply_to(model, source, destination, threads=threads, tuned=tuned, memory=memory, sigma=sigma, raw=raw, output=output)


def add_to(app: typer.Typer) -> None:
    """Make `apply` a subcommand."""
    app.command()(apply)
