"""Judge a candidate by the weights it shares with all others (CARS, Yang et al. 2020): a tail of its own, but no training."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from pixsearch.data.progress import Note, silent
from pixsearch.errors import DataError, GateError, Interrupted
from pixsearch.interrupt import stop_asked
from pixsearch.nn.body import Body
from pixsearch.nn.build import Network
from pixsearch.nn.readout import refit
from pixsearch.nn.supernet import Supernet
from pixsearch.nn.supernetfile import save_supernet
from pixsearch.rng import derive, stream
from pixsearch.search.config import SearchConfig
from pixsearch.search.evaluators.standalone import StandaloneTraining, quality_figures
from pixsearch.search.objectives import growth
from pixsearch.search.record import Clock
from pixsearch.search.scored import Fidelity
from pixsearch.search.strategies.base import Sampler
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.compute import choose
from pixsearch.train.feed import Feed
from pixsearch.train.shared import SharedWeights
from pixsearch.train.trainee import Packed
from pixsearch.train.validate import validate

DECAY = 0.98
RISE = 0.05
LOWEST = 0.1
TELL_EVERY_S, SAVE_EVERY_S = 5.0, 60.0
WARMUP_SHARE = 1 / 3
WARMUP_STEPS = 4000
BAD_STEPS = 100
PACE = 8.0  # times the rate of a training alone: a tail that is solved for keeps up with features that move fast
SIGHT = 4  # batches that tails are fitted on

Figures = dict[str, float]


@dataclass(frozen=True)
class SupernetPlan:
    """How long the shared weights are trained: at first on members drawn alike, then on the parents of each generation.

    The warm-up lasts `warmup_steps` or, when that is None, `warmup_s` seconds; only the first is repeatable to the bit.
    """

    warmup_steps: int | None
    warmup_s: float
    generation_steps: int
    protection: bool = True


def shared_plan(config: SearchConfig) -> SupernetPlan:
    """What the settings of a search say about it."""
    steps = config.warmup_steps or (None if config.budget_s else WARMUP_STEPS)
    return SupernetPlan(steps, (config.budget_s or 0.0) * WARMUP_SHARE, config.generation_steps, config.protection)


class SharedTraining(StandaloneTraining):
    """Trains shared weights between generations, and judges a candidate by its slices of them.

    Bounds and latencies are looked at as in `StandaloneTraining`. Weights have a version: 0 after the warm-up, one more with each
    generation. `weights` names the version, and every figure belongs to it. Nothing is trained before a candidate asks for it,
    so a replayed generation costs nothing. Weights come from the newest of `checkpoints`; without one they are trained anew from the
    start, to the same bits. A candidate's tail is the best for its features on a few batches, always the same. With `protection`
    the figures say also how much each quality grew since the version before.
    """

    def __init__(
        self,
        *args: Any,
        sample: Sampler,
        plan: SupernetPlan,
        checkpoints: Checkpoints | None = None,
        note: Note = silent,
        clock: Clock = time.monotonic,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.sample, self.plan, self.checkpoints, self.note, self.clock = sample, plan, checkpoints, note, clock
        self.compute = choose(self.settings)
        seed = derive(self.seed, "supernet") % 2**31
        supernet = Supernet(self.space, branches=self.settings.branches, seed=seed)
        self.shared = SharedWeights(supernet, self.compute, decay=DECAY)
        self.before = dict(self.shared.average)
        self.version, self.step, self.began, self.used_s = -1, 0, 0, 0.0
        self._parents: list[Sequence[Any]] = []
        self._known: dict[tuple[str, int], Figures] = {}
        self._sight = self._calibration()
        self._restored = False

    def _calibration(self) -> tuple[Tensor, Tensor]:
        """The planes that tails are fitted on: inputs, one behind another, and truth."""
        with Feed(self.batches, self.task.signature, choose(self.settings.model_copy(update={"device": "cpu"})), ahead=False) as feed:
            drawn = [feed.draw(step) for step in range(SIGHT)]
        return torch.cat([torch.cat(inputs, dim=1) for inputs, _ in drawn]), torch.cat([truth for _, truth in drawn])

    def network(self, genotype: Any, version: int) -> Network:
        """The member by the weights of this version or of the one before, with the best tail for its features."""
        network = self.shared.supernet.inherit(genotype, self.shared.average if version == self.version else self.before)
        refit(cast(Body, network.body), *self._sight)
        return network

    def begin(self, parents: Sequence[Any]) -> None:
        """The next version of the weights, to be trained on `parents` once a candidate needs it."""
        self._parents.append(tuple(parents))
        self.weights = version_name(len(self._parents) - 1)

    def __getstate__(self) -> dict[str, Any]:
        """For a worker, which judges and does not train: without photos to train on, checkpoints and record."""
        return {**self.__dict__, "batches": None, "sample": None, "checkpoints": None, "note": silent, "clock": time.monotonic}

    def prepare(self, population: Sequence[Any]) -> None:
        """Train up to the version begun last; raises `Interrupted` after saving, `GateError` when losses are no numbers any more."""
        del population
        self._restore()
        with self.compute.in_charge():
            while self.version < len(self._parents) - 1:
                self._train(self._parents[self.version + 1])

    def _train(self, parents: Sequence[Any]) -> None:
        """From one version to the next: one member a batch."""
        bad, last = 0, torch.tensor(math.nan)
        told = saved = time.monotonic()
        if self.step == self.began:
            self.before = {name: value.clone() for name, value in self.shared.average.items()}
        with Feed(self.batches, self.task.signature, self.compute, ahead=self.compute.device.type != "cpu") as feed:
            since, used = self.clock(), self.used_s
            while (progress := self._progress()) < 1:
                if stop_asked():
                    self._save()
                    how = self.checkpoints.how_to_resume if self.checkpoints else "Nothing is kept."
                    raise Interrupted(f"Stopped as asked after step {self.step} of the shared weights. {how}")
                rng = stream(self.seed, "supernet", self.step)
                member = self.shared.member(parents[int(rng.integers(len(parents)))] if parents else self.sample(rng))
                inputs, truth = feed.draw(self.step)
                if self.shared.teaches(member, truth):
                    loss = self.shared.loss(member, inputs, truth)
                    learned = self.shared.learn(member, loss, PACE * self.settings.rate * rate_share(progress, rising=self.version < 0))
                    bad, last = (0 if learned else bad + 1), loss.detach()
                if bad >= BAD_STEPS:
                    raise GateError(f"The last {bad} losses of the shared weights were no numbers. Search anew with a lower `proxy_rate`.")
                self.step += 1
                self.used_s = used + self.clock() - since
                if time.monotonic() - told >= TELL_EVERY_S:
                    self._tell(progress, float(last))
                    told = time.monotonic()
                if time.monotonic() - saved >= SAVE_EVERY_S:
                    self._save()
                    saved = time.monotonic()
        self._finish()

    def _tell(self, progress: float, loss: float) -> None:
        """An event `step`, as a training's."""
        if math.isfinite(loss):
            self.note("step", step=self.step, loss=loss, **({"progress": round(progress, 4)} if self.version < 0 else {}))

    def keep(self, path: Path) -> None:
        """Write the weights of the newest finished version, by which its candidates were judged, for trainings to start from."""
        self._restore()
        weights = self.before if self.step > self.began else self.shared.average
        save_supernet(path, self.shared.supernet, weights, self._sight, version_name(self.version))

    def _progress(self) -> float:
        """The share of the present stretch of training that is done."""
        if self.version >= 0:
            return (self.step - self.began) / self.plan.generation_steps
        return self.step / self.plan.warmup_steps if self.plan.warmup_steps is not None else self.used_s / self.plan.warmup_s

    def _finish(self) -> None:
        """A new version; what it replaces is kept from the start of its training, to tell how members have grown."""
        self.version += 1
        self.began = self.step
        self.note("weights", version=self.version, step=self.step, trained_s=round(self.used_s, 2))
        self._known = {key: figures for key, figures in self._known.items() if key[1] >= self.version - 1}
        self._save()

    def _quality(self, genotype: Any, fidelity: Fidelity) -> Figures:
        assert fidelity.weights == version_name(self.version), "candidates are judged by the version that was begun last"
        with self.compute.in_charge():  # scores too depend on the number of threads, in their last digits
            figures = self._scores(genotype, self.version)
            if not self.plan.protection or self.version == 0:
                return figures
            before = self._scores(genotype, self.version - 1)
        return {**figures, **{growth(name): value - before[name] for name, value in figures.items()}}

    def _scores(self, genotype: Any, version: int) -> Figures:
        """PSNR and SSIM by the weights of this version or of the one before; each is taken once."""
        key = genotype.id, version
        if key not in self._known:
            self._known[key] = quality_figures(validate(self.network(genotype, version), self.val.as_cache(), self.task))
        return self._known[key]

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        packed = self.shared.pack()
        before = {f"before/{name}": value.detach().cpu() for name, value in self.before.items()}
        progress = {"step": self.step, "version": self.version, "began": self.began, "used_s": self.used_s}
        self.checkpoints.save(Packed({**packed.tensors, **before}, {**packed.values, "progress": progress}))

    def _restore(self) -> None:
        """Take up the newest whole checkpoint, once; `DataError` when it is ahead of the record."""
        packed = None if self._restored or self.checkpoints is None else self.checkpoints.latest(self.note)
        self._restored = True
        if packed is None:
            return
        progress = packed.values["progress"]
        if progress["version"] >= len(self._parents):
            raise DataError(
                f"The shared weights are of version {progress['version']}, but the record of the search ends before it. Restore "
                "events.jsonl, or start anew with `--again`."
            )
        inner = {name: value for name, value in packed.tensors.items() if not name.startswith("before/")}
        self.shared.unpack(Packed(inner, packed.values))
        self.before = {name: packed.tensors[f"before/{name}"].to(self.compute.device) for name in self.before}
        self.version, self.step = progress["version"], progress["step"]
        self.began, self.used_s = progress["began"], progress["used_s"]


def version_name(version: int) -> str:
    """What records call this version of the weights."""
    return f"supernet-v{version}"


def rate_share(progress: float, *, rising: bool) -> float:
    """The share of the peak rate at `progress` (0…1) of a stretch: down along a cosine to a tenth, in the first one up before."""
    if rising and progress < RISE:
        return progress / RISE
    return LOWEST + (1 - LOWEST) * 0.5 * (1 + math.cos(math.pi * progress))
