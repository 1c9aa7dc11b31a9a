"""The mosaic is what a sensor would have seen of the photo."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.pixels.files import read_picture
from pixsearch.pixels.mosaic import unpack
from pixsearch.tasks.base import make_task


@pytest.fixture(scope="module")
def photo(sample_images):
    return read_picture(sample_images / "coffee.png")[:160, :200]


def whole(task, pair):
    return unpack(task.encode("mosaic", pair.inputs["mosaic"])) * 255


def test_without_noise_the_mosaic_holds_the_photos_own_levels(photo):
    task = make_task("jdd", 2, "rgb", {"noise": "none"})
    mosaic = whole(task, task.pair(photo))
    for (row, column), channel in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}.items():
        np.testing.assert_allclose(mosaic[row::2, column::2], photo[row::2, column::2, channel], atol=1e-4)


def test_noise_is_that_of_single_values_and_stronger_where_the_balance_lifts(photo):
    task = make_task("jdd", 2, "rgb")
    grey = np.full((400, 400, 3), 110, np.uint8)
    spreads = []
    for seed in range(12):
        red, green, blue, other = np.moveaxis(task.pair(grey, seed).inputs["mosaic"], -1, 0)
        assert green.std() == pytest.approx(other.std(), rel=0.05)
        assert np.corrcoef(green.ravel(), other.ravel())[0, 1] == pytest.approx(0, abs=0.02)
        spreads.append((red.std() / green.std(), blue.std() / green.std()))
        assert green.mean() == pytest.approx(110, abs=4)
    assert np.mean(spreads, axis=0) == pytest.approx([1.5, 1.35], abs=0.2)


def test_odd_photos_lose_a_row_and_a_column(photo):
    task = make_task("jdd", 2, "rgb")
    pair = task.pair(photo[:33, :47])
    assert pair.truth.shape == (32, 46, 3)
    assert pair.inputs["mosaic"].shape == (16, 23, 4)


def test_ten_pixels_are_shaved(photo):
    task = make_task("jdd", 2, "rgb")
    perfect = task.encode_truth(photo)
    framed = perfect.copy()
    framed[:, :10], framed[:, :, -10:] = 0, 0
    assert task.score(framed, photo) == task.score(perfect, photo)
    framed[:, :11] = 0
    assert task.score(framed, photo).psnr_db < 45


def test_every_other_baseline_is_better_than_bilinear(photo):
    task = make_task("jdd", 2, "rgb", {"noise": "none"})
    pair = task.pair(photo)
    trivial = task.score(task.baseline(pair.inputs), pair.truth).psnr_db
    assert set(task.other_baselines) == {"OpenCV VNG", "OpenCV EA", "Malvar 5×5"}
    for method in task.other_baselines.values():
        assert task.score(method(pair.inputs), pair.truth).psnr_db > trivial
