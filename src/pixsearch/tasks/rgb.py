"""Red, green and blue between pictures and planes, for every task that works on all three."""

from __future__ import annotations

import numpy as np

from pixsearch.pixels.metrics import psnr, ssim
from pixsearch.pixels.types import Picture, Samples
from pixsearch.tasks.base import Planes, Scores, round_8

LEVELS = np.float32(255)
_PER_LEVEL = np.float32(1 / 255)


def to_planes(samples: Samples) -> Planes:
    """Samples (…, H, W, C) of 0…255 as planes (…, C, H, W) of 0…1."""
    planes = np.empty((*samples.shape[:-3], samples.shape[-1], *samples.shape[-3:-1]), np.float32)
    return np.multiply(np.moveaxis(samples, -1, -3), _PER_LEVEL, out=planes)


def to_picture(planes: Planes) -> Picture:
    """Planes (C, H, W) as a picture (H, W, C), clipped and rounded to 8 bits."""
    return round_8(np.ascontiguousarray(np.moveaxis(planes, 0, -1)) * LEVELS)


def score(output: Planes, truth: Picture, border: int = 0) -> Scores:
    """PSNR and SSIM (mean over channels) of the 8-bit output, `border` pixels taken off each side."""
    found = to_picture(output)
    return Scores(psnr(found, truth, border), ssim(found, truth, border))
