"""Window by window is the same as whole: no seam, no shift, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.errors import Interrupted
from pixsearch.infer import tiles
from pixsearch.infer.tiles import apply_inputs, margin_of, output_planes, run_windows, spans, window_side
from pixsearch.tasks.base import task_for


@st.composite
def cuts(draw):
    multiple = draw(st.sampled_from([1, 2, 4]))
    margin = draw(st.integers(0, 9))
    window = multiple * draw(st.integers(-(-2 * margin // multiple) + 1, 40))
    return draw(st.integers(1, 300)), window, margin, multiple


@given(cuts())
def test_spans_cover_the_axis_once_with_their_margins(cut):
    size, window, margin, multiple = cut
    found = spans(size, window, margin, multiple)
    assert [span.first for span in found] == [0, *(span.last for span in found[:-1])]
    assert found[-1].last == size
    for span in found:
        assert span.start % multiple == 0
        assert 0 <= span.start <= span.first < span.last <= span.stop <= size
        assert span.stop - span.start <= window
        assert span.start == 0 or span.first - span.start >= margin
        assert span.stop == size or span.stop - span.last >= margin


@given(cuts())
def test_spans_are_of_one_length_once_padded(cut):
    size, window, margin, multiple = cut
    found = spans(size, window, margin, multiple)
    if len(found) > 1:
        assert {-(-(span.stop - span.start) // multiple) * multiple for span in found} == {window}


def windowed(model, picture, window):
    task = task_for(model.card.signature)
    scale = task.scale
    result = np.zeros((picture.shape[0] * scale, picture.shape[1] * scale, 3), np.uint8)
    for rows, columns, part in run_windows(model, {"input": picture}, task.encode, task.decode, (window, window)):
        result[rows, columns] = part
    return result


def whole(model, picture):
    task = task_for(model.card.signature)
    return task.decode(model.run({"input": task.encode("input", picture)}), {"input": picture})


def difference(a, b):
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("color", ["y", "rgb"])
@pytest.mark.parametrize("kind", ["plain", "s2d", "s2d4", "bicubic", "bottleneck", "blocks"])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_windows_equal_the_whole(models, photo, kind, color, data):
    model = models(kind, scale=data.draw(st.sampled_from([2, 3])) if kind == "plain" else 2, color=color)
    height, width = data.draw(st.integers(1, 96)), data.draw(st.integers(1, 120))
    multiple = model.card.multiple
    least = 2 * margin_of(model.card) // multiple + 1
    window = multiple * data.draw(st.integers(least, least + 20))
    picture = photo[:height, :width]
    assert difference(windowed(model, picture, window), whole(model, picture)) <= 1


@pytest.mark.parametrize("kind", ["plain", "s2d", "s2d4", "bottleneck", "blocks"])
def test_too_small_a_margin_would_show(models, photo, kind, monkeypatch):
    model = models(kind)
    monkeypatch.setattr(tiles, "margin_of", lambda card: 0)
    assert difference(windowed(model, photo, 32), whole(model, photo)) > 1


@pytest.mark.parametrize("kind", ["plain", "s2d"])
def test_output_planes_equal_the_whole_run(models, photo, kind):
    model, picture = models(kind), photo[:95, :111]
    task = task_for(model.card.signature)
    planes = output_planes(model, task, {"input": picture}, memory_bytes=200_000)
    np.testing.assert_allclose(planes, model.run({"input": task.encode("input", picture)}), atol=1e-6)


def test_inputs_go_through_in_little_memory(models, photo):
    model = models("plain", scale=3)
    task = task_for(model.card.signature)
    assert window_side(model.card, 100_000) < 60
    assert difference(apply_inputs(model, task, {"input": photo}, memory_bytes=100_000), whole(model, photo)) <= 1


def test_the_window_follows_the_memory_and_the_width(models):
    narrow, wide = models("plain").card, models("wide").card
    sides = [window_side(narrow, memory) for memory in (2**20, 2**24, 2**40)]
    assert sides == sorted(set(sides))
    assert window_side(wide, 2**24) < window_side(narrow, 2**24)
    assert window_side(models("s2d").card, 2**24) % 2 == 0


def test_the_least_window_leaves_room_between_its_margins(models):
    card = models("s2d").card
    assert window_side(card, 1) >= 4 * margin_of(card)


def test_asked_to_stop_it_stops(models, photo, monkeypatch):
    from pixsearch import interrupt

    monkeypatch.setattr(interrupt._asked, "is_set", lambda: True)
    model = models("plain")
    with pytest.raises(Interrupted, match="Run the command again"):
        apply_inputs(model, task_for(model.card.signature), {"input": photo})
