"""Prove that an exported file agrees with what it was made from: float with PyTorch, int8 with float."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pixsearch.data.cache import PairCache
from pixsearch.errors import GateError
from pixsearch.infer.session import OnnxModel, pad_to_multiple
from pixsearch.infer.tiles import output_planes
from pixsearch.pixels.types import Picture
from pixsearch.rng import stream
from pixsearch.tasks.base import Planes, Task

LARGEST_ERROR = 1e-5
SIZES = ((48, 64), (33, 47), (64, 17), (15, 16), (5, 3))
"""Height and width of the inputs that are compared: even, odd, long, small."""

CAP_DB = 50.0
"""What a better PSNR counts as when a loss is taken: on flat pictures it is high and means nothing to an eye."""

Network = nn.Module


@dataclass(frozen=True)
class FloatParity:
    """How far a float file is from PyTorch at most, relative to outputs above 1, and the sizes (height, width) compared."""

    max_abs_error: float
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Int8Parity:
    """What int8 loses against float, in dB of the task's PSNR: the mean over pictures, and each picture's."""

    loss_db: float
    pictures: dict[str, float]
    sizes: tuple[tuple[int, int], ...]


@torch.no_grad()
def check_float(network: Network, path: Path, limit: float = LARGEST_ERROR) -> FloatParity:
    """Compare the file at `path` with the deploy form `network` on seeded noise of all `SIZES`, padding included.

    Raises `GateError` when an output differs by more than `limit`.
    """
    model = OnnxModel.open(path)
    rng = stream(0, "parity")
    worst = 0.0
    for height, width in SIZES:
        planes = {
            port.name: rng.uniform(port.low, port.high, (port.channels, height, width)).astype(np.float32)
            for port in model.card.signature.inputs
        }
        expected = _by_torch(network, model, planes)
        error = float(np.abs(model.run(planes) - expected).max() / max(1.0, float(np.abs(expected).max())))
        worst = max(worst, error)
        if not error <= limit:
            raise GateError(
                f"The exported graph differs from its network by {error:.2g} on a {width}×{height} input; {limit:g} is the limit. "
                "The exporter has changed the network: report its architecture, or try another version of PyTorch."
            )
    return FloatParity(worst, SIZES)


def _by_torch(network: Network, model: OnnxModel, planes: dict[str, Planes]) -> Planes:
    height, width = next(iter(planes.values())).shape[-2:]
    scale = model.card.signature.scale
    inputs = [torch.from_numpy(pad_to_multiple(plane, model.card.multiple))[None] for plane in planes.values()]
    output: Planes = network(*inputs)[0].numpy()
    return output[:, : height * scale, : width * scale]


def check_int8(float_path: Path, int8_path: Path, pictures: PairCache, task: Task, limit_db: float) -> Int8Parity:
    """Score both files on whole `pictures` by the task's metric, 8-bit products without saturation.

    Raises `GateError` when int8 loses more than `limit_db` on average.
    """
    exact, small = (OnnxModel.open(path, precise_int8=True) for path in (float_path, int8_path))
    _check_sizes(small, pictures, task)
    losses: dict[str, float] = {}
    for index, name in enumerate(pictures.names):
        pair = pictures.pair(index)
        scores = [min(task.score(output_planes(model, task, pair.inputs), pair.truth).psnr_db, CAP_DB) for model in (exact, small)]
        losses[name] = scores[0] - scores[1]
    loss = float(np.mean(list(losses.values())))
    if not loss <= limit_db:
        raise GateError(_missed(loss, limit_db, losses))
    return Int8Parity(loss, losses, SIZES)


def _missed(loss: float, limit_db: float, losses: dict[str, float]) -> str:
    worst = max(losses, key=lambda picture: losses[picture])
    count = f"{len(losses)} held-out photos" if len(losses) > 1 else "the held-out photo"
    return (
        f"int8 loses {loss:.3f} dB against float on {count} (most, {losses[worst]:.3f} dB, on `{worst}`); {limit_db:g} dB is the limit. "
        "Calibrate on more varied photos with `--calibrate`, train longer, choose a network of plain convolutions with ReLU, "
        "or let more through with `--gate`."
    )


def _check_sizes(model: OnnxModel, pictures: PairCache, task: Task) -> None:
    """The file must run at all `SIZES`, on crops of a real picture."""
    inputs = pictures.pair(0).inputs
    for height, width in SIZES:
        crops: dict[str, Picture] = {name: picture[:height, :width] for name, picture in inputs.items()}
        output = model.run({name: task.encode(name, np.ascontiguousarray(crop)) for name, crop in crops.items()})
        if not np.isfinite(output).all():
            raise GateError(f"int8 gives values that are no numbers on a {width}×{height} input. Calibrate on other photos.")
