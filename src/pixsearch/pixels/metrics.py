"""PSNR, SSIM and Tenengrad on the 0–255 scale, as the literature computes them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from pixsearch.errors import DataError
from pixsearch.pixels.types import Samples

_WINDOW = 11
_GAUSSIAN = cv2.getGaussianKernel(_WINDOW, 1.5, cv2.CV_64F)
_BAND = 64  # rows of windows
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2


def psnr(a: Samples, b: Samples, border: int = 0) -> float:
    """Peak signal-to-noise ratio in dB, peak 255; inf when both are equal.

    `a` and `b` are (H, W) or (H, W, C), uint8 or float, scored as they are: clip and round an output before.
    `border` pixels are shaved from each side. Raises DataError when the shapes differ or nothing is left.
    """
    a, b = _shaved(a, b, border, least=1)
    error = np.subtract(a, b, dtype=np.float64)
    mse = float(np.mean(np.square(error, out=error)))
    return 10 * math.log10(255**2 / mse) if mse > 0 else math.inf


def ssim(a: Samples, b: Samples, border: int = 0) -> float:
    """Structural similarity (Wang et al. 2004): 11×11 Gaussian window of sigma 1.5, only where it fits whole.

    `a` and `b` are (H, W), or (H, W, C) for the mean over channels, uint8 or float. `border` pixels are shaved
    from each side. Raises DataError when the shapes differ or fewer than 11×11 pixels are left.
    """
    a, b = _shaved(a, b, border, least=_WINDOW)
    if a.ndim == 2:
        return _ssim_plane(a, b)
    return float(np.mean([_ssim_plane(a[..., c], b[..., c]) for c in range(a.shape[2])]))


def tenengrad(plane: Samples) -> float:
    """Sharpness of one plane (H, W) without a reference: the mean squared magnitude of its gradient by 3×3 Sobel kernels.

    Tenenbaum's gradient (Krotkov 1987; TENG in Pertuz et al. 2013), unnormalized kernels, pixels within the border alone. Whatever is
    steep counts, noise and the edges of JPEG blocks among it. Raises DataError when the plane has fewer than 3×3 pixels.
    """
    if plane.ndim != 2 or min(plane.shape) < 3:
        raise DataError(f"`plane` has shape {plane.shape}. Give (H, W) of at least 3×3.")
    values = plane.astype(np.float64)
    across, down = (cv2.Sobel(values, cv2.CV_64F, *order)[1:-1, 1:-1] for order in ((1, 0), (0, 1)))
    return float(np.mean(across**2 + down**2))


def _shaved(a: Samples, b: Samples, border: int, least: int) -> tuple[Samples, Samples]:
    if a.shape != b.shape or a.ndim not in (2, 3):
        raise DataError(f"`a` has shape {a.shape} and `b` {b.shape}. Score pictures of one shape, (H, W) or (H, W, C).")
    height, width = a.shape[0] - 2 * border, a.shape[1] - 2 * border
    if border < 0 or min(height, width) < least:
        raise DataError(
            f"`border` = {border} leaves {max(height, 0)}×{max(width, 0)} pixels of {a.shape[0]}×{a.shape[1]}, "
            f"but the metric needs {least}×{least}. Use larger pictures."
        )
    inside = slice(border, border + height), slice(border, border + width)
    return a[inside], b[inside]


def _ssim_plane(a: Samples, b: Samples) -> float:
    """The mean over all windows, taken in bands of rows so that memory and cache hold a large photo."""
    windows = a.shape[0] - _WINDOW + 1
    total = 0.0
    for top in range(0, windows, _BAND):
        rows = slice(top, min(top + _BAND, windows) + _WINDOW - 1)
        total += float(_ssim_map(a[rows].astype(np.float64), b[rows].astype(np.float64)).sum())
    return total / float(windows * (a.shape[1] - _WINDOW + 1))


def _ssim_map(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance_a = _windowed(a * a) - mean_a**2
    variance_b = _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure: npt.NDArray[np.float64] = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return luminance * structure


def _windowed(plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Gaussian-weighted means of all whole windows: (H − 10, W − 10)."""
    half = _WINDOW // 2
    means: npt.NDArray[np.float64] = cv2.sepFilter2D(plane, cv2.CV_64F, _GAUSSIAN, _GAUSSIAN)[half:-half, half:-half]
    return means
