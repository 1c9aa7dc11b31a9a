"""What a network learns beside a teacher: the distances it lowers, and which teachers it cannot have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.data.patches import Patches
from pixsearch.errors import UsageError
from pixsearch.nn.build import Network, build
from pixsearch.space.video import VideoGenotype, VideoSpace
from pixsearch.tasks.base import Task, make_task
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig
from pixsearch.train.feed import taken
from pixsearch.train.lesson import Lesson, wider
from pixsearch.train.loop import fit
from pixsearch.train.trainee import Trainee

Build = Callable[..., Network]
Settings = Callable[..., TrainConfig]


def test_the_loss_is_shared_between_truth_and_teacher(network: Build, patches: Patches, config: Settings) -> None:
    settings = config(teacher_share=0.25)
    inputs, truth = taken(patches.draw(0), network().signature)
    trainee, teacher = Trainee(network(), settings, choose(settings)), network("plain-m2c4", "linear")
    with torch.no_grad():
        wanted = 0.75 * F.l1_loss(network()(*inputs), truth) + 0.25 * F.l1_loss(network()(*inputs), teacher(*inputs))
        loss = Lesson(network().signature, settings, choose(settings), teacher)(trainee, inputs, truth)
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def test_a_teacher_is_left_as_it_was(network: Build, patches: Patches, config: Settings) -> None:
    teacher = network("plain-m2c4")
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    fit(network(), patches, config(steps=3), teacher=teacher)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(weight.requires_grad and weight.grad is None for weight in teacher.parameters())


def test_a_pupil_with_the_teacher_alone_comes_nearer_to_it(network: Build, patches: Patches, config: Settings) -> None:
    teacher = network("plain-m2c4")
    inputs, _ = taken(patches.draw(10**6), teacher.signature)

    def apart(pupil: Network) -> float:
        with torch.no_grad():
            return float(F.l1_loss(pupil(*inputs), teacher(*inputs)))

    taught = fit(network(), patches, config(steps=150, teacher_share=1), teacher=teacher)
    alone = fit(network(), patches, config(steps=150))
    assert apart(taught) < 0.5 * min(apart(network()), apart(alone))


@pytest.mark.parametrize(
    ("other", "odd"), [(("sr", 3, "y"), "scale is `3`"), (("sr", 2, "rgb"), "color is `rgb`"), (("denoise", 1, "y"), "task is `denoise`")]
)
def test_a_teacher_of_another_task_is_refused(task: SuperResolution, network: Build, other: tuple[Any, ...], odd: str) -> None:
    signature = make_task(*other).signature
    teacher = build(network().genotype, signature)
    with pytest.raises(UsageError, match=odd):
        wider(task.signature, teacher)


def video(form: str, frames: int, task: Task) -> Network:
    space = VideoSpace(task.signature)
    rng = np.random.default_rng(0)
    while True:
        genotype: VideoGenotype = space.sample(rng)
        signature = space.border(genotype)
        if bool(signature.state) == (form == "recurrent") and (signature.state or signature.in_channels == frames):
            return build(genotype, task.signature, seed=frames)


@pytest.mark.parametrize("pupil", [("stacked", 3), ("stacked", 5), ("recurrent", 0)])
@pytest.mark.parametrize("master", [("stacked", 5), ("stacked", 3), ("recurrent", 0)])
def test_windows_and_states_of_pupil_and_teacher_may_differ(pupil: tuple[str, int], master: tuple[str, int], config: Settings) -> None:
    task, settings = make_task("video-sr", 2, "y", {"window": 5}), config()
    student, teacher = video(*pupil, task), video(*master, task)
    sequence, truth = torch.rand(2, 5, 8, 8), torch.rand(2, 5, 16, 16)
    lesson = Lesson(student.signature, settings, choose(settings), teacher)
    seen = [sequence if lesson.signature.state else sequence[:, : lesson.signature.in_channels]]
    with torch.no_grad():
        loss = lesson(Trainee(student, settings, choose(settings)), seen, truth)
        wanted = (
            F.l1_loss(*same(first(student, sequence), truth)) + F.l1_loss(*same(first(student, sequence), first(teacher, sequence)))
        ) / 2
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def first(network: Network, sequence: Tensor) -> Tensor:
    """What a network makes of as many frames as it takes."""
    frames = sequence if network.signature.state else sequence[:, : network.signature.in_channels]
    answer: Tensor = network.eval()(frames)
    return answer


def same(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    frames = min(left.shape[1], right.shape[1])
    return left[:, :frames], right[:, :frames]


def test_batches_are_drawn_for_the_one_that_sees_more() -> None:
    task = make_task("video-sr", 2, "y", {"window": 5})
    narrow, broad, streaming = video("stacked", 3, task), video("stacked", 5, task), video("recurrent", 0, task)
    assert wider(narrow.signature, broad) == broad.signature
    assert wider(broad.signature, narrow) == broad.signature
    assert wider(broad.signature, streaming).state == streaming.signature.state
    assert wider(narrow.signature, broad).settings["length"] == 5
    assert wider(narrow.signature, None) == narrow.signature
