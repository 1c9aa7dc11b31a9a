"""`pixsearch train`: train a found or a hand-made network, or a trained model on for int8."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def train(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|MODEL]", help="A run that holds a search, or a model.safetensors to train on; with --qat also a run's last."
        ),
    ] = None,
    pick: Annotated[
        str | None,
        typer.Option("--pick", metavar="knee|best-under:BOUND|ID", help="Which member: the knee, the best under a bound, or an id."),
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option("--arch", metavar="FILE.json|NAME", help="Instead of a run: a genotype, or fsrcnn, espcn, ecbsr-m4c16, plain-mNcM."),
    ] = None,
    qat: Annotated[
        str | None,
        typer.Option(
            "--qat", metavar="portable|arm|nnapi|x86", help="Train a model on for int8, in the scheme that `export --for` calls so."
        ),
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option("--teacher", metavar="MODEL", help="Learn also from what this trained model answers (distillation).")
    ] = None,
    task: o.TaskName = None,
    scale: o.Scale = None,
    color: o.Color = None,
    sigma: o.Sigma = None,
    noise: o.Noise = None,
    shot: o.Shot = None,
    read: o.Read = None,
    noise_level: o.Level = False,
    window: o.Window = None,
    data: o.Photos = None,
    val: o.Val = None,
    pairs: o.Pairs = None,
    val_pairs: o.ValPairs = None,
    reduce: o.Reduce = None,
    cache: o.Cache = None,
    cache_cap: o.CacheCap = None,
    budget: o.Budget = None,
    steps: o.Steps = None,
    batch: o.Batch = None,
    patch: o.Patch = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Peak learning rate.", rich_help_panel=o.BUDGET)] = None,
    loss: Annotated[
        str | None, typer.Option("--loss", metavar="l1|l2|charbonnier", help="Training loss.", rich_help_panel=o.BUDGET)
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            "--augment",
            metavar="none|flips|cutblur|random|adversarial",
            help="What befalls training patches: flips and rotations, CutBlur too, or policies (random, or against the network).",
            rich_help_panel=o.BUDGET,
        ),
    ] = None,
    branches: Annotated[
        str | None,
        typer.Option(
            "--branches", metavar="none|linear|ecb", help="Train with branches that merge for deployment.", rich_help_panel=o.BUDGET
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", metavar="auto|float32|bfloat16|float16", help="What convolutions compute in.", rich_help_panel=o.BUDGET
        ),
    ] = None,
    full_precision: Annotated[
        float | None,
        typer.Option("--full-precision", metavar="SHARE", help="Compute the last share in float32.", rich_help_panel=o.BUDGET),
    ] = None,
    teacher_share: Annotated[
        float | None,
        typer.Option("--teacher-share", metavar="SHARE", help="How much of the loss the teacher has (0.5).", rich_help_panel=o.BUDGET),
    ] = None,
    optimizer: o.Optimizer = None,
    ema: o.Ema = None,
    patience: o.Patience = None,
    compile_: o.Compile = False,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start from random weights, also when RUN's search (cars) left shared ones.")
    ] = False,
    threads: o.Threads = None,
    device: o.Device = None,
    seed: o.Seed = None,
    out: o.Out = None,
    resume: o.Resume = None,
    again: o.Again = False,
    tensorboard: o.TensorBoard = False,
    as_json: o.Json = False,
) -> None:
    """Train one network into RUN/train/model.safetensors: a member of RUN's front, a network by FILE or NAME, or MODEL on.

    With --qat train a MODEL on, rounded as int8 will round it, into RUN/qat/model.safetensors; `pixsearch export --int8` follows.

    \b
    Examples:
      pixsearch train runs/phone --pick "best-under:macs_720p<=2G" --budget 30m
      pixsearch train --arch plain-m4c16 --data photos/ --budget 30m --out runs/x
      pixsearch train runs/x/train/model.safetensors --data mine/ --out runs/mine
    Then for int8, and on several GPUs, each with a batch of its own:
      pixsearch train runs/phone --qat arm
      torchrun --nproc-per-node 4 --no-python pixsearch train runs/phone
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import Launch, is_for_int8, qat_stage, train_stage
    from pixsearch.cli.training import Beginning, taught_by

    settings = {
        "task": o.task_of(task, scale, color, sigma, noise, shot, read, noise_level, window),
        "data": o.given(photos=data, val=val, pairs=pairs, val_pairs=val_pairs, reduce=reduce, cache=cache, cache_cap_bytes=cache_cap),
        "train": o.given(
            budget_s=budget,
            steps=steps,
            batch=batch,
            patch=patch,
            rate=rate,
            loss=loss,
            augment=augment,
            branches=branches,
            precision=precision,
            full_precision=full_precision,
            teacher_share=teacher_share,
            optimizer=optimizer,
            ema=ema,
            patience=patience,
            compile=compile_ or None,
            threads=threads,
            device=device,
            seed=seed,
        ),
    }
    with Output(as_json) as output:
        chosen = {"--pick": pick, "--arch": arch, "--teacher": teacher, "--task": task, "--scale": scale, "--color": color}
        noises = {"--sigma": sigma, "--noise": noise, "--shot": shot, "--read": read, "--noise-level": noise_level or None}
        if is_for_int8(qat, resume, {**chosen, **noises, "--window": window, "--branches": branches}):
            launch = Launch(resume or out, resume=resume is not None, again=again, output=output)
            qat_stage({"data": settings["data"], "train": settings["train"], "qat": o.given(scheme=qat)}, launch, source)
            return
        run = None if source is None or source.is_file() else source
        target = resume or out or run or (Path("runs") / Path(arch).stem if arch else None)
        launch = Launch(target, resume=resume is not None, again=again, output=output)
        settings |= taught_by(teacher, teacher_share, resume)
        train_stage(settings, launch, Beginning(source, pick, arch, from_scratch), tensorboard=tensorboard)


def add_to(app: typer.Typer) -> None:
    """Make `train` a subcommand."""
    app.command()(train)
