"""Clips made of single pictures: sub-pixel pan, zoom and rotation, of the whole or of two layers that move apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]

PAN, ZOOM, TURN = 2.5, 0.006, 0.006
"""Greatest pan in pixels a frame, and deviations of zoom and rotation (radians) a frame."""

STILL, LAYERED = 0.15, 0.5  # shares of clips in which nothing moves, and in which two layers do
_SOFT = 1.0  # pixels over which one layer passes into the other


@dataclass(frozen=True)
class Drift:
    """How a layer moves from frame to frame: by (right, down) pixels, `zoom` and `turn` about the middle."""

    right: float = 0.0
    down: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0

    def matrix(self, time: float, height: int, width: int) -> Affine:
        """From positions in the frame at `time` to positions in the picture, which is the frame at 0: (2, 3)."""
        scale, angle = math.exp(-self.zoom * time), -self.turn * time
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        right, down = x + self.right * time, y + self.down * time
        return np.array([[cos, -sin, x - cos * right + sin * down], [sin, cos, y - sin * right - cos * down]])


@dataclass(frozen=True)
class Motion:
    """The picture's drift and, where `edge` is given, that of a layer in front of it.

    `edge` is an ellipse in shares of the sides: middle (x, y), half axes (x, y).
    """

    behind: Drift
    front: Drift = Drift()
    edge: tuple[float, float, float, float] | None = None

    def frame(self, picture: Planes, time: float) -> Planes:
        """The frame at `time` of a picture (C, H, W) with up to four channels, by OpenCV's cubic kernel; at 0 the picture itself."""
        if time == 0:
            return picture
        behind = warped(picture, self.behind, time)
        if self.edge is None:
            return behind
        front, share = warped(picture, self.front, time), self._front_at(time, *picture.shape[1:])
        return behind + share * (front - behind)

    def _front_at(self, time: float, height: int, width: int) -> Planes:
        """The share of the front layer in each pixel of the frame at `time`: (H, W), 0…1."""
        assert self.edge is not None
        ys, xs = np.mgrid[:height, :width].astype(np.float32)
        (a, b, c), (d, e, f) = self.front.matrix(time, height, width).astype(np.float32)
        across, down = (a * xs + b * ys + c) / width - self.edge[0], (d * xs + e * ys + f) / height - self.edge[1]
        inside = 1 - np.hypot(across / self.edge[2], down / self.edge[3])  # about pixels / half axis near the edge
        half = min(self.edge[2] * width, self.edge[3] * height)
        share: Planes = np.clip(inside * np.float32(half / _SOFT) + np.float32(0.5), 0, 1)
        return share


def draw_motion(rng: np.random.Generator) -> Motion:
    """Any: nothing moves, all moves, or two layers move apart."""
    kind = rng.random()
    drifts = [_draw_drift(rng) for _ in range(2)]
    middle, axes = rng.uniform(0.2, 0.8, 2), rng.uniform(0.2, 0.6, 2)
    if kind < STILL:
        return Motion(Drift())
    if kind > 1 - LAYERED:
        return Motion(drifts[0], drifts[1], (*map(float, middle), *map(float, axes)))  # type: ignore[arg-type]
    return Motion(drifts[0])


def _draw_drift(rng: np.random.Generator) -> Drift:
    """Slow pans more often than fast ones, in every direction."""
    pan, direction = PAN * rng.random() ** 1.5, rng.uniform(0, 2 * math.pi)
    return Drift(pan * math.cos(direction), pan * math.sin(direction), float(rng.normal(0, ZOOM)), float(rng.normal(0, TURN)))


def warped(picture: Planes, drift: Drift, time: float) -> Planes:
    """`picture` (C, H, W) as the layer stands at `time`; beyond its borders it is mirrored."""
    height, width = picture.shape[1:]
    matrix = drift.matrix(time, height, width)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP  # Lanczos' loses less (45 dB there and back, not 42), but takes five times as long
    made = cv2.warpAffine(
        np.ascontiguousarray(np.moveaxis(picture, 0, -1)), matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    frame: Planes = np.moveaxis(np.asarray(made).reshape(height, width, -1), -1, 0)
    return frame
