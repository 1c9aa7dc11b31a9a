from __future__ import annotations

import numpy as np
import pytest

from pixsearch.bench.crops import Box, CropBook, choose, cut, cut_input, worst_boxes
from pixsearch.pixels.files import read_picture
from pixsearch.tasks.base import make_task


def planes(height=300, width=400):
    return np.full((1, height, width), 0.5, np.float32)


def test_boxes_lie_where_the_error_is_and_apart():
    truth, output = planes(), planes()
    output[0, 40:60, 300:330] += 0.4
    output[0, 200:220, 50:70] += 0.2
    first, second = worst_boxes("p", output, truth, 80, 2)
    assert contains(first, 40, 300)
    assert contains(first, 59, 329)
    assert contains(second, 200, 50)
    assert contains(second, 219, 69)
    assert first.error > second.error


def contains(box, row, column):
    return box.top <= row < box.top + box.side and box.left <= column < box.left + box.side


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_boxes_are_on_the_input_s_grid_and_inside(scale):
    rng = np.random.default_rng(scale)
    height, width = 60 * scale, 77 * scale
    for box in worst_boxes("p", rng.random((3, height, width), np.float32), planes(height, width), 50, scale, count=5):
        assert box.top % scale == box.left % scale == box.side % scale == 0
        assert 50 - scale < box.side <= 50
        assert box.top + box.side <= height
        assert box.left + box.side <= width


def test_a_picture_smaller_than_the_crop_gives_one_box():
    (box,) = worst_boxes("p", planes(40, 60), planes(40, 60) + 0.1, 160, 2, count=1)
    assert box.side == 40


def test_boxes_do_not_overlap():
    rng = np.random.default_rng(0)
    boxes = worst_boxes("p", rng.random((1, 200, 200), np.float32), planes(200, 200), 64, 2, count=4)
    for n, one in enumerate(boxes):
        for other in boxes[:n]:
            assert abs(one.top - other.top) >= 64 or abs(one.left - other.left) >= 64


def test_no_second_box_where_there_is_no_error():
    truth, output = planes(), planes()
    output[0, 40:60, 300:330] += 0.4
    assert len(worst_boxes("p", output, truth, 80, 2, count=5)) == 1


def test_values_out_of_range_count_as_they_are_shown():
    truth, output = np.ones((1, 300, 400), np.float32), np.ones((1, 300, 400), np.float32)
    output[0, 10:20, 10:20] = 50.0
    output[0, 200:210, 300:310] = 0.9
    assert contains(worst_boxes("p", output, truth, 80, 2)[0], 200, 300)


def box(picture, error):
    return Box(picture, 0, 0, 10, error)


def test_each_picture_comes_before_any_second_crop():
    boxes = [box("a", 9), box("a", 8), box("b", 2), box("b", 1), box("c", 5), box("c", 4)]
    assert [(b.picture, b.error) for b in choose(boxes, 4)] == [("a", 9), ("a", 8), ("b", 2), ("c", 5)]
    assert [(b.picture, b.error) for b in choose(boxes, 2)] == [("a", 9), ("c", 5)]
    assert choose(boxes, 0) == []


@pytest.mark.parametrize("scale", [2, 3])
def test_crops_of_a_real_pair_show_the_same_place(sample_images, tmp_path, scale):
    task = make_task("sr", scale, "y")
    pair = task.degrade(read_picture(sample_images / "chelsea.png")[40:160, 120:270])
    output = task.baseline(pair.inputs)
    boxes = worst_boxes("chelsea", output, task.encode_truth(pair.truth), 60, scale)
    book = CropBook(tmp_path / "crops", boxes)
    method = book.add("bicubic", task, "chelsea", pair, output)
    sides = book.add_sides("chelsea", pair, task)
    assert book.add("bicubic", task, "another picture", pair, output) == {}
    for number, place in enumerate(boxes):
        shown, truth, guess = (read_picture(tmp_path / file) for file in (*sides[number], method[number]))
        assert shown.shape == truth.shape == guess.shape == (60, 60, 3)
        np.testing.assert_array_equal(truth, cut(pair.truth, place))
        np.testing.assert_array_equal(guess, cut(task.decode(output, pair.inputs), place))
        np.testing.assert_array_equal(shown[::scale, ::scale].repeat(scale, 0).repeat(scale, 1), shown)
        assert np.abs(shown.astype(int) - truth).mean() < 40


def test_the_enlarged_input_is_the_input():
    small = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    shown = cut_input(small, Box("p", 2, 4, 6), 2)
    np.testing.assert_array_equal(shown[::2, ::2], small[1:4, 2:5])


def test_corners_name_the_left_side_first():
    assert Box("p", 10, 20, 30).corners == [20, 10, 50, 40]
