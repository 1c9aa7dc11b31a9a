"""Files that take one shape, or 8-bit samples, do to a picture what the plain file does."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.errors import DataError
from pixsearch.export.onnx import read_model, write_model
from pixsearch.export.ports import with_shape, with_uint8_ports
from pixsearch.infer.apply import apply_path
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import apply_inputs, margin_of, output_planes
from pixsearch.pixels.files import read_picture, write_picture
from pixsearch.tasks.base import task_for


@pytest.fixture
def ported(models, tmp_path):
    """`ported("s2d", shape=(32, 40))`: the model of this kind behind other ports."""

    def made(kind="plain", *, color="y", shape=None, uint8=False):
        plain = models(kind, color=color)
        model, card = read_model(plain.path), plain.card
        if uint8:
            model, card = with_uint8_ports(model, card)
        if shape is not None:
            model, card = with_shape(model, card, shape)
        write_model(model, card, tmp_path / "ported.onnx")
        return OnnxModel.open(tmp_path / "ported.onnx")

    return made


def difference(a, b):
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("color", ["y", "rgb"])
@pytest.mark.parametrize("kind", ["plain", "s2d", "bicubic"])
def test_a_picture_larger_than_the_shape_goes_through_in_windows(models, ported, photo, kind, color):
    model = ported(kind, color=color, shape=(48, 36))
    task = task_for(model.card.signature)
    picture = photo[:95, :111]
    assert difference(apply_inputs(model, task, {"input": picture}), apply_inputs(models(kind, color=color), task, {"input": picture})) <= 1


def test_a_picture_smaller_than_the_shape_is_padded(models, ported, photo):
    model = ported("plain", shape=(64, 80))
    task, picture = task_for(model.card.signature), photo[:31, :45]
    planes = output_planes(model, task, {"input": picture})
    assert planes.shape == (1, 62, 90)
    inner = (slice(None), slice(0, 2 * (31 - margin_of(model.card))), slice(0, 2 * (45 - margin_of(model.card))))
    np.testing.assert_allclose(planes[inner], models("plain").run({"input": task.encode("input", picture)})[inner], atol=1e-5)


def test_planes_larger_than_the_shape_are_refused(ported):
    with pytest.raises(DataError, match="takes 40×32 pixels and was given 41×32"):
        ported("plain", shape=(32, 40)).run({"input": np.zeros((1, 32, 41), np.float32)})


def test_a_shape_that_its_margins_fill_is_refused_for_larger_pictures(ported, photo):
    model = ported("plain", shape=(8, 40))
    task = task_for(model.card.signature)
    assert apply_inputs(model, task, {"input": photo[:8, :100]}).shape == (16, 200, 3)
    with pytest.raises(DataError, match="`--shape` of at least"):
        apply_inputs(model, task, {"input": photo[:9, :100]})


@pytest.mark.parametrize("color", ["y", "rgb"])
@pytest.mark.parametrize("shape", [None, (48, 60)])
def test_8_bit_ports_round_and_nothing_more(models, ported, photo, color, shape):
    model, plain = ported("plain", color=color, shape=shape, uint8=True), models("plain", color=color)
    task = task_for(model.card.signature)
    planes = task.encode("input", photo)
    levels = np.floor(planes * 255 + np.float32(0.5)) / np.float32(255)
    found, expected = output_planes(model, task, {"input": photo}), plain.run({"input": levels.astype(np.float32)})
    assert np.abs(found - np.clip(expected, 0, 1)).max() <= 0.501 / 255
    assert np.abs(found * 255 - np.round(found * 255)).max() < 1e-3


def test_a_photo_through_a_file_of_both(ported, models, photo, tmp_path):
    model = ported("plain", color="rgb", shape=(48, 60), uint8=True)
    write_picture(tmp_path / "a.png", photo)
    for path, name in ((model.path, "b.png"), (models("plain", color="rgb").path, "c.png")):
        apply_path(path, tmp_path / "a.png", tmp_path / name)
    assert difference(read_picture(tmp_path / "b.png"), read_picture(tmp_path / "c.png")) <= 1


def test_a_card_that_says_another_shape(ported, tmp_path):
    model = ported("plain", shape=(32, 40))
    write_model(read_model(model.path), model.card.with_(shape=(40, 32)), tmp_path / "mixed.onnx")
    with pytest.raises(DataError, match=r"\[1, 1, 32, 40\].* its card says .*\[1, 1, 40, 32\]"):
        OnnxModel.open(tmp_path / "mixed.onnx")
