"""What every task defines: how a clean picture becomes a pair, what the network sees, the trivial baseline and the metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from pixsearch.config import Config, validate
from pixsearch.errors import UsageError
from pixsearch.pixels.types import Picture, Samples
from pixsearch.registry import TASKS
from pixsearch.rng import stream
from pixsearch.signature import Color, Port, Signature

Planes = npt.NDArray[np.float32]
Method = Callable[[dict[str, Samples]], Planes]
"""From whole inputs (H, W, C) by name to output planes (C, H·scale, W·scale)."""


@dataclass(frozen=True)
class Pair:
    """A whole degraded picture and its truth.

    `inputs` holds named arrays (H, W, C) as `encode` takes them: uint8 RGB, or float32 of 0…255 where noise is not rounded;
    `truth` is uint8 (H·scale, W·scale, 3), RGB. `follows` says that it is the next frame of the clip that the pair before it was of.
    """

    inputs: dict[str, Samples]
    truth: Picture
    follows: bool = False


@dataclass(frozen=True)
class Batch:
    """What a network is trained on: float32 planes (N, C, H, W) by the port's name, and the truth's planes."""

    inputs: dict[str, Planes]
    truth: Planes


@dataclass(frozen=True)
class Scores:
    """A picture's scores by the task's convention; `psnr_db` is infinite for equal pictures.

    `flicker` is that of a clip's frame against the one before it (`Video.flicker`); None for a first frame and for photos.
    `sharpness` is the output's Tenengrad over the truth's (`pixels.metrics.tenengrad`), 1 where both are as sharp; None where
    a task does not ask for it or the truth is flat.
    """

    psnr_db: float
    ssim: float
    flicker: float | None = None
    sharpness: float | None = None


BESIDE = ("flicker", "sharpness")
"""Scores that only some pictures have."""


def beside(scores: Iterable[Scores]) -> dict[str, float]:
    """The means of the scores in `BESIDE`, each over the pictures that have it; without those that none has."""
    all_scores = list(scores)
    found = {name: [value for score in all_scores if (value := getattr(score, name)) is not None] for name in BESIDE}
    return {name: float(np.mean(values)) for name, values in found.items() if values}


class NoSettings(Config):
    """Of a task that scale and colour say all of."""


class Task(ABC):
    """One thing a model does to pixels, for one scale, colour and `settings` of its own.

    Pictures are uint8 RGB (H, W, 3); planes are float32 (…, C, H, W) in the ranges of the signature's ports.
    A task is stateless and safe to share between threads.
    """

    name: ClassVar[str]
    metric: ClassVar[str]
    scales: ClassVar[tuple[int, ...]]
    """The factors from input to output side that the task knows; the first is meant when none is said."""
    colors: ClassVar[tuple[Color, ...]] = get_args(Color)
    """The colours that the task knows; the first is meant when none is said."""
    Settings: ClassVar[type[Config]] = NoSettings
    takes: ClassVar[Literal["photos", "raw frames", "clips"]] = "photos"
    """What a model is applied to."""
    draws: ClassVar[bool] = False
    """Whether inputs are drawn at random from the truth, anew for every batch, and not made once by `degrade`."""
    follows_changes: ClassVar[bool] = False
    """Whether inputs that are made once are a linear function of the truth's planes, but for rounding."""
    margin: int = 0
    """Pixels of truth around a patch that `draw` wants to see, a multiple of the scale; they are cut off behind it."""

    def __init__(self, scale: int, color: Color, settings: Mapping[str, Any] | None = None) -> None:
        if scale not in self.scales:
            raise UsageError(f"`{self.name}` knows no scale `{scale}`. Choose one of {', '.join(map(str, self.scales))}.")
        if color not in self.colors:
            raise UsageError(f"`{color}` is no colour of `{self.name}`. Choose one of {', '.join(self.colors)}.")
        self.scale, self.color = scale, color
        self.settings = validate(self.Settings, dict(settings or {}), f"`{self.name}`")

    @property
    @abstractmethod
    def signature(self) -> Signature:
        """The border of every network for this task."""

    @property
    @abstractmethod
    def convention(self) -> str:
        """How the metric is taken, in a few words to print beside every figure."""

    @property
    def pair_key(self) -> str:
        """What `degrade` depends on besides the picture: pairs under the same key are the same."""
        return f"{self.name}-x{self.scale}"

    def signed(self, inputs: tuple[Port, ...], output: Port) -> Signature:
        """The signature with these ports."""
        return Signature(self.name, self.scale, self.color, inputs, output, settings=self.settings.to_json())

    def fit(self, clean: Picture) -> Picture:
        """The upper left part of `clean` whose sides are multiples of the scale (the field's `modcrop`)."""
        height, width = (side - side % self.scale for side in clean.shape[:2])
        return clean[:height, :width]

    def degrade(self, clean: Picture) -> Pair:
        """The pair made from a clean picture; deterministic, so it is cached. `clean` is first cropped by `fit`.

        Of a task that `draws` its inputs the truth alone; the others say how.
        """
        if not self.draws:
            raise NotImplementedError(f"`{self.name}` neither draws its inputs nor says how they are made.")
        return Pair({}, self.fit(clean))

    @abstractmethod
    def encode(self, name: str, pictures: Samples) -> Planes:
        """What the network sees of the input called `name`: (…, H, W, 3) → planes (…, C, H, W).

        A picture that is turned or mirrored gives turned planes: patches are turned after they are encoded.
        `pictures` are uint8, or float32 on the scale 0…255 where a picture is deeper than 8 bits or noisy.
        """

    @abstractmethod
    def encode_truth(self, pictures: Picture) -> Planes:
        """The planes a network is to produce: uint8 (…, H, W, 3) → (…, C, H, W); turned with the picture, as those of `encode`."""

    @abstractmethod
    def decode(self, output: Planes, inputs: dict[str, Samples]) -> Picture:
        """The RGB picture (H·scale, W·scale, 3) out of a network's output planes (C, H·scale, W·scale) and its inputs."""

    @abstractmethod
    def baseline(self, inputs: dict[str, Samples]) -> Planes:
        """The output planes of the trivial method (bicubic, identity …)."""

    @property
    @abstractmethod
    def baseline_name(self) -> str:
        """What the trivial method is called in tables."""

    @property
    def other_baselines(self) -> dict[str, Method]:
        """Further methods without a network that belong into a table of this task, by name."""
        return {}

    @abstractmethod
    def score(self, output: Planes, truth: Picture) -> Scores:
        """Scores of output planes (C, H, W) against the truth; the output is clipped and rounded to 8 bits first."""

    def draw(self, truth: Planes, rng: np.random.Generator) -> dict[str, Planes]:
        """Input planes at random for the truth's planes (N, C, H, W), of a task that `draws`. Draws only from `rng`."""
        raise NotImplementedError(f"`{self.name}` does not draw its inputs.")

    def batch(self, truth: Planes, rng: np.random.Generator) -> Batch:
        """What a network is trained on, of a task that `draws`, for the truth's planes (N, C, H, W)."""
        return Batch(self.draw(truth, rng), truth)

    def follows(self, change: Planes) -> dict[str, Planes]:
        """By how much the inputs that `degrade` makes change with planes (N, C, H, W) of the truth, of a task that `follows_changes`."""
        raise NotImplementedError(f"`{self.name}` does not say how its inputs change with the truth.")

    @property
    def can_be_undamaged(self) -> bool:
        """Whether an input could be as good as the truth: not where it is smaller and nothing is wrong with it besides."""
        return self.scale == 1

    def undamaged(self, truth: Planes) -> dict[str, Planes]:
        """Input planes for the truth's (N, C, H, W) from which nothing is missing, of a task that `can_be_undamaged`."""
        return {self.signature.inputs[0].name: truth}

    def drawn(self, truth: Picture, seed: int) -> Pair:
        """The pair that is scored, of a task that `draws`: its inputs are drawn from the `seed` alone."""
        planes = self.draw(self.encode_truth(truth)[np.newaxis], stream(seed, "inputs"))
        return Pair({name: self.levels(name, batch[0]) for name, batch in planes.items()}, truth)

    def pair(self, clean: Picture, seed: int = 0) -> Pair:
        """The pair of a whole clean picture as it is scored: by `degrade`, or `drawn` from the `seed`."""
        pair = self.degrade(clean)
        return self.drawn(pair.truth, seed) if self.draws else pair

    def levels(self, name: str, planes: Planes) -> Samples:
        """What `encode` makes `planes` (C, H, W) of: float32 (H, W, C) of 0…255, neither clipped nor rounded."""
        del name
        samples: Samples = np.moveaxis(planes, 0, -1) * np.float32(255)
        return samples

    def meaning(self, name: str) -> str:
        """What the levels 0…255 of the port called `name` are, for those who feed a model 8-bit buffers."""
        del name
        return "R, G, B, each 0 to 255"

    def inputs_of(self, picture: Samples, sigma: float | None = None) -> dict[str, Samples]:
        """The inputs for a picture (H, W, 3) that a model is applied to; `sigma` is how noisy it is, for tasks that ask."""
        if sigma is not None:
            raise UsageError("This model is not told how strong noise is. Leave `--sigma` out.")
        return {self.signature.inputs[0].name: picture}

    def view(self, inputs: dict[str, Samples]) -> Picture:
        """The inputs as a picture to look at: uint8 RGB (H, W, 3), clipped and rounded."""
        samples = next(iter(inputs.values()))
        return samples if samples.dtype == np.uint8 else round_8(samples)


def round_8(samples: Samples) -> Picture:
    """Half up, as MATLAB's `uint8`, clipped to 0–255."""
    rounded: Picture = np.clip(np.floor(samples + np.float32(0.5)), 0, 255).astype(np.uint8)
    return rounded


def make_task(name: str, scale: int, color: Color, settings: Mapping[str, Any] | None = None) -> Task:
    """The registered task called `name`; `UsageError` for a name, scale, colour or setting it does not know."""
    task: Task = TASKS.load(name)(scale, color, settings)
    return task


def task_for(signature: Signature) -> Task:
    """The task a model with this signature was made for."""
    return make_task(signature.task, signature.scale, signature.color, signature.settings)
