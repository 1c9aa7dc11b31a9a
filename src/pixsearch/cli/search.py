"""`pixsearch search`: find the architectures worth training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def search(
    photos: Annotated[list[Path] | None, typer.Argument(metavar="PHOTOS...", help="Folders or files of photos.")] = None,
    task: o.TaskName = None,
    scale: o.Scale = None,
    color: o.Color = None,
    sigma: o.Sigma = None,
    noise: o.Noise = None,
    shot: o.Shot = None,
    read: o.Read = None,
    noise_level: o.Level = False,
    window: o.Window = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            help="nsga2, random, esr-ea (guided by credits of blocks), cars (candidates share weights) or blockqnn (Q-learning in nsc).",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            help="The family of architectures: mobile, cell (NAME-dynamic: kernels adapt to the picture), nsc, erdb, or video.",
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            metavar="FIGURE[<=BOUND]",
            help="psnr, macs_720p, params, memory or latency@TARGET, each with an optional bound; repeat it.",
        ),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option("--evaluations", help="Candidates, instead of a time; repeatable to the bit.", rich_help_panel=o.BUDGET)
    ] = None,
    budget: o.Budget = None,
    population: Annotated[int | None, typer.Option("--population", help="Candidates a generation.", rich_help_panel=o.BUDGET)] = None,
    proxy_steps: Annotated[
        int | None, typer.Option("--proxy-steps", help="Training steps a candidate is judged after.", rich_help_panel=o.BUDGET)
    ] = None,
    rungs: Annotated[
        str | None,
        typer.Option(
            "--rungs",
            metavar="STEPS,STEPS",
            help="Train all for the first steps, the best longer, e.g. 400,1600.",
            rich_help_panel=o.BUDGET,
        ),
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option("--keep", metavar="SHARE", help="Share of a rung that goes on to the next (0.25).", rich_help_panel=o.BUDGET),
    ] = None,
    guidance: Annotated[
        bool | None, typer.Option("--guidance/--no-guidance", help="esr-ea: let credits weight mutations; on by default.")
    ] = None,
    warmup_steps: Annotated[
        int | None,
        typer.Option("--warmup-steps", help="cars: first steps, on random members; else a third of --budget.", rich_help_panel=o.BUDGET),
    ] = None,
    generation_steps: Annotated[
        int | None, typer.Option("--generation-steps", help="cars: steps of the shared weights a generation.", rich_help_panel=o.BUDGET)
    ] = None,
    protection: Annotated[
        bool | None,
        typer.Option("--protection/--no-protection", help="cars: let networks live on whose quality still grows; on by default."),
    ] = None,
    seed: o.Seed = None,
    threads: o.Threads = None,
    workers: o.Workers = None,
    executor: o.Executor = None,
    address: o.Address = None,
    candidate_limit: o.CandidateLimit = None,
    candidate_memory: o.CandidateMemory = None,
    val: o.Val = None,
    pairs: o.Pairs = None,
    val_pairs: o.ValPairs = None,
    reduce: o.Reduce = None,
    cache: o.Cache = None,
    cache_cap: o.CacheCap = None,
    out: o.Out = None,
    resume: o.Resume = None,
    again: o.Again = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the settings, the space and an estimate of time; search nothing.", rich_help_panel=o.RECORD),
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Find the architectures worth training on PHOTOS and record their front in RUN/search.

    \b
    Examples:
      pixsearch search photos/ --scale 2 --objective psnr \\
          --objective "macs_720p<=2.5G" --budget 10m --out runs/phone
      pixsearch search --resume runs/phone --budget 20m --workers 4
    """
    from pixsearch.cli.output import Output
    from pixsearch.cli.stages import Launch, default_run, search_stage

    settings = {
        "task": o.task_of(task, scale, color, sigma, noise, shot, read, noise_level, window),
        "data": o.given(
            photos=photos or None, val=val, pairs=pairs, val_pairs=val_pairs, reduce=reduce, cache=cache, cache_cap_bytes=cache_cap
        ),
        "search": o.given(
            strategy=strategy,
            space=space,
            objectives=objective,
            evaluations=evaluations,
            budget_s=budget,
            population=population,
            proxy_steps=proxy_steps,
            rungs=rungs,
            keep=keep,
            guidance=guidance,
            warmup_steps=warmup_steps,
            generation_steps=generation_steps,
            protection=protection,
            seed=seed,
            threads=threads,
            **o.crew(workers, executor, address, candidate_limit, candidate_memory),
        ),
    }
    run = resume or out or default_run(photos, pairs)
    with Output(as_json) as output:
        launch = Launch(run, resume=resume is not None, again=again, output=output)
        search_stage(settings, launch, dry_run=dry_run)


def add_to(app: typer.Typer) -> None:
    """Make `search` a subcommand."""
    app.command()(search)
