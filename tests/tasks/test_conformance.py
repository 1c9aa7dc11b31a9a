"""What every task must keep, run by every registered task at every scale and colour it knows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.errors import UsageError
from pixsearch.pixels.color import rgb_to_y
from pixsearch.pixels.files import read_picture
from pixsearch.registry import TASKS
from pixsearch.signature import Signature
from pixsearch.tasks.base import make_task, task_for

SETTINGS = {"denoise": [{}, {"noise": "camera"}, {"sigma": "5-50", "level": True}]}


def all_tasks():
    kinds = [(name, TASKS.load(name)) for name in TASKS.names()]
    cases = [(name, scale, color) for name, kind in kinds for scale in kind.scales for color in kind.colors]
    return [make_task(*case, settings) for case in cases for settings in SETTINGS.get(case[0], [{}])]


def name_of(task):
    settings = task.settings.model_dump(exclude_defaults=True)
    return "-".join([task.name, f"x{task.scale}", task.color, *settings])


SYMMETRIES = {
    "mirror": lambda picture: picture[..., ::-1, :],
    "flip": lambda picture: picture[..., ::-1, :, :],
    "transpose": lambda picture: np.swapaxes(picture, -3, -2),
}


@pytest.fixture(scope="module")
def photo(sample_images):
    return read_picture(sample_images / "chelsea.png")[40:173, 60:211]


def channels_of(task, name):
    return {port.name: port for port in task.signature.inputs}[name].channels


@pytest.mark.parametrize("task", all_tasks(), ids=name_of)
class TestTask:
    def test_signature_says_what_the_task_is(self, task):
        signature = task.signature
        assert (signature.task, signature.scale, signature.color) == (task.name, task.scale, task.color)
        assert Signature.from_json(signature.to_json()) == signature

    def test_task_is_found_again_by_its_signature(self, task):
        again = task_for(task.signature)
        assert type(again) is type(task)
        assert again.signature == task.signature

    def test_words_for_tables(self, task):
        assert task.metric
        assert task.convention
        assert task.baseline_name
        assert all(task.meaning(port.name) for port in (*task.signature.inputs, task.signature.output))

    def test_pair_is_of_the_fitted_picture(self, task, photo):
        before = photo.copy()
        pair = task.pair(photo)
        assert np.array_equal(photo, before)
        assert np.array_equal(pair.truth, task.fit(photo))
        assert set(pair.inputs) == {port.name for port in task.signature.inputs}
        assert pair.truth.dtype == np.uint8
        assert pair.truth.shape[2] == 3
        assert all(samples.dtype in (np.uint8, np.float32) for samples in pair.inputs.values())

    def test_what_is_cached_lacks_only_what_is_drawn(self, task, photo):
        cached = task.degrade(photo)
        assert np.array_equal(cached.truth, task.fit(photo))
        assert bool(cached.inputs) != task.draws

    @settings(max_examples=15, deadline=None)
    @given(height=st.integers(32, 75), width=st.integers(32, 75))
    def test_truth_is_scale_times_the_input(self, task, height, width):
        pair = task.pair(np.full((height, width, 3), 90, np.uint8))
        for picture in pair.inputs.values():
            assert pair.truth.shape == (picture.shape[0] * task.scale, picture.shape[1] * task.scale, 3)
        assert height - pair.truth.shape[0] < task.scale

    def test_inputs_can_be_looked_at(self, task, photo):
        pair = task.pair(photo)
        seen = task.view(pair.inputs)
        assert seen.dtype == np.uint8
        assert seen.shape == (pair.truth.shape[0] // task.scale, pair.truth.shape[1] // task.scale, 3)

    def test_degrading_is_deterministic(self, task, photo):
        one, two = task.pair(photo), task.pair(photo.copy())
        assert all(np.array_equal(one.inputs[name], two.inputs[name]) for name in one.inputs)

    def test_planes_have_the_ports_shape_and_range(self, task, photo):
        pair = task.pair(photo)
        for port in task.signature.inputs:
            samples = np.clip(pair.inputs[port.name], 0, 255)
            planes = task.encode(port.name, np.stack([samples, np.zeros_like(samples), np.full_like(samples, 255)]))
            assert planes.shape == (3, port.channels, *samples.shape[:2])
            assert planes.dtype == np.float32
            assert planes.flags.c_contiguous
            assert port.low <= planes.min() < planes.max() <= port.high

    def test_truth_planes_have_the_output_ports_shape(self, task, photo):
        truth = task.pair(photo).truth
        planes = task.encode_truth(truth)
        assert planes.shape == (task.signature.out_channels, *truth.shape[:2])
        assert planes.dtype == np.float32
        assert task.signature.output.low <= planes.min() < planes.max() <= task.signature.output.high

    def test_a_batch_is_encoded_as_its_pictures(self, task, photo):
        def together(picture):
            return np.stack([picture, picture[::-1], picture[:, ::-1]])

        for name, samples in task.pair(photo).inputs.items():
            assert np.array_equal(task.encode(name, together(samples)), np.stack([task.encode(name, one) for one in together(samples)]))
        stack = together(photo)
        assert np.array_equal(task.encode_truth(stack), np.stack([task.encode_truth(one) for one in stack]))

    def test_patches_of_a_view_are_encoded_as_copies(self, task, photo):
        view = photo[::-1, 7:90]
        assert np.array_equal(task.encode_truth(view), task.encode_truth(view.copy()))

    @pytest.mark.parametrize("turn", SYMMETRIES.values(), ids=SYMMETRIES)
    def test_encoding_turns_with_the_picture(self, task, photo, turn):
        """Patches are encoded and then turned; input and truth then still belong together."""

        def encoded_then_turned(planes):
            return np.moveaxis(turn(np.moveaxis(planes, 0, -1)), -1, 0)

        assert np.array_equal(task.encode_truth(turn(photo)), encoded_then_turned(task.encode_truth(photo)))
        for name, picture in task.pair(photo).inputs.items():
            assert np.array_equal(task.encode(name, turn(picture)), encoded_then_turned(task.encode(name, picture)))

    def test_baseline_is_a_sensible_output(self, task, photo):
        pair = task.pair(photo)
        output = task.baseline(pair.inputs)
        assert output.shape == task.encode_truth(pair.truth).shape
        assert output.dtype == np.float32
        assert 20 < task.score(output, pair.truth).psnr_db < 50

    def test_truth_scores_best_and_damage_costs(self, task, photo):
        truth = task.pair(photo).truth
        perfect = task.encode_truth(truth)
        damaged = perfect + np.random.default_rng(0).normal(0, 0.05, perfect.shape).astype(np.float32)
        best, worse = task.score(perfect, truth), task.score(damaged, truth)
        assert best.psnr_db > 55
        assert best.ssim > 0.999
        assert worse.psnr_db < 33
        assert worse.ssim < best.ssim

    def test_output_is_rounded_to_8_bits_before_it_is_scored(self, task, photo):
        truth = task.pair(photo).truth
        levels = np.round(task.encode_truth(truth) * 255)
        assert task.score((levels + np.float32(0.3)) / 255, truth) == task.score(levels / 255, truth)

    def test_output_is_clipped_before_it_is_scored(self, task, photo):
        truth = np.where(photo > 110, np.uint8(255), np.uint8(0))
        truth = task.pair(truth).truth
        planes = task.encode_truth(truth)
        beyond = np.where(planes == planes.max(), 7, planes).astype(np.float32)
        at_most = np.where(planes == planes.max(), 1, planes).astype(np.float32)
        assert task.score(beyond, truth) == task.score(at_most, truth)

    def test_decoded_output_is_a_picture_like_the_truth(self, task, photo):
        pair = task.pair(photo)
        picture = task.decode(task.encode_truth(pair.truth), pair.inputs)
        assert picture.shape == pair.truth.shape
        assert picture.dtype == np.uint8
        assert np.abs(rgb_to_y(picture) - rgb_to_y(pair.truth)).mean() < 0.6

    def test_decoding_clips(self, task, photo):
        pair = task.pair(photo)
        white = task.decode(np.full_like(task.encode_truth(pair.truth), 9), pair.inputs)
        assert white.min() > 150

    def test_other_baselines_are_outputs_too(self, task, photo):
        pair = task.pair(photo)
        for method in task.other_baselines.values():
            output = method(pair.inputs)
            assert output.shape == task.encode_truth(pair.truth).shape
            assert output.dtype == np.float32
            assert 20 < task.score(output, pair.truth).psnr_db < 50

    def test_pair_key_tells_scales_apart(self, task):
        keys = {make_task(task.name, scale, task.color).pair_key for scale in type(task).scales}
        assert len(keys) == len(type(task).scales)


@pytest.mark.parametrize("task", [task for task in all_tasks() if task.draws], ids=name_of)
class TestTaskThatDraws:
    def test_a_draw_depends_on_its_generator_alone(self, task, photo):
        truth = task.encode_truth(np.stack([task.fit(photo)] * 2))
        one, two, other = (task.draw(truth, np.random.default_rng(seed)) for seed in (3, 3, 4))
        assert set(one) == {port.name for port in task.signature.inputs}
        for port in task.signature.inputs:
            planes = one[port.name]
            assert planes.shape == (2, port.channels, truth.shape[2] // task.scale, truth.shape[3] // task.scale)
            assert planes.dtype == np.float32
            assert np.array_equal(planes, two[port.name])
            assert not np.array_equal(planes, other[port.name])
            assert not np.array_equal(planes[0], planes[1])

    def test_a_draw_leaves_the_truth_alone(self, task, photo):
        truth = task.encode_truth(task.fit(photo)[np.newaxis])
        before = truth.copy()
        task.draw(truth, np.random.default_rng(0))
        assert np.array_equal(truth, before)

    def test_what_is_scored_follows_from_the_seed(self, task, photo):
        one, two, other = (task.pair(photo, seed) for seed in (5, 5, 6))
        for name, samples in one.inputs.items():
            assert np.array_equal(samples, two.inputs[name])
            assert not np.array_equal(samples, other.inputs[name])

    def test_what_is_scored_is_what_is_trained_on(self, task, photo):
        """Levels that `encode` gives back as they were drawn, and damage of the same size."""
        pair = task.pair(photo)
        truth = task.encode_truth(pair.truth)
        for port in task.signature.inputs:
            planes = task.encode(port.name, pair.inputs[port.name])
            trained = task.draw(np.stack([truth] * 32), np.random.default_rng(1))[port.name]
            assert planes.mean() == pytest.approx(trained.mean(), abs=0.02)
            assert np.diff(planes, axis=-1).std() == pytest.approx(np.diff(trained, axis=-1).std(), rel=0.5)


@pytest.mark.parametrize("name", TASKS.names())
def test_unknown_scale_is_a_usage_error_that_names_the_known(name):
    with pytest.raises(UsageError, match=r"knows no scale `7`\. Choose one of "):
        make_task(name, 7, TASKS.load(name).colors[0])


@pytest.mark.parametrize("name", TASKS.names())
def test_unknown_colour_is_a_usage_error(name):
    with pytest.raises(UsageError, match="`cmyk` is no colour"):
        make_task(name, TASKS.load(name).scales[0], "cmyk")


def test_unknown_task_is_a_usage_error_with_the_closest():
    with pytest.raises(UsageError, match="There is no task `srr`. Did you mean `sr`?"):
        make_task("srr", 2, "y")
