from __future__ import annotations

import json

import pytest

from pixsearch.card import ModelCard
from pixsearch.errors import DataError
from pixsearch.signature import Port, Signature

SIGNATURE = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))
CARD = ModelCard("3fa9c2d1", "trained", "float", SIGNATURE, {"space": "mobile"}, 1, 6, 2.29e9, 10_020, {"steps": 5})


def test_a_card_survives_json() -> None:
    assert ModelCard.loads(CARD.dumps(), "x.onnx") == CARD


@pytest.mark.parametrize(
    ("stage", "precision", "label"),
    [
        ("trained", "float", "3fa9c2d1 float"),
        ("trained", "int8", "3fa9c2d1 int8"),
        ("pruned", "float", "3fa9c2d1 pruned"),
        ("pruned", "int8", "3fa9c2d1 pruned int8"),
        ("qat", "float", "3fa9c2d1 qat"),
        ("pruned qat", "int8", "3fa9c2d1 pruned qat int8"),
    ],
)
def test_tables_call_it_by_what_was_done(stage: str, precision: str, label: str) -> None:
    assert CARD.with_(stage=stage, precision=precision).label == label


def test_what_a_file_takes_survives_json_and_stands_in_its_label() -> None:
    card = CARD.with_(precision="int8", io="uint8-nhwc", shape=(360, 640))
    assert ModelCard.loads(card.dumps(), "x.onnx") == card
    assert card.label == "3fa9c2d1 int8 uint8-nhwc 360x640"


def test_a_card_of_before_there_were_ports_takes_floats_of_any_size() -> None:
    data = json.loads(CARD.dumps())
    del data["io"], data["shape"]
    assert ModelCard.loads(json.dumps(data), "x.onnx") == CARD


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("name"),
        lambda d: d["signature"].pop("scale"),
        lambda d: d.update(extra=1),
        lambda d: d.update(multiple=0),
        lambda d: d.update(genotype=None),
        lambda d: d.update(io="uint8"),
        lambda d: d.update(shape=[360]),
        lambda d: d.update(shape=[360, 0]),
        lambda d: d.update(shape=360),
    ],
)
def test_a_damaged_card_names_its_file(damage) -> None:  # type: ignore[no-untyped-def]
    data = json.loads(CARD.dumps())
    damage(data)
    with pytest.raises(DataError, match=r"x\.onnx.*Train or export it again"):
        ModelCard.loads(json.dumps(data), "x.onnx")


def test_channels_add_up_over_inputs() -> None:
    two = Signature("denoise", 1, "rgb", (Port("input", 3), Port("noise", 1)), Port("output", 3))
    assert (two.in_channels, two.out_channels) == (4, 3)
