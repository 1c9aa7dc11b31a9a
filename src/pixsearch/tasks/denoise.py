"""Denoising: white Gaussian noise of a strength or a range of them, or a camera's, in colour or grey."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from pixsearch.errors import UsageError
from pixsearch.pixels import light, noise
from pixsearch.pixels.metrics import psnr, ssim
from pixsearch.pixels.types import Picture, Samples
from pixsearch.signature import Color, Port, Signature
from pixsearch.tasks import rgb
from pixsearch.tasks.base import Planes, Scores, Task, round_8

INPUT, LEVEL = "input", "level"
_PER_LEVEL = np.float32(1 / 255)
_GREY = np.array([[0.299, 0.587, 0.114]], np.float32)


def _span(value: Any) -> Any:
    """`25` or `5-50` as (25, 25) or (5, 50)."""
    if isinstance(value, str):
        low, _, high = value.partition("-")
        return low, high or low
    return (value, value) if isinstance(value, int | float) else value


Sigma = Annotated[float, Field(gt=0, le=255)]


class DenoiseSettings(noise.CameraNoise):
    """Which noise: `gaussian` of standard deviation `sigma` in levels of 255, one or from … to, or a `camera`'s in linear light.

    With `level` the network is told σ by a plane of its own (FFDNet, Zhang et al. 2018), so that one serves a span of strengths.
    """

    noise: Literal["gaussian", "camera"] = "gaussian"
    level: bool = False
    sigma: Annotated[tuple[Sigma, Sigma], BeforeValidator(_span)] = (25.0, 25.0)

    @field_validator("sigma")
    @classmethod
    def _rising(cls, sigma: tuple[float, float]) -> tuple[float, float]:
        if sigma[0] > sigma[1]:
            raise ValueError(f"it goes from {sigma[0]:g} to {sigma[1]:g}, but the smaller one comes first")
        return sigma

    @field_validator("level")
    @classmethod
    def _of_one_number(cls, level: bool, info: ValidationInfo) -> bool:
        if level and info.data.get("noise") == "camera":
            raise ValueError("a camera's noise has no one level; it is known of Gaussian noise alone")
        return level


class Denoise(Task):
    """A picture of the same size without its noise. `rgb` sees all three channels, `y` full-range luma (chroma stays noisy).

    Planes are levels / 255. Noise is neither clipped nor rounded, as the literature's is not: what a network sees may lie
    below 0 and above 1.
    """

    name = "denoise"
    metric = "PSNR"
    scales = (1,)
    colors: ClassVar[tuple[Color, ...]] = ("rgb", "y")
    Settings = DenoiseSettings
    settings: DenoiseSettings
    draws = True

    @property
    def signature(self) -> Signature:
        """Three planes (`rgb`) or one (`y`) in and out; noise reaches beyond their range. A further one in where the level is told."""
        channels = 3 if self.color == "rgb" else 1
        level = (Port(LEVEL, 1),) if self.settings.level else ()
        return self.signed((Port(INPUT, channels), *level), Port("output", channels))

    @property
    def convention(self) -> str:
        """What PSNR and SSIM are taken on, and the noise of the inputs."""
        return (
            f"{'RGB' if self.color == 'rgb' else 'grey'}, output in 8 bits, nothing shaved, {self.noise} drawn by the picture, not clipped"
        )

    @property
    def noise(self) -> str:
        """`noise of σ 25`, `noise of σ 5 to 50`, `a camera's noise`."""
        low, high = self.settings.sigma
        if self.settings.noise == "camera":
            return "a camera's noise"
        return f"noise of σ {low:g}" if low == high else f"noise of σ {low:g} to {high:g}"

    @property
    def baseline_name(self) -> str:
        """The noisy picture itself."""
        return "identity"

    def draw(self, truth: Planes, rng: np.random.Generator) -> dict[str, Planes]:
        """The truth's planes with noise, of a strength of its own for each picture of the batch."""
        strength = self.strength(len(truth), rng)
        noisy = {INPUT: self.noisy(truth, strength, rng)}
        told = {LEVEL: np.broadcast_to(strength[0], (len(truth), 1, *truth.shape[-2:])).copy()} if self.settings.level else {}
        return {**noisy, **told}

    def strength(self, count: int, rng: np.random.Generator) -> tuple[Planes, ...]:
        """That of `count` exposures: σ / 255 as (count, 1, 1, 1), or a camera's (shot, read) variances."""
        if self.settings.noise == "camera":
            return noise.levels_of(self.settings, count, rng)
        return (rng.uniform(*self.settings.sigma, (count, 1, 1, 1)).astype(np.float32) * _PER_LEVEL,)

    def noisy(self, truth: Planes, strength: tuple[Planes, ...], rng: np.random.Generator) -> Planes:
        """Planes (N, C, H, W) with noise of that strength, drawn for each value."""
        if self.settings.noise == "camera":
            shot, read = strength
            return light.from_linear(noise.read_out(light.to_linear(truth), shot, read, rng))
        return truth + strength[0] * noise.white(truth.shape, rng)

    def undamaged(self, truth: Planes) -> dict[str, Planes]:
        """The truth's planes, and a level of 0 where it is told."""
        told = {LEVEL: np.zeros((len(truth), 1, *truth.shape[-2:]), np.float32)} if self.settings.level else {}
        return {INPUT: truth, **told}

    def levels(self, name: str, planes: Planes) -> Samples:
        """Three equal channels where the plane is grey; σ in levels of 255, (H, W, 1)."""
        samples = super().levels(name, planes)
        return np.repeat(samples, 3, axis=-1) if self.color == "y" and name == INPUT else samples

    def inputs_of(self, picture: Samples, sigma: float | None = None) -> dict[str, Samples]:
        """The picture, and its `sigma` in levels of 255 where the network wants to be told."""
        if not self.settings.level:
            return super().inputs_of(picture, sigma)
        if sigma is None:
            low, high = self.settings.sigma
            raise UsageError(f"This model wants to know how strong the noise is. Give `--sigma`, {low:g} to {high:g}.")
        return {INPUT: picture, LEVEL: np.full((*picture.shape[:2], 1), sigma, np.float32)}

    def encode(self, name: str, pictures: Samples) -> Planes:
        """Luma or R, G, B of the input (…, H, W, 3), or the level (…, H, W, 1), divided by 255."""
        if name == LEVEL:
            return rgb.to_planes(pictures)
        return self.encode_truth(pictures)

    def encode_truth(self, pictures: Samples) -> Planes:
        """The same planes as the input's."""
        if self.color == "y":
            return _grey(pictures)[..., np.newaxis, :, :] * _PER_LEVEL
        return rgb.to_planes(pictures)

    def decode(self, output: Planes, inputs: dict[str, Samples]) -> Picture:
        """The output as RGB, clipped and rounded; on `y` the input's colours move with their luma."""
        if self.color == "rgb":
            return rgb.to_picture(output)
        before = inputs[INPUT].astype(np.float32)
        return round_8(before + (output[0] * rgb.LEVELS - _grey(before))[..., np.newaxis])

    def meaning(self, name: str) -> str:
        """R, G, B, or full-range luma; σ of the noise."""
        if name == LEVEL:
            return "the noise's standard deviation in levels"
        return super().meaning(name) if self.color == "rgb" else "luma Y' of BT.601 in full range, black 0, white 255"

    def baseline(self, inputs: dict[str, Samples]) -> Planes:
        """The noisy planes."""
        return self.encode(INPUT, inputs[INPUT])

    def score(self, output: Planes, truth: Picture) -> Scores:
        """PSNR and SSIM (mean over channels) of the 8-bit output against the truth, on `y` against its luma, not rounded again."""
        if self.color == "rgb":
            return rgb.score(output, truth)
        luma, wanted = round_8(output[0] * rgb.LEVELS).astype(np.float32), _grey(truth)
        return Scores(psnr(luma, wanted), ssim(luma, wanted))


def _grey(pictures: Samples) -> Samples:
    """Full-range luma of BT.601 (JFIF), (…, H, W), float32 on the scale 0…255: a grey picture's own levels."""
    rows = np.ascontiguousarray(pictures, np.float32).reshape(-1, pictures.shape[-2], 3)
    luma: Samples = cv2.transform(rows, _GREY).reshape(pictures.shape[:-1])
    return luma
