"""Joint demosaicing and denoising: a noisy Bayer mosaic in, a picture of red, green and blue out."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from pixsearch.pixels import light, mosaic, noise
from pixsearch.pixels.types import Picture, Samples
from pixsearch.signature import Color, Port, Signature
from pixsearch.tasks import rgb
from pixsearch.tasks.base import Method, Planes, Scores, Task, round_8

INPUT = "mosaic"
SHAVED = 10
_RED_GAIN, _BLUE_GAIN = (1.9, 2.4), (1.5, 1.9)  # of white balance, as phones have them (Brooks et al. 2019, section 3.3)


class JddSettings(noise.CameraNoise):
    """Which noise the mosaic has: a `camera`'s, or `none`."""

    noise: Literal["camera", "none"] = "camera"


class JointDemosaic(Task):
    """A mosaic of the pattern RGGB, packed to half the size (see `pixels.mosaic`), to RGB of the full size.

    The planes are white-balanced sRGB levels / 255, mosaic and output alike: a raw frame's black level is taken off, its
    channels are balanced and its light is put on sRGB's curve, value by value, before the network sees it. Noise is added where the
    sensor adds it: in linear light, before the balance.
    """

    name = "jdd"
    metric = "PSNR"
    scales = (2,)
    colors: ClassVar[tuple[Color, ...]] = ("rgb",)
    Settings = JddSettings
    settings: JddSettings
    takes = "raw frames"
    draws = True

    @property
    def signature(self) -> Signature:
        """Four planes of half the size in, three out."""
        return self.signed((Port(INPUT, 4),), Port("output", 3))

    @property
    def convention(self) -> str:
        """What PSNR and SSIM are taken on."""
        kind = "noise-free" if self.settings.noise == "none" else "a camera's noise drawn by the picture"
        return f"RGB, output in 8 bits, {SHAVED} pixels shaved, mosaic RGGB of the photo's levels, {kind}"

    @property
    def baseline_name(self) -> str:
        """Bilinear interpolation of each colour."""
        return "bilinear"

    @property
    def other_baselines(self) -> dict[str, Method]:
        """OpenCV's VNG and edge-aware demosaicing, and the 5×5 linear filter of Malvar et al. 2004."""
        return {
            "OpenCV VNG": lambda inputs: mosaic.opencv(self._whole(inputs), "vng"),
            "OpenCV EA": lambda inputs: mosaic.opencv(self._whole(inputs), "ea"),
            "Malvar 5×5": lambda inputs: mosaic.malvar(self._whole(inputs)),
        }

    def draw(self, truth: Planes, rng: np.random.Generator) -> dict[str, Planes]:
        """The packed mosaic of the truth's planes, with an exposure's noise for each picture of the batch."""
        packed = mosaic.pack(truth)
        return {INPUT: packed if self.settings.noise == "none" else self._exposed(packed, rng)}

    @property
    def can_be_undamaged(self) -> bool:
        """A mosaic may be free of noise."""
        return self.settings.noise != "none"

    def undamaged(self, truth: Planes) -> dict[str, Planes]:
        """The packed mosaic without noise."""
        return {INPUT: mosaic.pack(truth)}

    def encode(self, name: str, pictures: Samples) -> Planes:
        """The packed planes of samples (…, H, W, 4) of 0…255; `name` is always `mosaic`."""
        del name
        return rgb.to_planes(pictures)

    def encode_truth(self, pictures: Samples) -> Planes:
        """Red, green and blue, divided by 255."""
        return rgb.to_planes(pictures)

    def decode(self, output: Planes, inputs: dict[str, Samples]) -> Picture:
        """The output as RGB, clipped and rounded."""
        del inputs
        return rgb.to_picture(output)

    def meaning(self, name: str) -> str:
        """The packed mosaic in, colours out."""
        packed = "the mosaic RGGB packed to half the size as red, green of its rows, blue, green of its rows; balanced, on sRGB's curve"
        return packed if name == INPUT else super().meaning(name)

    def baseline(self, inputs: dict[str, Samples]) -> Planes:
        """Each missing value as the mean of its neighbours, not clipped."""
        return mosaic.bilinear(self._whole(inputs))

    def score(self, output: Planes, truth: Picture) -> Scores:
        """PSNR and SSIM (mean over channels) of the 8-bit output, `SHAVED` pixels taken off each side."""
        return rgb.score(output, truth, SHAVED)

    def view(self, inputs: dict[str, Samples]) -> Picture:
        """Red, the mean of both greens, and blue, at half the size."""
        red, green, blue, other = np.moveaxis(inputs[INPUT].astype(np.float32), -1, 0)
        return round_8(np.stack([red, (green + other) / 2, blue], axis=-1))

    def _whole(self, inputs: dict[str, Samples]) -> Planes:
        return mosaic.unpack(self.encode(INPUT, inputs[INPUT]))

    def _exposed(self, packed: Planes, rng: np.random.Generator) -> Planes:
        """Packed levels as a sensor reads them out: to linear light, the balance undone, shot and read noise, and back."""
        count = len(packed)
        red, blue = (rng.uniform(*span, count) for span in (_RED_GAIN, _BLUE_GAIN))
        gains = np.stack([red, np.ones(count), blue, np.ones(count)], axis=1).astype(np.float32)[:, :, np.newaxis, np.newaxis]
        noisy = noise.read_out(light.to_linear(packed) / gains, *noise.levels_of(self.settings, count, rng), rng)
        return light.from_linear(noisy * gains)
