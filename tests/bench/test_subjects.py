from __future__ import annotations

import shutil

import pytest

from pixsearch.bench.subjects import open_subjects
from pixsearch.errors import DataError, UsageError


@pytest.fixture
def notes():
    return []


@pytest.fixture
def note(notes):
    return lambda kind, **fields: notes.append((kind, fields))


def test_models_keep_their_order_and_their_labels(export, note):
    found = open_subjects([export(name="b", seed=1), export(name="a", seed=2)], note)
    assert [s.label for s in found] == ["b float", "a float"]
    assert [s.file_bytes for s in found] == [s.path.stat().st_size for s in found]
    assert len({s.digest for s in found}) == 2


def test_labels_that_clash_are_told_apart(export, note, tmp_path):
    for run, seed in (("one", 1), ("two", 2)):
        (tmp_path / run / "export").mkdir(parents=True)
        shutil.copy(export(seed=seed), tmp_path / run / "export" / "small.onnx")
    other = export(seed=3)
    labels = [s.label for s in open_subjects([tmp_path / "one/export/small.onnx", tmp_path / "two/export/small.onnx", other], note)]
    assert labels[:2] == ["small float (one/export/small)", "small float (two/export/small)"]
    assert len(set(labels)) == 3


def test_the_same_file_twice_is_measured_once_and_said(model, note, notes, tmp_path):
    shutil.copy(model, tmp_path / "copy.onnx")
    assert [s.path for s in open_subjects([model, tmp_path / "copy.onnx"], note)] == [model]
    assert notes[0][0] == "warning"
    assert "copy.onnx" in notes[0][1]["text"]


def test_models_of_different_scales_are_named(export, note):
    with pytest.raises(UsageError) as caught:
        open_subjects([export(), export(scale=3)], note)
    assert "sr ×2" in str(caught.value)
    assert "sr ×3" in str(caught.value)
    assert str(export(scale=3)) in str(caught.value)


def test_luma_and_rgb_share_a_table_because_their_metric_is_one(export, note):
    assert len(open_subjects([export(), export(color="rgb")], note)) == 2


def test_every_file_that_is_no_model_is_named(model, note, tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(DataError) as caught:
        open_subjects([tmp_path / "text.onnx", model, tmp_path / "absent.onnx"], note)
    assert "text.onnx" in str(caught.value)
    assert "absent.onnx" in str(caught.value)


def test_a_task_that_is_not_known_is_named(model, recarded, note):
    from dataclasses import replace

    from pixsearch.infer.session import OnnxModel

    signature = replace(OnnxModel.open(model).card.signature, task="dehaze")
    with pytest.raises(DataError, match="dehaze"):
        open_subjects([recarded(model, "dehaze.onnx", signature=signature)], note)


def test_no_models(note):
    with pytest.raises(UsageError, match="No model was named"):
        open_subjects([], note)
