"""The stage RUN/qat: prepare a model for int8 as export does, then train it on in the numbers that export will write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixsearch.card import ModelCard
from pixsearch.data.open import Data
from pixsearch.errors import UsageError
from pixsearch.export.scheme import choose_scheme
from pixsearch.nn.build import Network
from pixsearch.qat.config import QatConfig
from pixsearch.qat.prepare import Prepared, ends, prepare, without_rounding
from pixsearch.rundir import Stage
from pixsearch.tasks.base import Task
from pixsearch.train.config import TrainConfig
from pixsearch.train.session import train_stage
from pixsearch.train.validate import validate


def qat_stage(network: Network, card: ModelCard, data: Data, task: Task, config: QatConfig, training: TrainConfig, stage: Stage) -> Path:
    """Train `network` on with its numbers rounded as int8 rounds them and write RUN/qat/model.safetensors.

    The file holds float weights; its card's `calibration` has the scheme and the ranges, from which export makes the int8
    model that was trained. The event `prepared` holds the scores on `data.val` in float and rounded, before training; scores of
    the training itself are rounded ones. What it begins with follows from weights, photos and seed, so a resumed stage
    begins with the same. Raises `UsageError` for a model that was trained in another scheme, and what `prepare` and
    `train_stage` raise.
    """
    scheme = choose_scheme(card, config.scheme)
    if card.signature.state:
        raise UsageError(
            f"`{card.label}` hands on a state, which training for int8 does not follow. Export it by `export --int8` as it is."
        )
    prepared = prepare(network, card, data.train, task, scheme, seed=training.seed, learned=config.ranges == "learned")
    before = {"float": validate(network, data.val, task), "rounded": validate(prepared.network, data.val, task)}
    scores = {f"{form}_psnr_db": figures["psnr_db"] for form, figures in before.items()}
    stage.note("prepared", scheme=scheme.name, format=scheme.format, equalized_layers=prepared.equalized, **scores)
    record = {"made_from": {"stage": card.stage, "training": card.training}, "qat": {**config.to_json(), "before": scores}}
    done_as = " ".join([*(word for word in card.later_stages if word != "qat"), "qat"])

    def finish(average: Network) -> tuple[Network, dict[str, Any]]:
        return without_rounding(average), calibration(prepared, average, scheme.name, data)

    return train_stage(prepared.network, data, task, training, stage, card.name, record, done_as=done_as, finish=finish)


def calibration(prepared: Prepared, average: Network, scheme: str, data: Data) -> dict[str, Any]:
    """What the card says of the quantization that the weights were trained for."""
    ranges = {prepared.names[name]: list(span) for name, span in ends(average).items()}
    return {"scheme": scheme, "ranges": ranges, "equalized_layers": prepared.equalized, "photos": len(data.train)}
