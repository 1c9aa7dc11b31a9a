"""The chain of stages behind `pixsearch run`: each takes the files of the one before it, finished ones are not repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pixsearch.cli import jobs, stages
from pixsearch.cli.output import Output
from pixsearch.cli.recipe import Recipe, read_recipe
from pixsearch.cli.training import Beginning
from pixsearch.config import merge, validate
from pixsearch.errors import DataError, UsageError
from pixsearch.rundir import STAGES, finished, write_atomic
from pixsearch.units import parse_duration

RECORDED = "recipe.resolved.yaml"
DEFAULT_BUDGET = "30m"
SHARES = {"search": 0.45, "train": 0.40, "finetune": 0.15}
"""How a budget for the whole chain is shared out; export and bench take what they take (about a minute)."""


@dataclass(frozen=True)
class Chain:
    """A settled recipe and the run it is written to."""

    recipe: Recipe
    folder: Path
    output: Output
    resume: bool
    again: bool

    @classmethod
    def prepare(
        cls,
        source: list[Path],
        changes: dict[str, Any],
        *,
        budget: str | None,
        out: Path | None,
        resume: Path | None,
        again: bool,
        output: Output,
    ) -> Chain:
        """Settle the recipe: the recorded one of a run to resume, a file's, or one made for folders of photos."""
        if resume is not None:
            if not (resume / RECORDED).exists():
                raise UsageError(f"`{resume}` was not begun by `pixsearch run`. Resume its stages one by one.")
            return cls(read_recipe(resume / RECORDED), resume, output, True, False)
        if not source:
            raise UsageError("Nothing to run. Give a folder of photos or a recipe: `pixsearch run photos/`.")
        if len(source) == 1 and source[0].suffix in {".yaml", ".yml"}:
            recipe = read_recipe(source[0])
        else:
            recipe = for_photos(source, changes, budget or DEFAULT_BUDGET)
            changes = {}
        settled = merge(recipe.to_json(), changes)
        if budget is not None:
            settled = merge(settled, shared_out(budget))
        recipe = validate(Recipe, settled, "`pixsearch run`")
        name = source[0].parent.name if source[0].suffix in {".yaml", ".yml"} else source[0].name
        return cls(recipe, out or Path("runs") / name, output, False, again)

    def show_plan(self) -> None:
        """Print what would be done: settings, space, costs, time."""
        stages.show_plan(self.search_job(), self.output, self.recipe.to_json())

    def search_job(self) -> jobs.SearchJob:
        """The search's settings."""
        recipe = self.recipe
        data = {"photos": recipe.photos.train, "val": recipe.photos.select, "reduce": recipe.reduce}
        return validate(jobs.SearchJob, {"task": recipe.task, "data": data, "search": recipe.search}, "the recipe")

    def run(self) -> None:
        """All stages that are not finished yet, then the report."""
        if not self.resume and not self.again and any((self.folder / name).exists() for name in STAGES):
            raise UsageError(
                f"`{self.folder}` already holds a run. Go on with `--resume {self.folder}`, add `--again`, or choose another `--out`."
            )
        write_atomic(self.folder / RECORDED, yaml.safe_dump(self.recipe.to_json(), sort_keys=False).encode())
        for name, stage in self._stages():
            if self.resume and finished(self.folder, name):
                continue
            stage(self._launch(name))
        stages.report_stage(self.folder, self.output)

    def _launch(self, name: str) -> stages.Launch:
        begun = self.resume and (self.folder / name / "events.jsonl").exists()
        restart = begun and name == "export"  # a short stage is done anew
        return stages.Launch(self.folder, self.output, resume=begun and not restart, again=self.again or restart)

    def _stages(self) -> list[tuple[str, Callable[[stages.Launch], None]]]:
        recipe = self.recipe.to_json()
        search = self.search_job().to_json()
        tuned = {"data": {}, "prune": recipe["prune"], "train": recipe["finetune"]}
        chain: list[tuple[str, Callable[[stages.Launch], None]]] = [
            ("search", lambda launch: stages.search_stage(search, launch)),
            ("train", lambda launch: self._train(recipe, launch)),
        ]
        if self.recipe.prune is not None:
            chain.append(("prune", lambda launch: stages.prune_stage(tuned, launch, self.folder / "train" / "model.safetensors")))
        chain.append(("export", lambda launch: stages.export_stage({"export": recipe["export"]}, launch, [self.folder])))
        chain.append(("bench", lambda launch: self._bench(recipe, launch)))
        return chain

    def _train(self, recipe: dict[str, Any], launch: stages.Launch) -> None:
        settings = {"task": {}, "data": {}, "train": recipe["train"]}
        if launch.resume:
            stages.train_stage({}, launch)
        else:
            stages.train_stage(settings, launch, Beginning(self.folder, recipe["pick"]))

    def _bench(self, recipe: dict[str, Any], launch: stages.Launch) -> None:
        measured = {**recipe["bench"], "images": recipe["photos"]["report"], "reduce": recipe["reduce"]}
        stages.bench_stage({"bench": measured}, launch, [self.folder])


def shared_out(budget: str) -> dict[str, Any]:
    """A chain's budget as budgets of its stages."""
    seconds = parse_duration(budget)
    return {stage: {"budget_s": share * seconds, **_no_count(stage)} for stage, share in SHARES.items()}


def _no_count(stage: str) -> dict[str, None]:
    return {"evaluations": None} if stage == "search" else {"steps": None}


def for_photos(sources: list[Path], changes: dict[str, Any], budget: str) -> Recipe:
    """A recipe for folders of photos: split three ways by whole groups, a fifth to select by and a fifth to report on."""
    from pixsearch.data.index import split
    from pixsearch.data.open import scan_for
    from pixsearch.tasks.config import TaskConfig

    reduce = str(changes.get("reduce") or "auto")
    task = validate(TaskConfig, changes.get("task", {}), "`pixsearch run`").make()
    index = scan_for(task, sources, reduce=reduce).require()
    if len({photo.group for photo in index.photos}) < 3:
        raise DataError(
            f"{len(index.photos)} usable photos are too few to train on, select by and report on. Give at least 3 different ones."
        )
    rest, report = split(index, 0.2)
    train, select = split(rest, 0.25)
    lists = {"train": train.files, "select": select.files, "report": report.files}
    return validate(
        Recipe, merge({"photos": lists, "search": {}, "train": {}, "finetune": {}}, merge(shared_out(budget), changes)), "`pixsearch run`"
    )
