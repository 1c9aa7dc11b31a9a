"""Opening exported models, feeding them any size, and refusing everything that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from pixsearch.card import KEY
from pixsearch.errors import DataError
from pixsearch.infer.ports import pad_to_multiple
from pixsearch.infer.session import OnnxModel


def rewritten(model, path: Path, metadata: dict[str, str]) -> Path:
    proto = onnx.load_model(model.path)
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, metadata)
    onnx.save_model(proto, path)
    return path


def noise(channels: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((channels, height, width), np.float32)


def test_the_card_comes_with_the_file(models):
    model = models("s2d")
    assert (model.card.name, model.card.stage, model.card.precision, model.card.multiple) == ("s2d", "trained", "float", 2)
    assert model.card.genotype["head"] == "s2d"


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 5), (1, 1), (2, 9)])
def test_any_size_is_padded_with_its_edge_and_cropped(models, height, width):
    model = models("s2d", scale=3, color="rgb")
    planes = noise(3, height, width)
    whole = model.session.run(None, {"input": pad_to_multiple(planes, 2)[None]})[0][0]
    output = model.run({"input": planes})
    assert output.shape == (3, 3 * height, 3 * width)
    np.testing.assert_array_equal(output, whole[:, : 3 * height, : 3 * width])


def test_padding_repeats_the_edge():
    padded = pad_to_multiple(np.arange(6, dtype=np.float32).reshape(1, 2, 3), 4)
    assert padded.shape == (1, 4, 4)
    np.testing.assert_array_equal(padded[0, 3], [3, 4, 5, 5])


def test_a_batch_is_run_one_by_one(models):
    model, planes = models("plain"), noise(2, 9, 11)[:, None]
    batch = model.run({"input": planes})
    assert batch.shape == (2, 1, 18, 22)
    np.testing.assert_array_equal(batch[1], model.run({"input": planes[1]}))


def test_views_and_other_floats_are_taken(models):
    model, planes = models("plain"), noise(1, 8, 10)
    turned = model.run({"input": planes.transpose(0, 2, 1).astype(np.float64)})
    np.testing.assert_array_equal(turned, model.run({"input": np.ascontiguousarray(planes.transpose(0, 2, 1))}))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"low": noise(1, 8, 8)}, "takes input and was given low"),
        ({}, "takes input"),
        ({"input": noise(3, 8, 8)}, r"\(3, 8, 8\)"),
        ({"input": noise(1, 8, 8)[0]}, r"\(8, 8\)"),
        ({"input": noise(1, 8, 8)[:, :0]}, r"\(1, 0, 8\)"),
    ],
)
def test_planes_that_do_not_fit_are_named(models, inputs, said):
    with pytest.raises(DataError, match=said):
        models("plain").run(inputs)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        OnnxModel.open(tmp_path / "absent.onnx")


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        OnnxModel.open(tmp_path)


def test_text_is_no_model_and_nothing_else_is_printed(tmp_path, capfd):
    path = tmp_path / "notes.onnx"
    path.write_text("hello\n" * 100)
    with pytest.raises(DataError, match=r"notes\.onnx` is not an ONNX model"):
        OnnxModel.open(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_model(models, tmp_path, share):
    data = models("plain").path.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"cut\.onnx"):
        OnnxModel.open(path)


def test_a_model_without_card(models, tmp_path):
    path = rewritten(models("plain"), tmp_path / "foreign.onnx", {"author": "someone"})
    with pytest.raises(DataError, match="carries no pixsearch card"):
        OnnxModel.open(path)


@pytest.mark.parametrize("card", ["", "{}", '{"name": 3}', "[1]"])
def test_a_damaged_card(models, tmp_path, card):
    path = rewritten(models("plain"), tmp_path / "damaged.onnx", {KEY: card})
    with pytest.raises(DataError, match="readable pixsearch card"):
        OnnxModel.open(path)


def test_the_card_of_another_model(models, tmp_path):
    path = rewritten(models("plain"), tmp_path / "mixed.onnx", {KEY: models("s2d", scale=3, color="rgb").card.dumps()})
    with pytest.raises(DataError, match="its card says"):
        OnnxModel.open(path)


@pytest.mark.parametrize("optimization", ["none", "basic"])
def test_options_do_not_change_the_result(models, optimization):
    model, planes = models("bottleneck"), noise(1, 20, 30)
    other = OnnxModel.open(model.path, threads=2, precise_int8=True, optimization=optimization)
    np.testing.assert_allclose(other.run({"input": planes}), model.run({"input": planes}), atol=1e-5)
