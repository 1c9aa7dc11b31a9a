"""`pixsearch prune`: make a trained model smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def prune(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL|RUN", help="A model.safetensors, or a run that holds one.")] = None,
    keep_macs: Annotated[
        str | None, typer.Option("--keep-macs", metavar="SHARE", help="Share of the multiply-adds that may remain, e.g. 0.6.")
    ] = None,
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
    threads: o.Threads = None,
    device: o.Device = None,
    seed: o.Seed = None,
    out: o.Out = None,
    resume: o.Resume = None,
    again: o.Again = False,
    as_json: o.Json = False,
) -> None:
    """Remove the least important channels of MODEL, fine-tune what is left, and print before and after.

    Photos default to those that MODEL was trained on. The result is RUN/prune/model.safetensors.

    \b
    Examples:
      pixsearch prune runs/phone --keep-macs 0.6 --budget 5m
      pixsearch prune runs/phone/train/model.safetensors --keep-macs 0.5 \\
          --steps 2000 --out runs/half
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import Launch, prune_stage

    settings = {
        "data": o.given(photos=data, val=val, pairs=pairs, val_pairs=val_pairs, reduce=reduce, cache=cache, cache_cap_bytes=cache_cap),
        "prune": o.given(keep_macs=keep_macs),
        "train": o.given(budget_s=budget, steps=steps, batch=batch, patch=patch, threads=threads, device=device, seed=seed),
    }
    with Output(as_json) as output:
        launch = Launch(resume or out, resume=resume is not None, again=again, output=output)
        prune_stage(settings, launch, model)


def add_to(app: typer.Typer) -> None:
    """Make `prune` a subcommand."""
    app.command()(prune)
