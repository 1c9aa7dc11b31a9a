"""Array types of the room: what a picture and a plane are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""A picture: uint8, (H, W, 3), RGB."""

Deep = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Samples at the depth of their file: uint8 or uint16."""

Plane = npt.NDArray[np.float32]
"""Float samples on the 0–255 scale, (H, W), (H, W, C) or with leading batch axes."""

Samples = npt.NDArray[Any]
"""Samples on the 0–255 scale: uint8, float32 or float64."""
