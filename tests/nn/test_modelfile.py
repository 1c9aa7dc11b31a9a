"""The model file: what is saved is loaded, and anything else is refused with what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from pixsearch.card import KEY
from pixsearch.errors import DataError, MachineError
from pixsearch.nn.build import build
from pixsearch.nn.modelfile import load_deployed, load_model, make_card, save_model
from pixsearch.signature import Port, Signature
from pixsearch.space.named import named

SR = Signature("sr", 2, "rgb", (Port("input", 3),), Port("output", 3))


def saved(folder, name="plain-m1c4", branches="none"):
    network = build(named(name, SR)[1], SR, branches=branches, seed=7)
    path = folder / "model.safetensors"
    save_model(path, network, make_card(network, name=name, stage="trained", training={"steps": 3}))
    return path, network


@pytest.mark.parametrize("name", ["plain-m1c4", "ecbsr-m1c4", "fsrcnn", "espcn"])
@pytest.mark.parametrize("branches", ["none", "linear", "ecb"])
def test_a_model_survives(tmp_path, name, branches):
    path, network = saved(tmp_path, name, branches)
    again, card = load_model(path)
    x = torch.rand(1, 3, 6, 7)
    with torch.no_grad():
        assert torch.equal(again(x), network(x))
        assert torch.allclose(load_deployed(path)[0](x), network(x), atol=1e-5)
    assert (again.genotype, again.signature, again.branches) == (network.genotype, network.signature, branches)
    assert (card.name, card.stage, card.precision, card.training) == (name, "trained", "float", {"steps": 3})
    assert not again.training


def test_the_card_holds_the_costs(tmp_path):
    path, network = saved(tmp_path)
    space, genotype = named("plain-m1c4", SR)
    _, card = load_model(path)
    assert card.genotype == genotype.to_json()
    assert card.macs_720p == space.macs_720p(genotype)
    assert card.params == sum(value.numel() for value in network.parameters())
    assert (card.multiple, card.receptive_radius) == (1, 3)


def test_channels_last_weights_are_saved_as_they_are(tmp_path):
    _, network = saved(tmp_path)
    network = network.to(memory_format=torch.channels_last)
    path = tmp_path / "last.safetensors"
    save_model(path, network, make_card(network, name="x", stage="trained"))
    again, _ = load_model(path)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), network.parameters(), strict=True))


def rewrite(path, *, tensors=None, metadata=None, card=None):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    said = json.loads(data[8 : 8 + length])["__metadata__"]
    if card is not None:
        said[KEY] = json.dumps({**json.loads(said[KEY]), **card})
    said = said if metadata is None else metadata
    path.write_bytes(safetensors.torch.save(tensors if tensors is not None else safetensors.torch.load(data), said))


def tensors_of(path):
    return safetensors.torch.load(path.read_bytes())


class TestDamage:
    @pytest.mark.parametrize("part", [0, 4, 100, 0.5, -1])
    def test_cut_off(self, tmp_path, part):
        path, _ = saved(tmp_path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)] if isinstance(part, float) else data[:part])
        with pytest.raises(DataError, match=r"model\.safetensors` is no whole safetensors file"):
            load_model(path)

    @pytest.mark.parametrize("data", [b"not a model at all", b"\x89PNG\r\n\x1a\n" + bytes(200), b"\x80\x02}q\x00." * 50])
    def test_not_safetensors(self, tmp_path, data):
        path = tmp_path / "model.safetensors"
        path.write_bytes(data)
        with pytest.raises(DataError, match="no whole safetensors file"):
            load_model(path)

    def test_absent(self, tmp_path):
        with pytest.raises(DataError, match="There is no model"):
            load_model(tmp_path / "model.safetensors")

    def test_a_folder(self, tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            load_model(tmp_path)

    def test_no_card(self, tmp_path):
        path, _ = saved(tmp_path)
        for metadata in ({}, {"format": "pt"}):
            rewrite(path, metadata=metadata)
            with pytest.raises(DataError, match="carries no pixsearch card"):
                load_model(path)

    def test_a_card_that_is_none(self, tmp_path):
        path, _ = saved(tmp_path)
        rewrite(path, metadata={KEY: "{"})
        with pytest.raises(DataError, match="no readable pixsearch card"):
            load_model(path)

    @pytest.mark.parametrize(
        ("genotype", "message"),
        [
            ({"space": "cells"}, "Did you mean `cell`"),
            ({"layers": []}, "key `space`"),
            ({"space": "mobile", "layers": []}, "0 layers"),
        ],
    )
    def test_an_architecture_that_cannot_be_built(self, tmp_path, genotype, message):
        path, _ = saved(tmp_path)
        rewrite(path, card={"genotype": genotype})
        with pytest.raises(DataError, match=f"cannot be built.*{message}"):
            load_model(path)

    def test_a_missing_tensor(self, tmp_path):
        path, _ = saved(tmp_path)
        tensors = tensors_of(path)
        del tensors["body.tail.bias"]
        rewrite(path, tensors=tensors)
        with pytest.raises(DataError, match=r"lacks tensor `body\.tail\.bias`"):
            load_model(path)

    def test_a_tensor_too_many(self, tmp_path):
        path, _ = saved(tmp_path)
        rewrite(path, tensors={**tensors_of(path), "extra": torch.zeros(1)})
        with pytest.raises(DataError, match="unknown tensor `extra`"):
            load_model(path)

    @pytest.mark.parametrize("wrong", [torch.zeros(5), torch.zeros(12, dtype=torch.float64)])
    def test_a_tensor_of_another_kind(self, tmp_path, wrong):
        path, _ = saved(tmp_path)
        rewrite(path, tensors={**tensors_of(path), "body.tail.bias": wrong})
        with pytest.raises(DataError, match=r"holds `body\.tail\.bias` as"):
            load_model(path)

    def test_an_unknown_form(self, tmp_path):
        path, network = saved(tmp_path)
        card = make_card(network, name="x", stage="trained").dumps()
        rewrite(path, metadata={KEY: card, "branches": "many"})
        with pytest.raises(DataError, match="the form `many`"):
            load_model(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path, network = saved(tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(MachineError, match="No space left"):
        save_model(path, network, replace(make_card(network, name="other", stage="trained")))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
