"""Enhancement: detail that optics, noise and compression have taken, given back at the same size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar

import cv2
import numpy as np

from pixsearch.pixels.color import rgb_to_y
from pixsearch.pixels.metrics import tenengrad
from pixsearch.pixels.types import Picture, Samples
from pixsearch.rng import stream
from pixsearch.signature import Color, Port, Signature
from pixsearch.tasks import rgb
from pixsearch.tasks.base import Method, Pair, Planes, Scores, Task, round_8

INPUT = "input"
BLUR, NOISE, QUALITY = (0.6, 2.0), (0.0, 5.0), (40, 95)
"""Spans of the degradations: σ of the blur along its axes in pixels, σ of the noise in levels of 255, quality of the JPEG."""

RADIUS = 6  # of the blur's kernel: three times the greatest σ
UNSHARP = (1.6, 0.9)
"""σ and strength of the unsharp mask: the best on Kodak24 of σ 0.8, 1.2, 1.6, 2.0 with strengths 0.2 to 1.8, measured."""

_LISTED = 96


@dataclass(frozen=True)
class Degradation:
    """Blur of `sigmas` pixels along its axes, turned by `angle` radians; then noise of `noise` levels; then JPEG of `quality`."""

    sigmas: tuple[float, float]
    angle: float
    noise: float
    quality: int

    def applied(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """What it makes of `picture`, uint8 RGB (H, W, 3)."""
        blurred = cv2.filter2D(picture.astype(np.float32), cv2.CV_32F, self.kernel(), borderType=cv2.BORDER_REFLECT_101)
        noisy = round_8(blurred + np.float32(self.noise) * rng.standard_normal(picture.shape, np.float32))
        _, encoded = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        decoded: Picture = cv2.cvtColor(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
        return decoded

    def kernel(self) -> Planes:
        """The Gaussian, its sum 1: (13, 13)."""
        ys, xs = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1].astype(np.float32)
        along, across = np.cos(self.angle) * xs + np.sin(self.angle) * ys, np.cos(self.angle) * ys - np.sin(self.angle) * xs
        weights = np.exp(-0.5 * ((along / self.sigmas[0]) ** 2 + (across / self.sigmas[1]) ** 2))
        kernel: Planes = (weights / weights.sum()).astype(np.float32)
        return kernel


def draw_degradation(rng: np.random.Generator) -> Degradation:
    """Any, evenly over the spans."""
    sigmas = (float(rng.uniform(*BLUR)), float(rng.uniform(*BLUR)))
    return Degradation(sigmas, float(rng.uniform(0, np.pi)), float(rng.uniform(*NOISE)), int(rng.integers(QUALITY[0], QUALITY[1] + 1)))


LIST = tuple(draw_degradation(stream(0, "enhance", number)) for number in range(_LISTED))
"""What pictures are scored under: each has one of these, chosen by its contents."""


class Enhance(Task):
    """A sharper picture of the same size, in RGB. Planes are levels / 255."""

    name = "enhance"
    metric = "PSNR"
    scales = (1,)
    colors: ClassVar[tuple[Color, ...]] = ("rgb",)
    draws = True
    margin = 8  # the blur's radius, and a JPEG block that a patch may begin within

    @property
    def signature(self) -> Signature:
        """Three planes in and out."""
        return self.signed((Port(INPUT, 3),), Port("output", 3))

    @property
    def convention(self) -> str:
        """What PSNR and SSIM are taken on, what sharpness is, and what was done to the inputs."""
        spans = f"σ {BLUR[0]:g}-{BLUR[1]:g} blur, σ {NOISE[0]:g}-{NOISE[1]:g} noise, JPEG {QUALITY[0]}-{QUALITY[1]}"
        return f"RGB, output in 8 bits, nothing shaved, sharpness by Tenengrad, inputs by a fixed list of degradations ({spans})"

    @property
    def baseline_name(self) -> str:
        """The degraded picture itself."""
        return "identity"

    @property
    def other_baselines(self) -> dict[str, Method]:
        """OpenCV's unsharp mask at its best strength."""
        return {"unsharp mask": unsharp(*UNSHARP)}

    def draw(self, truth: Planes, rng: np.random.Generator) -> dict[str, Planes]:
        """Each of the truth's pictures under a degradation of its own."""
        pictures = round_8(np.moveaxis(truth, -3, -1) * rgb.LEVELS)
        return {INPUT: self.encode(INPUT, np.stack([draw_degradation(rng).applied(picture, rng) for picture in pictures]))}

    def drawn(self, truth: Picture, seed: int) -> Pair:
        """The pair that is scored: a degradation of `LIST` by the truth's contents, its noise from the `seed`."""
        number = int.from_bytes(hashlib.blake2b(np.ascontiguousarray(truth).data, digest_size=8).digest(), "big") % len(LIST)
        return Pair({INPUT: LIST[number].applied(truth, stream(seed, "inputs"))}, truth)

    def encode(self, name: str, pictures: Samples) -> Planes:
        """Red, green and blue, divided by 255; `name` is always `input`."""
        del name
        return self.encode_truth(pictures)

    def encode_truth(self, pictures: Samples) -> Planes:
        """The same planes as the input's."""
        return rgb.to_planes(pictures)

    def decode(self, output: Planes, inputs: dict[str, Samples]) -> Picture:
        """The output as RGB, clipped and rounded."""
        del inputs
        return rgb.to_picture(output)

    def baseline(self, inputs: dict[str, Samples]) -> Planes:
        """The degraded planes."""
        return self.encode(INPUT, inputs[INPUT])

    def score(self, output: Planes, truth: Picture) -> Scores:
        """PSNR and SSIM (mean over channels) of the 8-bit output, and the sharpness of its luma against the truth's."""
        return replace(rgb.score(output, truth), sharpness=_sharpness(rgb.to_picture(output), truth))


def _sharpness(found: Picture, truth: Picture) -> float | None:
    wanted = tenengrad(rgb_to_y(truth))
    return tenengrad(rgb_to_y(found)) / wanted if wanted > 0 else None


def unsharp(sigma: float, amount: float) -> Method:
    """OpenCV's unsharp mask: the input plus `amount` times its difference to itself blurred by `sigma` pixels."""

    def method(inputs: dict[str, Samples]) -> Planes:
        picture = inputs[INPUT].astype(np.float32)
        blurred = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        sharper = picture + np.float32(amount) * (picture - blurred)
        return rgb.to_planes(sharper)

    return method
