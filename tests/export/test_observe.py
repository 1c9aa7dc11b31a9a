"""What is seen of a network on real photos: every activation, in bounded crops, the same ones every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixsearch.export import observe as observing
from pixsearch.export.observe import choose_crops, histograms, observe
from pixsearch.export.onnx import export_float, read_model


@pytest.fixture
def graph(make, tmp_path):
    network, card = make("plain-m1c4")
    return network, card, read_model(export_float(network, card, tmp_path / "a.onnx"))


def test_activations_are_those_of_the_network(graph):
    network, _, model = graph
    crop = np.random.default_rng(0).random((1, 1, 9, 12), np.float32)
    tensors = next(observe(model, [{"input": crop}]))
    first = model.graph.node[0].output[0]
    with torch.no_grad():
        np.testing.assert_allclose(tensors[first], network.body.layers[0][0](torch.from_numpy(crop)).numpy(), atol=1e-6)
        np.testing.assert_allclose(tensors["output"], network(torch.from_numpy(crop)).numpy(), atol=1e-6)
    np.testing.assert_array_equal(tensors["input"], crop)


def test_histograms_are_numpys(graph):
    _, _, model = graph
    rng = np.random.default_rng(0)
    crops = [{"input": rng.normal(size=(1, 1, side, 12)).astype(np.float32)} for side in (5, 20)]
    seen = histograms(model, crops)["input"]
    together = np.concatenate([crop["input"].ravel() for crop in crops])
    assert (seen.low, seen.high) == (together.min(), together.max())
    assert seen.counts.sum() == together.size
    expected = np.histogram(together, len(seen.counts))[0]
    assert np.abs(np.cumsum(seen.counts) - np.cumsum(expected)).max() <= 2


def test_a_constant_activation(graph):
    _, _, model = graph
    seen = histograms(model, [{"input": np.full((1, 1, 8, 8), 0.5, np.float32)}])["input"]
    assert (seen.low, seen.high, seen.counts.sum()) == (0.5, 0.5, 64)


def test_crops_are_seeded_and_bounded(graph, pictures, task, monkeypatch):
    _, card, model = graph
    monkeypatch.setattr(observing, "INPUT_PIXELS", 20_000)
    monkeypatch.setattr(observing, "_LONGEST", 64)
    first, second, other = (choose_crops(model, card, task, pictures, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a["input"], b["input"]) for a, b in zip(first, second, strict=True))
    assert not all(np.array_equal(a["input"], b["input"]) for a, b in zip(first, other, strict=True))
    assert {crop["input"].shape for crop in first} == {(1, 1, 64, 64)}
    assert 20_000 <= 64 * 64 * len(first) <= 40_000


def test_wide_networks_get_smaller_crops(make, tmp_path, pictures, task):
    network, card = make({"layers": [{"op": "conv1", "act": "relu", "width": 64}] * 12})
    model = read_model(export_float(network, card, tmp_path / "a.onnx"))
    crop = choose_crops(model, card, task, pictures, 0)[0]
    assert sum(values.nbytes for values in next(observe(model, [crop])).values()) <= observing._MEMORY_BYTES


def test_folding_networks_get_crops_that_fold(make, tmp_path, pictures, task, monkeypatch):
    monkeypatch.setattr(observing, "_LONGEST", 51)
    network, card = make({"layers": [{"op": "conv1", "act": "relu", "width": 4}], "head": "s2d"})
    model = read_model(export_float(network, card, tmp_path / "a.onnx"))
    assert choose_crops(model, card, task, pictures, 0)[0]["input"].shape == (1, 1, 50, 50)
