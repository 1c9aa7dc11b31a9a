"""The search stage from photos to front.json: composes space, strategy, evaluator and engine, and writes the record."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pixsearch.data.open import Data
from pixsearch.data.patches import Patches
from pixsearch.data.progress import silent
from pixsearch.errors import InfeasibleError, MachineError, UsageError
from pixsearch.events import read_events
from pixsearch.registry import EXECUTORS, SPACES, STRATEGIES
from pixsearch.rng import derive, stream
from pixsearch.rundir import Stage
from pixsearch.search import front as fronts
from pixsearch.search.bounds import closed_form, fits_bounds, infeasible, require_feasible
from pixsearch.search.config import SearchConfig
from pixsearch.search.deaths import Witness
from pixsearch.search.engine import Budget, Engine
from pixsearch.search.evaluators.standalone import StandaloneTraining, proxy_settings, quality_figures
from pixsearch.search.evaluators.supernet import SharedTraining, shared_plan
from pixsearch.search.latency import require_targets, telling
from pixsearch.search.objectives import Objective
from pixsearch.search.prices import warn_of_prices
from pixsearch.search.record import Clock, Record
from pixsearch.search.rungs import Rungs
from pixsearch.search.scored import Fidelity, Scored
from pixsearch.search.strategies.base import Strategy
from pixsearch.search.strategies.operators import spread_sampler
from pixsearch.search.windows import Selection
from pixsearch.space.base import Space
from pixsearch.tasks.base import Task
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.validate import score_baseline

WEIGHTS = "supernet.safetensors"


@dataclass
class _Search:
    """What the steps of one search share."""

    task: Task
    config: SearchConfig
    space: Space[Any]
    objectives: tuple[Objective, ...]
    rungs: Rungs
    record: Record
    stage: Stage


def search_stage(data: Data, task: Task, config: SearchConfig, stage: Stage, *, clock: Clock = time.monotonic) -> dict[str, Any]:
    """Search until the budget is spent and write RUN/search/front.json, whose content is returned.

    A resumed stage goes on where its record ends. `clock` is what a budget in seconds counts. `InfeasibleError` with
    the nearest miss when nothing keeps the bounds (at once when the closed-form bounds alone see to that), `UsageError`
    when a resumed record belongs to other photos, `Interrupted` on Ctrl-C, with everything so far recorded.
    """
    space: Space[Any] = SPACES.load(config.space)(task.signature)
    objectives = config.parsed_objectives()
    require_feasible(space, objectives, stream(config.seed, "feasible"))
    require_targets(objectives)
    with Witness(stage.path) as witness:
        past = read_events(stage.path / "events.jsonl")
        record = Record(past, stage.note, space, objectives, witness=witness, clock=clock)
        search = _Search(task, config, space, objectives, make_rungs(objectives, config), record, stage)
        return _run(search, data)


def make_rungs(objectives: Sequence[Objective], config: SearchConfig) -> Rungs:
    """How far the candidates of this search are trained, and how many of them further."""
    fidelities = tuple(Fidelity(steps, config.proxy_batch, config.proxy_patch, config.branches) for steps in config.steps)
    return Rungs(fidelities, tuple(objectives), config.keep, config.seed)


def make_strategy(space: Space[Any], objectives: Sequence[Objective], config: SearchConfig) -> Strategy:
    """The strategy that `config` names."""
    fits = fits_bounds(space, objectives)
    kind: type[Strategy] = STRATEGIES.load(config.strategy)
    options = {name: getattr(config, name) for name in kind.options}
    return kind(
        space,
        objectives,
        fits,
        spread_sampler(space, objectives, fits),
        seed=config.seed,
        population=config.population,
        offspring=config.offspring or max(1, round(config.population * kind.offspring_share)),
        **options,
    )


def make_evaluator(search: _Search, strategy: Strategy, data: Data, val: Selection) -> StandaloneTraining:
    """What judges the candidates of `strategy`: a training each, or weights that they share, kept in RUN/search/checkpoints."""
    config, record = search.config, search.record
    rooms = (search.space, search.objectives, search.task, _batches(search, data), val, proxy_settings(config))
    if not strategy.shares_weights:
        return StandaloneTraining(*rooms, seed=config.seed)
    return SharedTraining(
        *rooms,
        seed=config.seed,
        sample=strategy.sample,
        plan=shared_plan(config),
        checkpoints=Checkpoints(search.stage.path / "checkpoints", how_to_go_on(search)),
        note=lambda kind, **fields: record.note(kind, **fields, elapsed_s=record.elapsed()),
        clock=record.clock,
    )


def _run(search: _Search, data: Data) -> dict[str, Any]:
    _note_start(search, data)
    val = Selection(data.val, search.task, pictures=search.config.val_pictures, window=search.config.val_window)
    baseline = _baseline(search, val)
    strategy = make_strategy(search.space, search.objectives, as_begun(search))
    evaluator = make_evaluator(search, strategy, data, val)
    reference: dict[str, float] = {}

    def on_generation(number: int, tries: Sequence[Scored], judged: Sequence[Scored]) -> None:
        if not reference:
            largest = closed_form(search.space, search.space.largest())
            reference.update(fronts.reference_point(search.objectives, baseline, largest, judged))
        front = fronts.members(fronts.comparable(judged), search.objectives)
        search.record.generation(number, tries, front, fronts.volume(front, search.objectives, reference))

    with closing(EXECUTORS.load(search.config.executor)(search.config.crew())) as executor:
        engine = Engine(
            strategy,
            evaluator,
            executor,
            search.record,
            search.rungs,
            Budget(search.config.evaluations, search.config.budget_s),
            on_generation=on_generation,
            how_to_go_on=how_to_go_on(search),
        )
        with telling(search.record.note):
            judged = engine.run()
    front = _finish(search, engine.tries, judged, baseline, reference)
    if isinstance(evaluator, SharedTraining):
        evaluator.keep(search.stage.path / WEIGHTS)
    search.record.note("done", evaluated=len(engine.tries), front=len(front["members"]), elapsed_s=search.record.elapsed())
    return front


def how_to_go_on(search: _Search) -> str:
    """What a user who stopped the search is told."""
    return f"Go on with `pixsearch search --resume {search.stage.run}`."


def _note_start(search: _Search, data: Data) -> None:
    """Say what is sought, or on resume make sure that it is still sought with the same photos."""
    config, photos = search.config, photos_digest(data)
    before = search.record.first("start")
    if before is None:
        search.record.note(
            "start",
            space=search.space.name,
            size=search.space.size(),
            strategy=config.strategy,
            objectives=[str(o) for o in search.objectives],
            seed=config.seed,
            evaluations=config.evaluations,
            budget_s=config.budget_s,
            population=config.population,
            proxy=search.rungs.top.name,
            rungs=[fidelity.name for fidelity in search.rungs.fidelities],
            threads=config.threads_each,
            executor=config.executor,
            workers=config.workers,
            photos=photos,
        )
        return
    if before["photos"] != photos:
        raise UsageError(
            f"The photos have changed since `{search.stage.path}` was begun, so new candidates could not be compared with recorded "
            "ones. Restore them, or start a new run with another `--out`."
        )
    record = search.record
    record.note("resume", evaluated=record.count, candidates=record.candidates, elapsed_s=record.elapsed())


def as_begun(search: _Search) -> SearchConfig:
    """The settings with the budget that the search was begun with: what a strategy made of that must come out alike on resume."""
    begun = search.record.first("start")
    return search.config if begun is None else search.config.model_copy(update={key: begun[key] for key in ("evaluations", "budget_s")})


def photos_digest(data: Data) -> str:
    """A digest of the contents of all photos, in order, on both sides."""
    text = json.dumps([[photo.key for photo in side.photos] for side in (data.train, data.val)])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _batches(search: _Search, data: Data) -> Patches:
    """The batches every candidate is trained on; what they leave out is said once."""
    config = search.config
    note = silent if search.stage.resumed else search.record.note
    seed = derive(config.seed, "batches")
    return Patches(data.train, search.task, batch=config.proxy_batch, patch=config.proxy_patch, seed=seed, note=note)


def _baseline(search: _Search, val: Selection) -> dict[str, float]:
    """PSNR and SSIM of the trivial method on the pictures that candidates are scored on, as figures; computed once."""
    before = search.record.first("baseline")
    if before is not None:
        return {"psnr": before["psnr_db"], "ssim": before["ssim"]}
    figures = quality_figures(score_baseline(val.as_cache(), search.task))
    search.record.note(
        "baseline", name=search.task.baseline_name, psnr_db=figures["psnr"], ssim=figures["ssim"], pictures=val.description()
    )
    return figures


def _finish(
    search: _Search, tries: Sequence[Scored], judged: Sequence[Scored], baseline: dict[str, float], reference: dict[str, float]
) -> dict[str, Any]:
    front = fronts.members(fronts.comparable(judged), search.objectives) if judged else []
    if not front:
        raise _nothing_found(search, tries, judged)
    record = {
        "task": search.task.name,
        "scale": search.task.scale,
        "color": search.task.color,
        "convention": search.task.convention,
        "space": search.space.name,
        "objectives": [{"name": o.name, "direction": o.direction, "bound": o.bound} for o in search.objectives],
        "fidelity": judged[-1].fidelity,
        "baseline": {"name": search.task.baseline_name, "psnr_db": baseline["psnr"], "ssim": baseline["ssim"]},
        "reference_point": reference,
        "hypervolume": fronts.volume(front, search.objectives, reference),
        "members": [_member(search, one) for one in front],
        "knee": fronts.knee(front, search.objectives).id,
    }
    search.stage.write_json("front.json", record)
    warn_of_prices(search.task, front, search.record.note)
    return record


def _member(search: _Search, one: Scored) -> dict[str, Any]:
    described = search.space.describe(one.genotype)
    return {"id": one.id, "genotype": one.genotype.to_json(), "description": described, "figures": one.figures}


def _nothing_found(search: _Search, tries: Sequence[Scored], judged: Sequence[Scored]) -> Exception:
    if tries and not judged:
        return InfeasibleError(
            f"None of the {len(tries)} candidates came to the highest rung ({search.rungs.top.name}). "
            f"Go on with a larger budget: `pixsearch search --resume {search.stage.run} --budget …`."
        )
    nearest = fronts.nearest_miss(judged, search.objectives)
    if nearest is None:
        return MachineError(
            f"None of the {len(tries)} candidates could be judged; `{search.stage.path / 'events.jsonl'}` says why of each."
        )
    return infeasible(search.space, search.objectives, nearest.genotype, nearest.figures)
