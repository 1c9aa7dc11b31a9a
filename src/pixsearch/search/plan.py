"""What a search would do, before it does it: the space, the cost of its members and an estimate of time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from pixsearch.nn.build import Network, build
from pixsearch.registry import SPACES, STRATEGIES, TARGETS
from pixsearch.rng import stream
from pixsearch.search.bounds import closed_form, fits_bounds, require_feasible
from pixsearch.search.config import SearchConfig
from pixsearch.search.evaluators.standalone import proxy_settings
from pixsearch.search.evaluators.supernet import shared_plan
from pixsearch.search.strategies.operators import spread_sampler
from pixsearch.space.base import Space
from pixsearch.tasks.base import Task, task_for
from pixsearch.train.compute import choose

DRAWS = 31
TIMED_STEPS = 5
SCORED_SIDE = 512
ASSUMED_PIXELS = 500_000
LATENCY_S = 1.5


def plan(task: Task, config: SearchConfig) -> dict[str, Any]:
    """The plan as plain values: `space`, `size`, `members` and `estimate`.

    `members` holds cost and description of the space's smallest, median (of 31 drawn alike) and largest member, and of the
    `typical` one, the median of what the search would draw within its bounds. `estimate` says how long a candidate and all
    would take, and what that rests on: the typical member's training is timed here and now for a few steps. `InfeasibleError`
    when nothing keeps the bounds.
    """
    space: Space[Any] = SPACES.load(config.space)(task.signature)
    objectives = config.parsed_objectives()
    require_feasible(space, objectives, stream(config.seed, "feasible"))
    sample = spread_sampler(space, objectives, fits_bounds(space, objectives))
    typical = _median(space, sample, stream(config.seed, "plan"))
    members = {
        "smallest": space.smallest(),
        "median": _median(space, space.sample, stream(config.seed, "plan", "space")),
        "largest": space.largest(),
        "typical": typical,
    }
    targets = [o.latency.target.partition(":")[0] for o in objectives if o.latency is not None]
    modelled = any(TARGETS.load(name).modelled for name in targets)
    return {
        "space": space.name,
        "size": space.size(),
        "members": {name: {**closed_form(space, g), "description": space.describe(g)} for name, g in members.items()},
        "estimate": _estimate(task, config, build(typical, task.signature), len(targets), modelled),
    }


def _median(space: Space[Any], sample: Any, rng: np.random.Generator) -> Any:
    return sorted((sample(rng) for _ in range(DRAWS)), key=space.macs_720p)[DRAWS // 2]


def _estimate(task: Task, config: SearchConfig, network: Network, latencies: int, modelled: bool) -> dict[str, Any]:
    step, score = _seconds_a_step(network, config, task.scale), _seconds_to_score(task, network)
    share = ASSUMED_PIXELS / SCORED_SIDE**2
    shared = shared_plan(config) if STRATEGIES.load(config.strategy).shares_weights else None
    climbed: list[tuple[float, float]] = [(steps, config.keep**rung) for rung, steps in enumerate(config.steps)]
    if shared is not None:
        climbed = [(shared.generation_steps / (config.population + (config.offspring or config.population)), 1.0)]
    each = sum((step * steps + score * share * config.val_pictures) * kept for steps, kept in climbed) + LATENCY_S * latencies
    warmup = 0.0 if shared is None else shared.warmup_s if shared.warmup_steps is None else step * shared.warmup_steps
    candidates = config.evaluations or max(1, round(((config.budget_s or each) - warmup) / each))
    basis = (
        f"Timed here and now: {TIMED_STEPS} training steps ({step * 1e3:.0f} ms each) of the typical member, and scoring it on a picture "
        f"of {SCORED_SIDE}×{SCORED_SIDE} ({score:.2f} s). Assumed: {config.val_pictures} pictures of half a megapixel to score on"
        + (f", {LATENCY_S} s for a latency." if latencies else ".")
        + (" First candidates take longer: an emulator fills the table of operators that latencies are summed up from." if modelled else "")
        + (f" Shared weights: {warmup:.0f} s of warm-up first, then every candidate's part of a generation's training." if shared else "")
        + (f" Mean over the rungs, of which {config.keep:.0%} go on." if config.rungs else "")
        + (" For one worker; more of them share the work out." if config.executor != "inprocess" else "")
    )
    return {
        "seconds_per_candidate": each,
        "candidates": candidates,
        "seconds": config.budget_s or warmup + each * candidates,
        "basis": basis,
    }


def _seconds_a_step(network: Network, config: SearchConfig, scale: int) -> float:
    """The fastest of a few steps (forward and backward; the update costs next to nothing) on noise, computed as a training would."""
    compute = choose(proxy_settings(config))
    placed, weights = compute.place(network), list(network.parameters())
    side, generator = config.proxy_patch, torch.Generator().manual_seed(0)
    frames = network.signature.settings["length"] if network.signature.state else 1  # a sequence goes through, frame by frame
    batch = [(port.channels * frames, side) for port in network.signature.inputs]
    batch.append((network.signature.out_channels * frames, side * scale))
    *inputs, truth = [compute.move(torch.rand(config.proxy_batch, c, s, s, generator=generator)) for c, s in batch]
    times = []
    with compute.in_charge():
        for _ in range(TIMED_STEPS + 1):
            began = time.perf_counter()
            with compute.autocast():
                output = placed(*inputs)
            float(torch.autograd.grad((output.float() - truth).abs().mean(), weights)[0].sum())
            times.append(time.perf_counter() - began)
    return min(times)


@torch.no_grad()
def _seconds_to_score(task: Task, network: Network) -> float:
    """Seconds for one noise picture, from its pair to its scores."""
    pair = task.pair(np.random.default_rng(0).integers(0, 256, (SCORED_SIDE, SCORED_SIDE, 3), dtype=np.uint8))
    network = network.cpu()
    began = time.perf_counter()
    own = task_for(network.signature)
    planes = [torch.from_numpy(own.encode(port.name, pair.inputs[port.name]))[None] for port in own.signature.inputs]
    task.score(network(*planes)[0].numpy(), pair.truth)
    return time.perf_counter() - began
