"""Write a run's page: one file that opens from disk, with no request to anywhere."""

from __future__ import annotations

import base64
import hashlib
import shlex
from importlib import resources
from pathlib import Path
from string import Template

from pixsearch.report import wording as w
from pixsearch.report.markup import Markup, element, join, script_json, text
from pixsearch.report.page import Page
from pixsearch.report.records import RunRecord, read_run
from pixsearch.report.searched import Candidate, Member
from pixsearch.report.sections import bench, export, ladder, prune, record, search, train
from pixsearch.rundir import write_atomic


def write_report(run: Path) -> Path:
    """Write RUN/report.html from the record alone and return its path.

    The same record gives the same bytes. `UsageError` when RUN holds no record, `DataError` naming a file of it that is damaged.
    """
    path = run / "report.html"
    write_atomic(path, render(read_run(run)).encode())
    return path


def render(run: RunRecord) -> str:
    """The page of `run` as HTML."""
    page = assemble(run)
    library, script = _plotly(), _asset("page.js")
    return Template(_asset("page.html")).substitute(
        title=text(f"{run.name} · pixsearch"),
        policy=_policy(library, script),
        style=_asset("page.css"),
        name=text(run.name),
        task=text(" · ".join(part for part in (run.task, _stage_names(run)) if part)),
        contents=join(element("a", title, href=f"#{anchor}") for anchor, title in page.contents),
        sections=join(page.sections),
        data=script_json({"figures": page.figures, "candidates": _candidates(run)}),
        plotly=library,
        script=script,
    )


def assemble(run: RunRecord) -> Page:
    """The sections of `run` in the order an engineer asks: how good, at what cost, how it came about, how it was run."""
    page = Page()
    if run.bench:
        bench.summary(page, run.bench)
        ladder.ladder(page, run.bench)
        bench.crops(page, run.bench)
        bench.details(page, run.bench)
    if run.search:
        search.front(page, run.search)
        search.growth(page, run.search)
    if run.train:
        train.training(page, "train", "Training", run.train)
    if run.prune:
        prune.pruning(page, run.prune)
    if run.qat:
        train.training(page, "qat", "Training for int8", run.qat)
    export.export(page, run)
    if run.search:
        record.failures(page, run.search)
    record.photos(page, run)
    record.warnings(page, run)
    record.stages(page, run)
    return page


def _stage_names(run: RunRecord) -> str:
    """`search, train, bench (unfinished)`."""
    return ", ".join(stage.name + ("" if stage.state == "done" else f" ({stage.outcome})") for stage in run.stages)


def _candidates(run: RunRecord) -> dict[str, object]:
    """What the page shows of each candidate on hover and when it is picked, by id."""
    searched: list[Candidate | Member] = [*run.search.lower, *run.search.candidates, *run.search.front] if run.search else []
    evolution = run.prune.evolution if run.prune else None
    cuts: list[Candidate | Member] = [*evolution.candidates, *evolution.front] if evolution else []
    train = {one.id: w.printable(shlex.join(["pixsearch", "train", str(run.path), "--pick", one.id])) for one in searched}
    return {
        one.id: {
            "description": w.printable(one.description),
            "figures": w.figures(one.figures),
            "genes": list(w.genotype_lines(one.genotype)),
            "command": train.get(one.id, ""),
        }
        for one in (*cuts, *searched)
    }


def _asset(name: str) -> str:
    return resources.files("pixsearch.report").joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    """plotly.js as the installed package brings it, so written that nothing in it can end its element."""
    from plotly.offline import get_plotlyjs  # slow to import, so only when a page is written

    library = str(get_plotlyjs())
    return library.replace("</script", "<\\/script")


def _policy(*scripts: str) -> Markup:
    """What the browser may do with the page: run these scripts by their hashes and show what is inside, fetch nothing."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return Markup(
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
