"""Raw frames through a demosaicing model: of their own size, and the same picture whatever pattern they begin with."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.infer.frames import apply_frame
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.tiles import margin_of
from pixsearch.pixels.raw import Frame
from pixsearch.tasks.base import make_task

TASK = make_task("jdd", 2, "rgb")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from pixsearch.export.onnx import export_float
    from pixsearch.nn.build import build, deploy
    from pixsearch.nn.modelfile import make_card
    from pixsearch.space.named import named

    network = deploy(build(named("plain-m1c4", TASK.signature)[1], TASK.signature, seed=3))
    card = make_card(network, name="net", stage="trained")
    return OnnxModel.open(export_float(network, card, tmp_path_factory.mktemp("frames") / "a.onnx"))


@pytest.mark.parametrize(("pattern", "top", "left"), [("rggb", 0, 0), ("grbg", 0, 1), ("gbrg", 1, 0), ("bggr", 1, 1)])
@pytest.mark.parametrize("size", [(60, 72), (59, 71)])
def test_a_frame_that_begins_elsewhere_shows_the_same(model, pattern, top, left, size):
    values = np.random.default_rng(0).integers(0, 1024, (64, 80))
    whole = apply_frame(model, TASK, Frame(values, "rggb", 0, 1023, (1.5, 1, 1.2)))
    cut = values[top : top + size[0], left : left + size[1]]
    found = apply_frame(model, TASK, Frame(cut, pattern, 0, 1023, (1.5, 1, 1.2)), memory_bytes=100_000)
    assert found.shape == (*size, 3)
    rim = 2 * margin_of(model.card) + 2  # beyond the border each frame is continued in its own way
    inner = np.s_[rim:-rim, rim:-rim]
    expected = whole[top : top + size[0], left : left + size[1]]
    assert np.abs(found[inner].astype(int) - expected[inner]).max() <= 1
