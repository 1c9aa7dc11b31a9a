"""`pixsearch bench`: accuracy and latency of exported models, side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


class Provider(StrEnum):
    """Execution providers of ONNX Runtime for Android."""

    CPU = "cpu"
    XNNPACK = "xnnpack"
    NNAPI = "nnapi"


def bench(
    models: Annotated[
        list[Path] | None, typer.Argument(metavar="MODEL.onnx|RUN...", help="ONNX files, or a run with all it exported.")
    ] = None,
    images: Annotated[list[Path] | None, typer.Option("--images", metavar="FOLDER", help="Photos to report on; repeat it.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="Where: local, arm64:CORE, ssh:HOST, adb[:SERIAL].")] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="A device of `pixsearch target list`, modelled by target arm64.")
    ] = None,
    ep: Annotated[
        Provider | None,
        typer.Option("--ep", help="With --target adb: ONNX Runtime for Android on this provider. No phone has run it yet."),
    ] = None,
    threads: Annotated[str | None, typer.Option("--threads", metavar="N,N", help="Thread counts to measure, e.g. 1,2.")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH", help="Output size that latency is measured at.")] = None,
    repeats: Annotated[int | None, typer.Option("--repeats", help="Timed runs a model and thread count.")] = None,
    sustain: Annotated[
        str | None, typer.Option("--sustain", metavar="TIME", help="Also run each model so long without a pause, e.g. 60s.")
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Also look for the session options that are fastest for each model, on target local.")
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Target arm64: sum latency up from operators, as search does; else all is emulated."),
    ] = False,
    on_target: Annotated[
        int | None, typer.Option("--on-target", metavar="N", help="Pictures whose output on the target is compared with that here.")
    ] = None,
    reduce: o.Reduce = None,
    cache: o.Cache = None,
    cache_cap: o.CacheCap = None,
    out: o.Out = None,
    resume: o.Resume = None,
    again: o.Again = False,
    as_json: o.Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="The table as CSV on stdout, progress on stderr.", rich_help_panel=o.RECORD)] = False,
) -> None:
    """Measure MODELs on whole photos of FOLDER: PSNR, SSIM, latency, memory, size; the trivial baseline is always among them.

    \b
    Examples:
      pixsearch bench runs/phone --images holdout/ --threads 1,2 --size 1280x720
      pixsearch bench a.onnx b.onnx --images holdout/ --json > bench.json
      pixsearch bench runs/phone --images holdout/ --device snapdragon-855-plus
      pixsearch bench runs/phone --images holdout/ --target adb --ep nnapi
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import Launch, bench_stage

    settings = {
        "bench": o.given(
            images=images,
            target=o.with_provider(o.target_of(target, device), ep and ep.value),
            threads=threads,
            size=size,
            repeats=repeats,
            sustain_s=sustain,
            tune=tune or None,
            estimate=estimate or None,
            target_pictures=on_target,
            reduce=reduce,
            cache=cache,
            cache_cap_bytes=cache_cap,
        )
    }
    with Output(as_json, as_csv=csv) as output:
        launch = Launch(resume or out, resume=resume is not None, again=again, output=output)
        bench_stage(settings, launch, models)


def add_to(app: typer.Typer) -> None:
    """Make `bench` a subcommand."""
    app.command()(bench)
