"""Clips instead of pictures: super-resolution and denoising of a frame that see the frames around it, or remember those before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from pixsearch.config import Config
from pixsearch.errors import UsageError
from pixsearch.pixels.motion import draw_motion
from pixsearch.pixels.resize import resize
from pixsearch.pixels.types import Picture, Samples
from pixsearch.rng import stream
from pixsearch.signature import Color, Port, Signature
from pixsearch.space.sequence import offsets
from pixsearch.tasks import denoise, rgb, sr
from pixsearch.tasks.base import Batch, Pair, Planes, Scores, Task, round_8

FRAMES = "frames"
MADE = 5
"""Frames of a clip that is made of a photo to be scored on."""

_CHANNELS = 3


class VideoSettings(Config):
    """How many frames a network sees at once (`window`), and how many a training sequence has (`length`, at least as many)."""

    window: Literal[1, 3, 5, 7] = 5
    length: Literal[1, 3, 5, 7, 9, 11, 13, 15] = 5

    @model_validator(mode="before")
    @classmethod
    def _as_long_as_the_window(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("length") is None:
            return {**{key: value for key, value in data.items() if key != "length"}, "length": data.get("window", 5)}
        return data

    @model_validator(mode="after")
    def _enough(self) -> VideoSettings:
        if self.length < self.window:
            raise ValueError(f"`length` is {self.length}: a sequence has at least as many frames as the window, {self.window}")
        return self


class Video(Task):
    """A task of single pictures (`still`), done to the frames of a clip.

    A network sees `window` frames, stacked as channels in the order of `space.sequence`: the one it answers first. A window of 1 is
    what a recurrent network sees. Inputs are samples (H, W, 3·frames); those of a longer window can be encoded, too. At a clip's ends
    the nearest frame stands for those that are missing. A photo counts as a clip in which it moves.
    """

    takes = "clips"
    draws = True
    settings: VideoSettings
    input: ClassVar[str] = sr.INPUT

    def __init__(self, scale: int, color: Color, settings: Any = None) -> None:
        super().__init__(scale, color, settings)
        self.still = self.make_still()
        self.window, self.length = self.settings.window, self.settings.length

    @abstractmethod
    def make_still(self) -> Task:
        """The same task for single pictures."""

    @abstractmethod
    def reduced(self, frames: Planes, rng: np.random.Generator) -> Planes:
        """What is seen of sequences of truths, (N, L·C, H, W) → (N, L·C, H / scale, W / scale)."""

    @abstractmethod
    def seen(self, frame: Picture, seed: int, time: int) -> Samples:
        """What is seen of a clip's frame number `time` when it is scored: (H / scale, W / scale, 3); the clip has one `seed`."""

    @property
    def signature(self) -> Signature:
        """A window of frames in, one frame out."""
        channels = self.still.signature.out_channels
        return self.signed((Port(FRAMES, channels * self.window),), self.still.signature.output)

    @property
    def metric(self) -> str:  # type: ignore[override]
        """That of single pictures."""
        return self.still.metric

    @property
    def convention(self) -> str:
        """What PSNR and SSIM are taken on, frame by frame."""
        return f"{self.still.convention}; every frame of a clip, those around it as far as there are any"

    @property
    def baseline_name(self) -> str:
        """That of single pictures."""
        return self.still.baseline_name

    def fit(self, clean: Picture) -> Picture:
        """A frame, or all frames of a clip (T, H, W, 3), cropped to multiples of the scale."""
        height, width = (side - side % self.scale for side in clean.shape[-3:-1])
        return clean[..., :height, :width, :]

    def moving(self, stills: Planes, rng: np.random.Generator) -> Planes:
        """Sequences in which each still picture (N, C, H, W) moves in a way of its own: (N, L·C, H, W), the stills themselves first."""
        motions = [draw_motion(rng) for _ in stills]
        frames = [[motion.frame(still, time) for time in offsets(self.length)] for motion, still in zip(motions, stills, strict=True)]
        return np.clip(np.stack([np.concatenate(sequence) for sequence in frames]), 0, 1)

    def draw(self, truth: Planes, rng: np.random.Generator) -> dict[str, Planes]:
        """The windows around the truth's pictures (N, C, H, W), in clips made of them."""
        frames = self.reduced(self.moving(truth, rng), rng)
        return {FRAMES: np.ascontiguousarray(frames[:, : self.signature.in_channels])}

    def batch(self, truth: Planes, rng: np.random.Generator) -> Batch:
        """Whole sequences of inputs and truths, (N, L·C, h, w) and (N, L·C, H, W), from still pictures or from as long sequences."""
        alone = truth.shape[1] == self.signature.out_channels
        frames = self.moving(truth, rng) if alone else truth
        return Batch({FRAMES: self.reduced(frames, rng)}, frames)

    def clip(self, photo: Picture, seed: int) -> list[Picture]:
        """The frames of a clip that is made of a photo, which stands in its middle."""
        motion, planes = draw_motion(stream(seed, "motion")), rgb.to_planes(photo)
        return [rgb.to_picture(motion.frame(planes, time - MADE // 2)) for time in range(MADE)]

    def drawn(self, truth: Picture, seed: int) -> Pair:
        """The middle frame of a clip made of the photo `truth`, with the frames around it."""
        frames = self.clip(truth, seed)
        return self.among(frames, MADE // 2, lambda number: self.seen(frames[number], seed, number))

    def among(self, frames: list[Picture], time: int, see: Callable[[int], Samples]) -> Pair:
        """The pair of frame number `time` of a clip; `see` gives what is seen of a frame."""
        around = [min(max(time + offset, 0), len(frames) - 1) for offset in offsets(self.window)]
        seen = {number: see(number) for number in set(around)}
        return Pair({FRAMES: stacked([seen[number] for number in around])}, frames[time], follows=time > 0)

    def encode(self, name: str, pictures: Samples) -> Planes:
        """The planes of the window's frames (…, H, W, 3·frames), one frame behind the other; `name` is always `frames`."""
        del name
        frames = [pictures[..., start : start + _CHANNELS] for start in range(0, _CHANNELS * self.window, _CHANNELS)]
        return np.concatenate([self.still.encode(self.input, frame) for frame in frames], axis=-3)

    def encode_truth(self, pictures: Samples) -> Planes:
        """As of single pictures."""
        return self.still.encode_truth(pictures)

    def decode(self, output: Planes, inputs: dict[str, Samples]) -> Picture:
        """As of the frame that is answered."""
        return self.still.decode(output, self._answered(inputs))

    def meaning(self, name: str) -> str:
        """The order of the frames, and what each holds."""
        each = self.still.meaning(name)
        if name != FRAMES or self.window == 1:
            return each
        order = ", ".join(f"{offset:+d}" if offset else "0" for offset in offsets(self.window))
        return f"of the frames at the times {order}: {each}"

    def baseline(self, inputs: dict[str, Samples]) -> Planes:
        """As of the frame that is answered, by itself."""
        return self.still.baseline(self._answered(inputs))

    def score(self, output: Planes, truth: Picture) -> Scores:
        """As of single pictures."""
        return self.still.score(output, truth)

    def flicker(self, outputs: tuple[Planes, Planes], truths: tuple[Picture, Picture]) -> float:
        """By how much the change between two frames that follow each other differs from the truth's change: mean of its size, in levels.

        Outputs (C, H, W) are clipped and rounded to 8 bits first. A still picture that is repeated has none where nothing moves.
        """
        before, now = (round_8(output * rgb.LEVELS).astype(np.float32) for output in outputs)
        was, wanted = (self.encode_truth(truth) * rgb.LEVELS for truth in truths)
        return float(np.abs((now - before) - (wanted - was)).mean())

    def inputs_of(self, picture: Samples, sigma: float | None = None) -> dict[str, Samples]:
        """A window of frames (H, W, 3·window) that a model is applied to."""
        if sigma is not None:
            return super().inputs_of(picture, sigma)
        if picture.shape[-1] < _CHANNELS * self.window:
            raise UsageError(f"This model sees {self.window} frames of a clip. Give a video, or a folder of numbered frames.")
        return {FRAMES: picture}

    def view(self, inputs: dict[str, Samples]) -> Picture:
        """The frame that is answered."""
        return self.still.view(self._answered(inputs))

    def _answered(self, inputs: dict[str, Samples]) -> dict[str, Samples]:
        return {self.input: np.ascontiguousarray(inputs[FRAMES][..., :_CHANNELS])}


class Flicker:
    """The flicker of outputs that are told frame by frame; None of a first frame, and of all that a task of photos gives."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._before: tuple[Planes, Picture] | None = None

    def of(self, pair: Pair, output: Planes) -> float | None:
        """That of `output` (C, H, W) against the output told before, where `pair` follows the pair before."""
        before, self._before = self._before, (output, pair.truth)
        if not pair.follows or before is None or not isinstance(self._task, Video):
            return None
        return self._task.flicker((before[0], output), (before[1], pair.truth))


def stacked(frames: list[Samples]) -> Samples:
    """Frames (H, W, 3) as one array (H, W, 3·frames)."""
    return np.concatenate(frames, axis=-1) if len(frames) > 1 else frames[0]


class VideoSuperResolution(Video):
    """Frames of `scale` times the sides."""

    name = "video-sr"
    scales = (2, 3, 4)
    Settings = VideoSettings

    @property
    def margin(self) -> int:  # type: ignore[override]
        """What the motion of a few frames brings in, and the kernel of the reduction."""
        return 4 * self.scale

    def make_still(self) -> Task:
        """Super-resolution of pictures."""
        return sr.SuperResolution(self.scale, self.color)

    def reduced(self, frames: Planes, rng: np.random.Generator) -> Planes:
        """By MATLAB's antialiased bicubic; R, G, B are rounded to 8 bits."""
        del rng
        rows, columns = (resize(np.eye(side, dtype=np.float32), side // self.scale, side) for side in frames.shape[-2:])
        small: Planes = np.matmul(np.matmul(rows, frames), columns.T).astype(np.float32, copy=False)
        return rgb.to_planes(round_8(np.moveaxis(small, -3, -1) * rgb.LEVELS)) if self.color == "rgb" else small

    def seen(self, frame: Picture, seed: int, time: int) -> Samples:
        """As of single pictures."""
        del seed, time
        return self.still.degrade(frame).inputs[sr.INPUT]


class VideoDenoiseSettings(denoise.DenoiseSettings, VideoSettings):
    """Which noise the frames of a clip have, all of one strength; networks are not told it."""

    level: Literal[False] = False


class VideoDenoise(Video):
    """Frames without their noise, which is drawn for every frame anew."""

    name = "video-denoise"
    scales = (1,)
    colors: ClassVar[tuple[Color, ...]] = ("rgb", "y")
    Settings = VideoDenoiseSettings
    settings: VideoDenoiseSettings
    margin = 8

    def make_still(self) -> Task:
        """Denoising of pictures."""
        own = denoise.DenoiseSettings.model_fields
        self.noise = denoise.Denoise(self.scale, self.color, {key: value for key, value in self.settings.to_json().items() if key in own})
        return self.noise

    def reduced(self, frames: Planes, rng: np.random.Generator) -> Planes:
        """With noise of one strength for each sequence."""
        return self.noise.noisy(frames, self.noise.strength(len(frames), rng), rng)

    def seen(self, frame: Picture, seed: int, time: int) -> Samples:
        """With noise that the clip's seed and the time decide."""
        strength = self.noise.strength(1, stream(seed, "strength"))
        noisy = self.noise.noisy(self.encode_truth(frame)[np.newaxis], strength, stream(seed, "noise", time))
        return self.still.levels(denoise.INPUT, noisy[0])
