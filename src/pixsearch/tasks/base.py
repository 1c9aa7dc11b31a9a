"""What every task defines: how a clean picture becomes a pair, what the network sees, the trivial baseline and the metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import numpy.typing as npt

from pixsearch.errors import UsageError
from pixsearch.pixels.types import Picture
from pixsearch.registry import TASKS
from pixsearch.signature import Color, Signature

Planes = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """A whole degraded picture and its truth.

    `inputs` holds named uint8 arrays (H, W, 3); `truth` is uint8 (H·scale, W·scale, 3), RGB.
    """

    inputs: dict[str, Picture]
    truth: Picture


@dataclass(frozen=True)
class Batch:
    """What a network is trained on: float32 planes (N, C, H, W) by the port's name, and the truth's planes."""

    inputs: dict[str, Planes]
    truth: Planes


@dataclass(frozen=True)
class Scores:
    """A picture's scores by the task's convention; `psnr_db` is infinite for equal pictures."""

    psnr_db: float
    ssim: float


class Task(ABC):
    """One thing a model does to pixels, for one scale and colour.

    Pictures are uint8 RGB (H, W, 3); planes are float32 (…, C, H, W) in the ranges of the signature's ports.
    A task is stateless and safe to share between threads.
    """

    name: ClassVar[str]
    metric: ClassVar[str]
    scales: ClassVar[tuple[int, ...]]
    """The factors from input to output side that the task knows."""

    def __init__(self, scale: int, color: Color) -> None:
        if scale not in self.scales:
            raise UsageError(f"`{self.name}` knows no scale `{scale}`. Choose one of {', '.join(map(str, self.scales))}.")
        if color not in get_args(Color):
            raise UsageError(f"`{color}` is no colour of `{self.name}`. Choose one of {', '.join(get_args(Color))}.")
        self.scale, self.color = scale, color

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

    @abstractmethod
    def fit(self, clean: Picture) -> Picture:
        """`clean` cropped to a size the task can take (a multiple of the scale)."""

    @abstractmethod
    def degrade(self, clean: Picture) -> Pair:
        """The pair made from a clean picture; deterministic, so it is cached. `clean` is first cropped by `fit`."""

    @abstractmethod
    def encode(self, name: str, pictures: Picture) -> Planes:
        """What the network sees of the input called `name`: (…, H, W, 3) → planes (…, C, H, W).

        A picture that is turned or mirrored gives turned planes: patches are turned after they are encoded.
        `pictures` are uint8, or float32 of 0…255 where a picture is deeper than 8 bits.
        """

    @abstractmethod
    def encode_truth(self, pictures: Picture) -> Planes:
        """The planes a network is to produce: uint8 (…, H, W, 3) → (…, C, H, W); turned with the picture, as those of `encode`."""

    @abstractmethod
    def decode(self, output: Planes, inputs: dict[str, Picture]) -> Picture:
        """The RGB picture (H·scale, W·scale, 3) out of a network's output planes (C, H·scale, W·scale) and its inputs."""

    @abstractmethod
    def baseline(self, inputs: dict[str, Picture]) -> Planes:
        """The output planes of the trivial method (bicubic, identity …)."""

    @property
    @abstractmethod
    def baseline_name(self) -> str:
        """What the trivial method is called in tables."""

    @abstractmethod
    def score(self, output: Planes, truth: Picture) -> Scores:
        """Scores of output planes (C, H, W) against the truth; the output is clipped and rounded to 8 bits first."""

    def corrupt(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """What is random for every batch (noise); nothing by default. Draws only from `rng`."""
        del rng
        return batch


def make_task(name: str, scale: int, color: Color) -> Task:
    """The registered task called `name`; `UsageError` for a name, scale or colour it does not know."""
    task: Task = TASKS.load(name)(scale, color)
    return task


def task_for(signature: Signature) -> Task:
    """The task a model with this signature was made for."""
    return make_task(signature.task, signature.scale, signature.color)
