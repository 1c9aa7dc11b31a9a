"""Noise of the kinds that cameras have: white Gaussian, and signal-dependent as sensors read it out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]

SHOT = (1e-4, 0.012)
"""Least and greatest variance of shot noise for each unit of signal: what phones have from base to high ISO (Brooks et al. 2019)."""

_READ_SLOPE, _READ_OFFSET, _READ_SPREAD = 2.18, 1.20, 0.26  # log read variance over log shot variance, and its scatter


def white(shape: tuple[int, ...], rng: np.random.Generator) -> Planes:
    """Standard normal values, float32."""
    return rng.standard_normal(shape, np.float32)


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
