"""From the levels of a photo to linear light and back: the transfer curve of sRGB (IEC 61966-2-1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]

_KNEE, _LINEAR_KNEE = 0.04045, 0.0031308


def to_linear(levels: Values) -> Values:
    """Linear light 0…1 of sRGB `levels` 0…1; what lies beyond is treated as by the curve's nearest part."""
    curved = ((np.maximum(levels, 0) + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    linear: Values = np.where(levels <= _KNEE, levels / np.float32(12.92), curved)
    return linear


def from_linear(light: Values) -> Values:
    """sRGB levels 0…1 of linear `light` 0…1, the inverse of `to_linear`."""
    curved = np.float32(1.055) * np.maximum(light, np.float32(1e-8)) ** np.float32(1 / 2.4) - np.float32(0.055)
    levels: Values = np.where(light <= _LINEAR_KNEE, light * np.float32(12.92), curved)
    return levels
