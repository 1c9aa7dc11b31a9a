"""Prove that an exported file agrees with what it was made from: float with PyTorch, int8 with float, one size with any size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pixsearch.card import ModelCard
from pixsearch.data.cache import PairCache
from pixsearch.errors import GateError
from pixsearch.infer.ports import FLOAT, LEVELS, empty_state, padded
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.streams import Stream, output_of
from pixsearch.pixels.types import Picture
from pixsearch.rng import stream
from pixsearch.tasks.base import Planes, Task

LARGEST_ERROR = 1e-5
HALF_A_LEVEL = 0.5 / LEVELS
"""What fp16 may differ by: an output is then rounded to the same one of 256 levels, or to the next."""

SIZES = ((48, 64), (33, 47), (64, 17), (15, 16), (5, 3))
"""Height and width of the inputs that are compared: even, odd, long, small."""

CAP_DB = 50.0
"""What a better PSNR counts as when a loss is taken: on flat pictures it is high and means nothing to an eye."""

Network = nn.Module
Sizes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FloatParity:
    """How far a float file is from PyTorch at most, relative to outputs above 1, and the sizes (height, width) compared.

    The rounding of 8-bit ports, half a level, is not counted.
    """

    max_abs_error: float
    sizes: Sizes


@dataclass(frozen=True)
class Int8Parity:
    """What int8 loses against float, in dB of the task's PSNR: the mean over pictures, and each picture's."""

    loss_db: float
    pictures: dict[str, float]
    sizes: Sizes


@torch.no_grad()
def check_float(network: Network, path: Path, limit: float = LARGEST_ERROR) -> FloatParity:
    """Compare the file at `path` with the deploy form `network` on seeded noise of all `SIZES`, padding included.

    Of a file that takes one shape, that and the smaller ones are compared. Raises `GateError` when an output differs by more
    than `limit`.
    """
    model = OnnxModel.open(path)
    worst, sizes = 0.0, _sizes(model.card)
    for height, width in sizes:
        planes = noise(model.card, height, width)
        plain = not model.card.signature.state
        error = _error(model, model.run(planes), _by_torch(network, model, planes)) if plain else _streamed_error(network, model, planes)
        worst = max(worst, error)
        if not error <= limit:
            raise GateError(
                f"The exported graph differs from its network by {error:.2g} on a {width}×{height} input; {limit:g} is the limit. "
                + (
                    "The exporter has changed the network: report its architecture, or try another version of PyTorch."
                    if model.card.precision == "float"
                    else "Its values leave what fp16 can hold or resolve: leave `--fp16` out, or train it anew."
                )
            )
    return FloatParity(worst, sizes)


def check_shape(path: Path, any_size: Path) -> FloatParity:
    """Compare the file at `path`, which takes one shape, with that of any size, on seeded noise of that shape.

    Raises `GateError` when a float output differs by more than `LARGEST_ERROR`, another by more than a level of 8 bits.
    """
    model, other = OnnxModel.open(path), OnnxModel.open(any_size)
    assert model.card.shape is not None
    planes = noise(model.card, *model.card.shape)
    error = float(np.abs(model.run(planes) - other.run(planes)).max())
    limit = LARGEST_ERROR if (model.card.precision, model.card.io) == ("float", FLOAT) else 1 / LEVELS
    if not error <= limit:
        raise GateError(
            f"With one shape the graph differs by {error:.2g} from that of any size; {limit:g} is the limit. Report its architecture."
        )
    return FloatParity(error, (model.card.shape,))


def noise(card: ModelCard, height: int, width: int) -> dict[str, Planes]:
    """Seeded noise over each port's range, float32 (C, `height`, `width`), on the levels of 8-bit ports."""
    rng = stream(0, "parity", height, width)
    shapes = {port: (port.channels, height, width) for port in card.signature.inputs}
    if card.io == FLOAT:
        return {port.name: rng.uniform(port.low, port.high, shape).astype(np.float32) for port, shape in shapes.items()}
    return {
        port.name: rng.integers(0, LEVELS + 1, shape).astype(np.float32) * np.float32(port.high / LEVELS) for port, shape in shapes.items()
    }


def _sizes(card: ModelCard) -> Sizes:
    if card.shape is None:
        return SIZES
    height, width = card.shape
    return ((height, width), *(size for size in SIZES if size[0] <= height and size[1] <= width))


def _error(model: OnnxModel, output: Planes, expected: Planes) -> float:
    if model.card.io == FLOAT:
        return float(np.abs(output - expected).max() / max(1.0, float(np.abs(expected).max())))
    off = np.abs(output - np.clip(expected, 0, model.card.signature.output.high))
    return max(0.0, float(off.max()) - HALF_A_LEVEL * model.card.signature.output.high)


def _streamed_error(network: Network, model: OnnxModel, planes: dict[str, Planes]) -> float:
    """The worst over two frames, the second with the state that the first left: outputs and states alike."""
    state, states = None, [torch.from_numpy(values) for values in empty_state(model.card, *next(iter(planes.values())).shape[-2:]).values()]
    worst = 0.0
    for frame in (planes, {name: np.ascontiguousarray(plane[:, ::-1]) for name, plane in planes.items()}):
        height, width = next(iter(frame.values())).shape[-2:]
        scale = model.card.signature.scale
        inputs = [torch.from_numpy(padded(model.card, plane))[None] for plane in frame.values()]
        expected, *states = network(*inputs, *states)
        output, state = model.step(frame, state)
        wanted = expected[0, :, : height * scale, : width * scale].numpy()
        off = [float(np.abs(given - own.numpy()).max()) for given, own in zip(state.values(), states, strict=True)]
        worst = max(worst, _error(model, output, wanted), *off)
    return worst


def _by_torch(network: Network, model: OnnxModel, planes: dict[str, Planes]) -> Planes:
    height, width = next(iter(planes.values())).shape[-2:]
    scale = model.card.signature.scale
    inputs = [torch.from_numpy(padded(model.card, plane))[None] for plane in planes.values()]
    output: Planes = network(*inputs)[0].numpy()
    return output[:, : height * scale, : width * scale]


def check_int8(float_path: Path, int8_path: Path, pictures: PairCache, task: Task, limit_db: float) -> Int8Parity:
    """Score both files on whole `pictures` by the task's metric, 8-bit products without saturation.

    Raises `GateError` when int8 loses more than `limit_db` on average.
    """
    exact, small = (OnnxModel.open(path, precise_int8=True) for path in (float_path, int8_path))
    _check_sizes(small, pictures, task)
    streams = {model: Stream(model) for model in (exact, small)}
    losses: dict[str, float] = {}
    for index, name in enumerate(pictures.names):
        pair = pictures.pair(index)
        outputs = [output_of(streams[model], task, pair) for model in (exact, small)]
        scores = [min(task.score(output, pair.truth).psnr_db, CAP_DB) for output in outputs]
        losses[name] = scores[0] - scores[1]
    loss = float(np.mean(list(losses.values())))
    if not loss <= limit_db:
        raise GateError(_missed(small.card.precision, loss, limit_db, losses))
    return Int8Parity(loss, losses, SIZES)


def _missed(precision: str, loss: float, limit_db: float, losses: dict[str, float]) -> str:
    worst = max(losses, key=lambda picture: losses[picture])
    count = f"{len(losses)} held-out photos" if len(losses) > 1 else "the held-out photo"
    return (
        f"{precision} loses {loss:.3f} dB against float on {count} (most, {losses[worst]:.3f} dB, on `{worst}`); "
        f"{limit_db:g} dB is the limit. "
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
