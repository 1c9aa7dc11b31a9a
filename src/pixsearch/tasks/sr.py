"""Super-resolution ×2, ×3, ×4 at the field's conventions: MATLAB bicubic on RGB in 8 bits, PSNR and SSIM on Y of BT.601."""

from __future__ import annotations

import numpy as np

from pixsearch.pixels.color import rgb_to_y, rgb_to_ycbcr, ycbcr_to_rgb
from pixsearch.pixels.metrics import psnr, ssim
from pixsearch.pixels.resize import rescale, resize
from pixsearch.pixels.types import Picture, Samples
from pixsearch.signature import Port, Signature
from pixsearch.tasks import rgb
from pixsearch.tasks.base import Pair, Planes, Scores, Task, round_8

INPUT = "input"
_PER_LEVEL = np.float32(1 / 255)


class SuperResolution(Task):
    """A picture of `scale` times the sides. On `y` a network sees luma alone, and chroma is upscaled by bicubic.

    Planes are levels / 255: luma in studio range (16/255 to 235/255, not rounded) or R, G, B.
    """

    name = "sr"
    metric = "PSNR-Y"
    scales = (2, 3, 4)
    follows_changes = True

    @property
    def signature(self) -> Signature:
        """One plane (`y`) or three (`rgb`) in and out."""
        channels = 1 if self.color == "y" else 3
        return self.signed((Port(INPUT, channels),), Port("output", channels))

    @property
    def convention(self) -> str:
        """What PSNR and SSIM are taken on."""
        return f"Y of BT.601, output in 8 bits, {self.scale} pixels shaved, inputs by MATLAB's bicubic"

    @property
    def baseline_name(self) -> str:
        """Bicubic upscaling, a = −0.5."""
        return "bicubic"

    def degrade(self, clean: Picture) -> Pair:
        """The truth and its reduction by MATLAB's antialiased bicubic on RGB, rounded to 8 bits."""
        truth = self.fit(clean)
        return Pair({INPUT: rescale(truth, 1 / self.scale)}, truth)

    def encode(self, name: str, pictures: Samples) -> Planes:
        """Luma or R, G, B of `pictures` (…, H, W, 3), divided by 255; `name` is always `input`."""
        del name
        return self.encode_truth(pictures)

    def encode_truth(self, pictures: Samples) -> Planes:
        """The same planes as the input's, at the truth's size."""
        if self.color == "y":
            luma = rgb_to_y(pictures)
            luma *= _PER_LEVEL
            return luma[..., np.newaxis, :, :]
        return rgb.to_planes(pictures)

    def follows(self, change: Planes) -> dict[str, Planes]:
        """The change reduced by bicubic; rounding and clipping are left out."""
        rows, columns = (resize(np.eye(side, dtype=np.float32), side // self.scale, side) for side in change.shape[-2:])
        return {INPUT: np.matmul(np.matmul(rows, change), columns.T)}

    def decode(self, output: Planes, inputs: dict[str, Samples]) -> Picture:
        """The output as RGB, clipped and rounded; on `y` with the input's chroma upscaled by bicubic."""
        if self.color == "rgb":
            return rgb.to_picture(output)
        chroma = rescale(np.ascontiguousarray(rgb_to_ycbcr(inputs[INPUT])[..., 1:]), float(self.scale))
        return round_8(ycbcr_to_rgb(np.dstack([output[0] * rgb.LEVELS, chroma])))

    def meaning(self, name: str) -> str:
        """R, G, B, or luma in studio range."""
        if self.color == "rgb":
            return super().meaning(name)
        return "luma Y' of BT.601 in studio range, black 16, white 235; a full-range Y needs 16 + Y * 219 / 255 first"

    def baseline(self, inputs: dict[str, Samples]) -> Planes:
        """The input planes upscaled by bicubic, not clipped."""
        planes = self.encode(INPUT, inputs[INPUT])
        return np.stack([rescale(plane, float(self.scale)) for plane in planes])

    def score(self, output: Planes, truth: Picture) -> Scores:
        """PSNR and SSIM on the luma of the 8-bit output with `scale` pixels shaved.

        On `y` the output's luma itself is rounded to 8 bits, on `rgb` its three channels are; the truth's luma, of a picture
        that has 8 bits, is not rounded again. Raises DataError when the sizes differ or are too small.
        """
        luma = round_8(output[0] * rgb.LEVELS).astype(np.float32) if self.color == "y" else rgb_to_y(rgb.to_picture(output))
        wanted = rgb_to_y(truth)
        return Scores(psnr(luma, wanted, self.scale), ssim(luma, wanted, self.scale))
