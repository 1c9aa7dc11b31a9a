"""Noise of the kinds that cameras have: white Gaussian, and signal-dependent as sensors read it out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pixsearch.config import Config

Planes = npt.NDArray[np.float32]

SHOT = (1e-4, 0.012)
"""Least and greatest variance of shot noise for each unit of signal: what phones have from base to high ISO (Brooks et al. 2019)."""

_READ_SLOPE, _READ_OFFSET, _READ_SPREAD = 2.18, 1.20, 0.26  # log read variance over log shot variance, and its scatter


_BLOCK = 16  # packed pixels a side whose mean and variance count as one
_BINS = 24
_SPAN = 0.02  # of the means: what two unknowns need, and what a dark frame stays below


class Found(NamedTuple):
    """Noise of variance `shot` · signal + `read`, signal from 0 to 1; None what the frames cannot tell. `means` is what they span."""

    shot: float | None
    read: float | None
    means: tuple[float, float]


def white(shape: tuple[int, ...], rng: np.random.Generator) -> Planes:
    """Standard normal values, float32."""
    return rng.standard_normal(shape, np.float32)


class CameraNoise(Config):
    """One camera's noise at one sensitivity, as `pixsearch doctor --noise` measures it; left out, it is drawn as phones have it."""

    shot: Annotated[float, Field(ge=0, lt=1)] | None = None
    read: Annotated[float, Field(ge=0, lt=1)] | None = None


def levels_of(known: CameraNoise, count: int, rng: np.random.Generator) -> tuple[Planes, Planes]:
    """(shot, read) variances of `count` exposures: what is `known`, the rest drawn."""
    drawn = draw_levels(count, rng)
    shot, read = (
        np.full(count, value, np.float32) if value is not None else own for value, own in zip((known.shot, known.read), drawn, strict=True)
    )
    return shot, read


def draw_levels(count: int, rng: np.random.Generator) -> tuple[Planes, Planes]:
    """(shot, read) variances of `count` exposures, drawn as phones have them: see Brooks et al. 2019, "Unprocessing", section 3.1.

    The logarithm of shot is even between those of `SHOT`, that of read lies on a line over it, with a normal scatter.
    """
    shot = rng.uniform(math.log(SHOT[0]), math.log(SHOT[1]), count)
    read = _READ_SLOPE * shot + _READ_OFFSET + rng.normal(0, _READ_SPREAD, count)
    return np.exp(shot).astype(np.float32), np.exp(read).astype(np.float32)


def read_out(signal: Planes, shot: Planes, read: Planes, rng: np.random.Generator) -> Planes:
    """`signal` (N, …), linear in light from 0 to 1, with noise of variance shot · signal + read; `shot` and `read` are (N,)."""
    by_picture = (len(signal), *[1] * (signal.ndim - 1))
    variance = shot.reshape(by_picture) * np.maximum(signal, 0) + read.reshape(by_picture)
    noisy: Planes = signal + np.sqrt(variance) * white(signal.shape, rng)
    return noisy


def measured(packed: Sequence[Planes]) -> Found:
    """The noise in frames of something flat or dark, as packed planes (4, h, w) of signal from 0 to 1.

    Variance is that of (a − b − c + d) / 2 over squares of four neighbours of one colour, which slopes of the light do not reach;
    blocks are put together by their mean, and a line is laid through the bins.
    Dark frames alone tell `read`, frames of one brightness a `shot` at which `read` is nothing.
    """
    means, variances = (np.concatenate(parts) for parts in zip(*(_blocks(planes) for planes in packed), strict=True))
    span = (float(means.min()), float(means.max()))
    if span[1] < _SPAN:
        return Found(None, float(np.mean(variances)), span)
    if span[1] - span[0] < _SPAN:
        return Found(float(np.mean(variances) / np.mean(means)), None, span)
    edges = np.linspace(*span, _BINS + 1)[1:-1]
    bins = np.digitize(means, edges)
    kept = [bins == number for number in range(_BINS) if (bins == number).sum() >= 4]
    points = np.array([(means[mask].mean(), np.mean(variances[mask]), mask.sum()) for mask in kept])
    weights = np.sqrt(points[:, 2]) / np.maximum(points[:, 1], 1e-12)  # a variance is known to a share of itself
    slope, offset = np.linalg.lstsq(np.column_stack([points[:, 0], np.ones(len(points))]) * weights[:, None], points[:, 1] * weights)[0]
    return Found(float(max(slope, 0)), float(max(offset, 0)), span)


def _blocks(planes: Planes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means and variances of the noise, of every whole block of every plane that is not saturated."""
    height, width = (side // _BLOCK * _BLOCK for side in planes.shape[-2:])
    whole = planes[:, :height, :width].astype(np.float64)
    quad = (whole[:, :-1:2, :-1:2] - whole[:, :-1:2, 1::2] - whole[:, 1::2, :-1:2] + whole[:, 1::2, 1::2]) / 2
    means, variances = _tiled(whole, _BLOCK).mean(-1), np.square(_tiled(quad, _BLOCK // 2)).mean(-1)
    lit = _tiled(whole, _BLOCK).max(-1) < 0.98
    return means[lit], variances[lit]


def _tiled(planes: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    count, height, width = planes.shape
    tiles = planes.reshape(count, height // side, side, width // side, side).swapaxes(2, 3)
    return tiles.reshape(count, height // side, width // side, side * side)
