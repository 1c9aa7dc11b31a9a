"""`pixsearch train`: train a found or a hand-made network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def train(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run that holds a search.")] = None,
    pick: Annotated[
        str | None,
        typer.Option("--pick", metavar="knee|best-under:BOUND|ID", help="Which member: the knee, the best under a bound, or an id."),
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option("--arch", metavar="FILE.json|NAME", help="Instead of a run: a genotype, or fsrcnn, espcn, ecbsr-m4c16, plain-mNcM."),
    ] = None,
    scale: o.Scale = None,
    color: o.Color = None,
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
    branches: Annotated[
        str | None,
        typer.Option(
            "--branches", metavar="none|linear|ecb", help="Train with branches that merge for deployment.", rich_help_panel=o.BUDGET
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start from random weights, also when RUN's search (cars) left shared ones.")
    ] = False,
    threads: o.Threads = None,
    device: o.Device = None,
    seed: o.Seed = None,
    out: o.Out = None,
    resume: o.Resume = None,
    again: o.Again = False,
    as_json: o.Json = False,
) -> None:
    """Train one network into RUN/train/model.safetensors: a member of RUN's front, or a network by FILE or NAME.

    \b
    Examples:
      pixsearch train runs/phone --pick "best-under:latency@local<=90ms" --budget 30m
      pixsearch train --arch plain-m4c16 --scale 2 --data photos/ --val holdout/ --budget 30m --out runs/plain
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import Launch, train_stage

    settings = {
        "task": o.given(scale=scale, color=color),
        "data": o.given(photos=data, val=val, pairs=pairs, val_pairs=val_pairs, reduce=reduce, cache=cache, cache_cap_bytes=cache_cap),
        "train": o.given(
            budget_s=budget,
            steps=steps,
            batch=batch,
            patch=patch,
            rate=rate,
            loss=loss,
            branches=branches,
            threads=threads,
            device=device,
            seed=seed,
        ),
    }
    target = resume or out or run or (Path("runs") / Path(arch).stem if arch else None)
    with Output(as_json) as output:
        launch = Launch(target, resume=resume is not None, again=again, output=output)
        train_stage(settings, launch, searched=run, pick=pick, arch=arch, from_scratch=from_scratch)


def add_to(app: typer.Typer) -> None:
    """Make `train` a subcommand."""
    app.command()(train)
