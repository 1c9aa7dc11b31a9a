"""Super-resolution against the literature's figures and MATLAB's conventions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixsearch.errors import DataError
from pixsearch.pixels.color import rgb_to_ycbcr
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.resize import rescale
from pixsearch.tasks.base import make_task

SETS = Path(__file__).parents[2].parent / "shared" / "data" / "val"
PUBLISHED_DB = {"Set5": {2: 33.66, 3: 30.39, 4: 28.42}, "B100": {2: 29.56, 3: 27.21, 4: 25.96}}
CASES = [pytest.param(name, scale, marks=pytest.mark.slow if name == "B100" else ()) for name in PUBLISHED_DB for scale in (2, 3, 4)]


@pytest.mark.skipif(not SETS.is_dir(), reason=f"needs the research sets Set5 and B100 in {SETS}")
@pytest.mark.parametrize("color", ["y", "rgb"])
@pytest.mark.parametrize(("name", "scale"), CASES)
def test_baseline_scores_what_is_published(name, scale, color):
    task = make_task("sr", scale, color)
    pairs = [task.degrade(read_picture(path)) for path in sorted((SETS / name).iterdir())]
    mean = np.mean([task.score(task.baseline(pair.inputs), pair.truth).psnr_db for pair in pairs])
    assert mean == pytest.approx(PUBLISHED_DB[name][scale], abs=0.03)


@pytest.fixture
def photo(sample_images):
    return read_picture(sample_images / "coffee.png")[:101, :134]


def test_input_is_matlabs_bicubic_of_rgb_in_8_bits(photo):
    assert np.array_equal(make_task("sr", 3, "y").degrade(photo).inputs["input"], rescale(photo[:99, :132], 1 / 3))


def test_luma_plane_is_studio_range_and_not_rounded(photo):
    planes = make_task("sr", 2, "y").encode("input", photo)
    assert np.allclose(planes[0] * 255, rgb_to_ycbcr(photo)[..., 0], atol=1e-4)
    assert np.abs(planes * 255 - np.round(planes * 255)).max() > 0.3


def test_border_of_scale_pixels_is_not_scored(photo):
    for scale in (2, 3, 4):
        task = make_task("sr", scale, "y")
        truth = task.fit(photo)
        perfect = task.encode_truth(truth)
        framed, deeper = perfect.copy(), perfect.copy()
        framed[:, :scale], framed[:, :, -scale:] = 0, 0
        deeper[:, : scale + 1] = 0
        assert task.score(framed, truth) == task.score(perfect, truth)
        assert task.score(deeper, truth).psnr_db < 45 < task.score(perfect, truth).psnr_db


def test_rgb_output_of_the_truth_is_the_truth(photo):
    task = make_task("sr", 2, "rgb")
    pair = task.degrade(photo)
    assert np.array_equal(task.decode(task.encode_truth(pair.truth), pair.inputs), pair.truth)
    assert task.score(task.encode_truth(pair.truth), pair.truth).psnr_db == np.inf


def test_luma_output_takes_its_chroma_from_the_input_by_bicubic(photo):
    task = make_task("sr", 2, "y")
    pair = task.degrade(photo)
    picture = rgb_to_ycbcr(task.decode(task.baseline(pair.inputs), pair.inputs))
    bicubic = rescale(rgb_to_ycbcr(pair.inputs["input"]), 2.0)
    inside = (bicubic[..., 0] > 40) & (bicubic[..., 0] < 200)
    assert np.abs(picture - bicubic)[inside].mean() < 0.5


def test_output_of_another_size_than_the_truth_is_a_data_error(photo):
    task = make_task("sr", 2, "y")
    with pytest.raises(DataError, match="shape"):
        task.score(task.encode_truth(photo), task.degrade(photo).truth)
