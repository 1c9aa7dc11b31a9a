"""The training loop: draw, compare, learn, average; and look up now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pixsearch.data.progress import Note, silent
from pixsearch.errors import Interrupted
from pixsearch.interrupt import stop_asked
from pixsearch.nn.build import Network
from pixsearch.nn.dynamic import cool, predictors
from pixsearch.train.adversary import Adversary
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import Draws, Feed
from pixsearch.train.health import BLOCK, fall_back, is_well, settle
from pixsearch.train.lesson import Lesson
from pixsearch.train.ranks import ALONE, Ranks
from pixsearch.train.record import Record
from pixsearch.train.schedule import rate_share
from pixsearch.train.trainee import Trainee

Validate = Callable[[Network, int], dict[str, Any] | None]

POLICIES_TOLD = 20  # times that the record says what an adversary tends to
GAIN_DB = 0.005  # what a validation must bring to count as a gain for `patience`


def fit(
    network: Network,
    patches: Draws,
    config: TrainConfig,
    *,
    validate: Validate | None = None,
    checkpoints: Checkpoints | None = None,
    note: Note = silent,
    ranks: Ranks = ALONE,
    teacher: Network | None = None,
    adversary: Adversary | None = None,
) -> Network:
    """Train `network` (in place) and return it with its averaged weights, in its training form, on the processor.

    The same arguments give the same weights, bit for bit, on one kind of processor with the same threads, as long as `config` counts
    steps; also when it was killed and goes on from the newest of `checkpoints`. `validate(average, step)` scores whole
    pictures on the way; its figures (`psnr_db` among them) are noted and never choose the weights. A `teacher` answers every batch,
    for the network to learn from (see `Lesson`, also for which signature `patches` are drawn). torch's generators and
    threads are left as they were. All `ranks` call this alike, each with its share of the `patches`; only the first has
    checkpoints, validates and is heard. An `adversary` is told what the network made of each batch, which is drawn under its policies.

    Raises `Interrupted` after saving when the user asked to stop, `GateError` when the loss keeps exploding, `MachineError`
    when a checkpoint cannot be written; the last one stays good.
    """
    compute = choose(config, ranks)
    lesson = Lesson(network.signature, config, compute, teacher, adversary)
    with compute.in_charge(), Feed(patches, lesson.signature, compute, ahead=compute.device.type != "cpu") as feed:
        trainee = Trainee(network, config, compute, ranks, adversary)
        dynamic = predictors(trainee.network)
        record = Record(trainee, config, checkpoints, note, ranks)
        tick, progress = record.clock.tick, record.clock.progress
        good, validated, told = trainee.pack(), progress(trainee.progress.step), -1.0
        while True:
            here, stop = trainee.progress, tick(stop_asked())
            over = here.over or progress(here.step) >= 1
            if over or here.step % BLOCK == 0:
                trainee.gather_losses()
                if not is_well(trainee):
                    good = fall_back(trainee, good, config, note)
                    validated = progress(trainee.progress.step)
                    continue
                good = settle(trainee)
                if not over and record.is_save_due():
                    record.save()
            if over:
                break
            if stop:
                ranks.first(record.save)
                raise Interrupted(record.how_to_resume())
            trainee.in_full = progress(here.step) >= 1 - config.full_precision
            inputs, truth = feed.draw(here.step)
            cool(dynamic, progress(here.step + 0.5))
            loss = lesson(trainee, inputs, truth)
            rate = config.rate * here.slowed * rate_share(progress(here.step + 0.5), config.warmup, here.entered)
            trainee.learn(loss, rate)
            record.step(rate)
            if adversary is not None and is_due(told, progress(here.step), POLICIES_TOLD):
                record.policy(adversary)
                told = progress(here.step)
            if validate is not None and is_due(validated, progress(here.step), config.validations):
                look(trainee, record, validate, config, ranks)
                tick()
                validated = progress(here.step)
        record.save()
    return trainee.averaged()


def is_due(before: float, now: float, times: int) -> bool:
    """Whether one of `times` evenly spaced moments lies behind `before` and not behind `now`; the last, at 1, is the caller's."""
    return now < 1 and int(now * times) > int(before * times)


def look(trainee: Trainee, record: Record, validate: Validate, config: TrainConfig, ranks: Ranks = ALONE) -> None:
    """Score whole pictures with the averaged weights, and end the training when they have not become better for too long."""
    start, now = time.monotonic(), trainee.progress
    figures = ranks.first(lambda: validate(trainee.average, now.step))
    if figures is None:
        return
    record.validation(figures, time.monotonic() - start)
    gained = now.best_db is None or figures["psnr_db"] > now.best_db + GAIN_DB
    now.best_db, now.since_best = (figures["psnr_db"], 0) if gained else (now.best_db, now.since_best + 1)
    if config.patience is not None and now.since_best >= config.patience:
        now.over = True
        record.ended_early()
