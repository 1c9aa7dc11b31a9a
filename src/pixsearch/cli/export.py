"""`pixsearch export`: from a trained model to ONNX, float and int8."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o
from pixsearch.errors import UsageError

BITS = "Formats by layer (--bits search)"


def export(
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL|RUN|ONNX...", help="Model files, or a run with all of its models; with --check alone, ONNX files."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantize the last of them, too (static QDQ).")] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="Write the last in 16-bit floats, too.")] = False,
    a16w8: Annotated[bool, typer.Option("--a16w8", help="Write the last with 8-bit weights and 16-bit activations, too.")] = False,
    bits: Annotated[
        str | None, typer.Option("--bits", metavar="search", help="Write the last with a format for each layer, too, found by evolution.")
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--formats", metavar="LIST", help="Those to choose from (int8,int32,float,int16).", rich_help_panel=BITS)
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Where latency is taken: arm64:a76 if it can, local …", rich_help_panel=BITS)
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="A device of `pixsearch target list`, modelled.", rich_help_panel=BITS)
    ] = None,
    extra_latency: Annotated[
        str | None, typer.Option("--extra-latency", metavar="SHARE", help="The most it may take beyond int8 (10%).", rich_help_panel=BITS)
    ] = None,
    evaluations: Annotated[int | None, typer.Option("--evaluations", metavar="N", help="Mixtures to try.", rich_help_panel=BITS)] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="Wall time that ends the search earlier.", rich_help_panel=BITS)
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="All randomness follows from it.", rich_help_panel=BITS)] = None,
    scheme: Annotated[
        str | None,
        typer.Option("--for", metavar="portable|arm|nnapi|x86", help="What int8 is made for; by default as the model was trained, or arm."),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option("--shape", metavar="HxW", help="Write files for this input alone, too, e.g. 360x640 (height first); repeat it."),
    ] = None,
    io: Annotated[
        str | None, typer.Option("--io", metavar="float|uint8-nhwc", help="Planes of floats, or 8-bit camera buffers, in and out.")
    ] = None,
    dynamic: Annotated[
        str | None,
        typer.Option(
            "--dynamic", metavar="kernel|feature|static", help="Kernels that adapt to the picture: computed (default), blended, or fixed."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Say node by node which provider of a phone takes the files; also of ONNX files that are there.")
    ] = False,
    nnapi_level: Annotated[
        int | None,
        typer.Option("--nnapi-level", metavar="N", help="NNAPI's feature level to check for: 27 to 31; by default 29, Android 10."),
    ] = None,
    calibrate: Annotated[
        list[Path] | None,
        typer.Option("--calibrate", metavar="PHOTOS", help="Photos for the int8 ranges; by default those it was trained on."),
    ] = None,
    gate_db: Annotated[float | None, typer.Option("--gate", metavar="DB", help="Largest PSNR loss that int8 may cost (0.15).")] = None,
    out: o.Out = None,
    resume: o.Resume = None,
    again: o.Again = False,
    as_json: o.Json = False,
) -> None:
    """Write MODELs as ONNX for any height and width, and prove that each agrees with PyTorch.

    --for portable stores int8 as every phone runtime takes it, with the same bits everywhere; arm as ARM processors are fastest
    in; nnapi and x86 as those are.

    A network whose kernels adapt to the picture is written with computed kernels, at the cost of one convolution; --dynamic
    feature runs all experts, for runtimes that take constant kernels alone, at as many times the cost; static fixes what adapts
    to its mean over the photos.

    --bits search chooses for each layer: int8; int32, 8-bit products whose sums become floats unrounded; int16 activations; or float, as
    ONNX Runtime executes them. The mixture of least loss that takes at most --extra-latency beyond int8 is written as NAME.mixed.onnx;
    all that were tried stand in the record and the report.

    Exit code 4 when no mixture keeps the latency, 6 when the target's tools are missing.

    Exit code 5 when a gate is missed: float parity of 1e-5, or the int8 loss in dB on photos held out of the calibration; then
    a table says which layer costs what.

    \b
    Examples:
      pixsearch export runs/phone --int8
      pixsearch export runs/phone --int8 --for portable \\
          --shape 360x640 --io uint8-nhwc
      pixsearch export runs/phone/train/model.safetensors --int8 \\
          --calibrate photos/ --gate 0.1 --out runs/phone-int8
      pixsearch export runs/phone --bits search --target arm64:a76 \\
          --extra-latency 5%
      pixsearch export NAME.int8.360x640.onnx --check --nnapi-level 28
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import Launch, check_files, export_stage

    settings: dict[str, dict[str, object]] = {
        "export": o.given(
            mixed=is_search(bits) or None,
            seed=seed,
            int8=int8 or None,
            fp16=fp16 or None,
            a16w8=a16w8 or None,
            scheme=scheme,
            shapes=shape or None,
            io=io,
            dynamic=dynamic,
            check=check or None,
            nnapi_level=nnapi_level,
            calibrate=calibrate,
            gate_db=gate_db,
        )
    }
    searched = o.given(
        formats=formats,
        target=o.target_of(target, device),
        extra_latency=extra_latency,
        evaluations=evaluations,
        budget_s=budget,
        seed=seed,
    )
    if searched and bits is None and resume is None:
        names = ", ".join(f"`--{name.removesuffix('_s').replace('_', '-')}`" for name in searched)
        raise UsageError(f"{names} would have no effect: they say how formats are searched. Add `--bits search`.")
    if searched or bits is not None:
        settings["bits"] = searched
    with Output(as_json) as output:
        if models and all(model.suffix == ".onnx" for model in models):
            check_files(models, nnapi_level, asked=check, output=output)
            return
        export_stage(settings, Launch(resume or out, resume=resume is not None, again=again, output=output), models)


def is_search(bits: str | None) -> bool:
    """Whether formats are to be searched; `UsageError` for another word than `search`."""
    if bits not in (None, "search"):
        raise UsageError(f"`--bits {bits}` is not known. Write `--bits search`, or `--int8` and `--a16w8` for one format everywhere.")
    return bits is not None


def add_to(app: typer.Typer) -> None:
    """Make `export` a subcommand."""
    app.command()(export)
