"""`pixsearch run`: the whole chain by one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixsearch.cli import options as o


def run(
    source: Annotated[list[Path] | None, typer.Argument(metavar="RECIPE.yaml|PHOTOS...", help="A recipe, or folders of photos.")] = None,
    task: o.TaskName = None,
    scale: o.Scale = None,
    color: o.Color = None,
    sigma: o.Sigma = None,
    noise: o.Noise = None,
    shot: o.Shot = None,
    read: o.Read = None,
    noise_level: o.Level = False,
    window: o.Window = None,
    objective: Annotated[
        list[str] | None, typer.Option("--objective", metavar="FIGURE[<=BOUND]", help="As for `pixsearch search`; repeat it.")
    ] = None,
    pick: Annotated[
        str | None, typer.Option("--pick", metavar="knee|best-under:BOUND|ID", help="Which member of the front to train.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="Wall time of search, training and fine-tuning together.", rich_help_panel=o.BUDGET),
    ] = None,
    reduce: o.Reduce = None,
    seed: o.Seed = None,
    out: o.Out = None,
    resume: o.Resume = None,
    again: o.Again = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the settings, the space and an estimate of time; run nothing.", rich_help_panel=o.RECORD),
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Search, train, prune, export, bench and report: from PHOTOS (or a RECIPE) to a measured model.

    Without a recipe the photos are split three ways, by whole groups of near-duplicates: to train on, to select by, to report on.

    \b
    Examples:
      pixsearch run photos/ --scale 2 --objective psnr \\
          --objective "latency@local<=40ms" --budget 30m --out runs/phone
      pixsearch run sample_images/demo.yaml --dry-run
    """
    from pixsearch.cli.chain import Chain
    from pixsearch.cli.output import Output

    changes = {
        "task": o.task_of(task, scale, color, sigma, noise, shot, read, noise_level, window),
        "search": o.given(objectives=objective, seed=seed),
        **o.given(pick=pick, reduce=reduce),
    }
    with Output(as_json) as output:
        chain = Chain.prepare(o.absolute(source or []), changes, budget=budget, out=out, resume=resume, again=again, output=output)
        if dry_run:
            chain.show_plan()
        else:
            chain.run()


def add_to(app: typer.Typer) -> None:
    """Make `run` a subcommand."""
    app.command()(run)
