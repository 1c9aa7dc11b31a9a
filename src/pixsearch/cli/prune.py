"""`pixsearch prune`: make a trained model smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def prune(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL|RUN", help="A model.safetensors, or a run that holds one.")] = None,
    keep_macs: Annotated[
        str | None,
        typer.Option(
            "--keep-macs",
            metavar="SHARE[,SHARE]",
            help="Share of the multiply-adds that may remain (0.6); several give a model each and share the budget out.",
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            metavar="importance|uniform|evolution",
            help="What goes: the least important, the same share of each layer, or what an evolution finds.",
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            metavar="FIGURE[<=BOUND]",
            help="evolution: psnr, macs_720p, params, memory or latency@TARGET, each with an optional bound; repeat it.",
        ),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(
            "--evaluations", help="evolution: candidates (160), instead of a quarter of the time of --budget.", rich_help_panel=o.BUDGET
        ),
    ] = None,
    population: Annotated[
        int | None, typer.Option("--population", help="evolution: candidates that live at once (16).", rich_help_panel=o.BUDGET)
    ] = None,
    workers: o.Workers = None,
    executor: o.Executor = None,
    address: o.Address = None,
    candidate_limit: o.CandidateLimit = None,
    candidate_memory: o.CandidateMemory = None,
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
    """Remove channels of MODEL, fine-tune what is left, and print before and after.

    Photos default to those that MODEL was trained on. The result is RUN/prune/model.safetensors;
    of several shares RUN/prune/keep-SHARE.safetensors each.

    \b
    Examples:
      pixsearch prune runs/phone --keep-macs 0.6 --budget 5m
      pixsearch prune runs/phone/train/model.safetensors --keep-macs 0.5 \\
          --steps 2000 --out runs/half
      pixsearch prune runs/phone --strategy evolution --keep-macs 0.3,0.5,0.7 \\
          --budget 30m --workers 4
      pixsearch prune runs/phone --strategy evolution --objective psnr \\
          --objective "latency@arm64:a76<=30ms"
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import Launch, prune_stage

    settings = {
        "data": o.given(photos=data, val=val, pairs=pairs, val_pairs=val_pairs, reduce=reduce, cache=cache, cache_cap_bytes=cache_cap),
        "prune": o.given(
            keep_macs=keep_macs,
            strategy=strategy,
            objectives=objective,
            evaluations=evaluations,
            population=population,
            **o.crew(workers, executor, address, candidate_limit, candidate_memory),
        ),
        "train": o.given(budget_s=budget, steps=steps, batch=batch, patch=patch, threads=threads, device=device, seed=seed),
    }
    with Output(as_json) as output:
        launch = Launch(resume or out, resume=resume is not None, again=again, output=output)
        prune_stage(settings, launch, model)


def add_to(app: typer.Typer) -> None:
    """Make `prune` a subcommand."""
    app.command()(prune)
