"""Candidates are scored on the same few pictures each time, whole or by their fixed centre."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_pictures
from pixsearch.search.windows import Selection
from pixsearch.tasks.base import Pair, Task
from pixsearch.tasks.config import TaskConfig


class Pictures:
    """Random pictures of given sizes (of the input), in memory."""

    def __init__(self, sizes: list[tuple[int, int]], scale: int) -> None:
        rng = np.random.default_rng(0)
        truths = [rng.integers(0, 256, (h * scale, w * scale, 3), dtype=np.uint8) for h, w in sizes]
        self.pairs = [Pair({"input": truth[::scale, ::scale]}, truth) for truth in truths]
        self.names = [f"p{i}" for i in range(len(sizes))]

    def __len__(self) -> int:
        return len(self.pairs)

    def pair(self, index: int) -> Pair:
        return self.pairs[index]


def test_of_clips_the_first_frames_are_taken_in_a_row() -> None:
    """Three clips of six frames; eight frames are two clips' first four."""
    clips = Pictures([(8, 8)] * 18, 2)
    clips.names = [f"{clip}/{time:03d}" for clip in "abc" for time in range(6)]
    task = TaskConfig(name="video-sr", scale=2).make()
    assert Selection(clips, task, pictures=8, window=64).names == [f"{clip}/{time:03d}" for clip in "ab" for time in range(4)]


@pytest.fixture
def task() -> Task:
    return TaskConfig(scale=3).make()


def test_pictures_are_taken_evenly_and_at_most_as_many_as_asked_for(task: Task) -> None:
    many = Pictures([(8, 8)] * 10, 3)
    assert Selection(many, task, pictures=4, window=64).names == ["p0", "p2", "p5", "p7"]
    assert Selection(many, task, pictures=99, window=64).names == many.names


def test_small_pictures_are_whole(task: Task) -> None:
    pictures = Pictures([(20, 30)], 3)
    pair = Selection(pictures, task, pictures=1, window=90).pair(0)
    assert pair.truth is pictures.pairs[0].truth


def test_large_pictures_count_with_their_centre_on_matching_pixels(task: Task) -> None:
    pictures = Pictures([(101, 40), (30, 64)], 3)
    selection = Selection(pictures, task, pictures=2, window=100)
    for index, size in enumerate([(33, 33), (30, 33)]):
        pair, whole = selection.pair(index), pictures.pairs[index]
        assert pair.inputs["input"].shape[:2] == size
        assert pair.truth.shape[:2] == (size[0] * 3, size[1] * 3)
        assert np.array_equal(pair.truth[::3, ::3], pair.inputs["input"])
        top, left = ((a - b) // 2 for a, b in zip(whole.inputs["input"].shape[:2], size, strict=True))
        assert np.array_equal(pair.inputs["input"], whole.inputs["input"][top : top + size[0], left : left + size[1]])
    assert selection.description()[0] == {"name": "p0", "width": 99, "height": 99}


def test_inputs_that_are_drawn_are_drawn_once(sample_images, tmp_path):
    """Every candidate is scored on them, and drawing takes long on large photos."""
    task = TaskConfig(name="denoise").make()
    drawn = []
    task.drawn = lambda truth, seed: drawn.append(seed) or type(task).drawn(task, truth, seed)
    pairs = open_pictures([sample_images / "chelsea.png", sample_images / "coffee.png"], task, DataConfig(cache=tmp_path))
    selection = Selection(pairs, task, pictures=2, window=64)
    first = [selection.pair(index) for index in range(2)]
    again = [selection.pair(index) for index in range(2)]
    assert len(drawn) == 2
    assert all(one.inputs["input"] is other.inputs["input"] for one, other in zip(first, again, strict=True))
    assert first[0].inputs["input"].base is None, "the whole picture is let go of"
    del task.drawn
    elsewhere = pickle.loads(pickle.dumps(selection)).pair(1)
    np.testing.assert_array_equal(elsewhere.inputs["input"], first[1].inputs["input"])
