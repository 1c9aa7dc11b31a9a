"""A network prepared for int8: export's own preparation, every weight at hand, and clear refusals."""

from __future__ import annotations

import pytest
import torch

from pixsearch.errors import DataError, UsageError
from pixsearch.export.graph import Graph, lasting_names
from pixsearch.export.onnx import export_float, read_model
from pixsearch.export.scheme import ARM, PORTABLE
from pixsearch.nn.build import build, deploy
from pixsearch.qat.operators import OPERATORS
from pixsearch.qat.prepare import ends, prepare, without_rounding
from pixsearch.space.named import named


def prepared_by(network, card, pictures, task, scheme=ARM, **more):
    return prepare(network, card, pictures, task, scheme, seed=0, **{"learned": True, **more})


def one_input(pictures, task):
    return torch.from_numpy(task.encode("input", pictures.pair(0).inputs["input"]))[None]


def test_rounding_changes_little_and_so_does_what_prepares_for_it(trained, pictures, task):
    prepared, x = prepared_by(*trained, pictures, task), one_input(pictures, task)
    with torch.no_grad():
        expected, rounded, plain = trained[0](x), prepared.network.eval()(x), without_rounding(prepared.network)(x)
    assert 0 < (plain - expected).abs().mean() < 0.5 / 255
    assert 1e-4 < (rounded - expected).abs().mean() < 1 / 255
    assert prepared.equalized == 3


def test_the_network_given_is_left_as_it_was(trained, pictures, task):
    before = {name: value.clone() for name, value in trained[0].state_dict().items()}
    prepared_by(*trained, pictures, task)
    assert all(torch.equal(value, before[name]) for name, value in trained[0].state_dict().items())


def test_the_same_photos_and_seed_prepare_the_same(trained, pictures, task):
    first, second = (prepared_by(*trained, pictures, task) for _ in range(2))
    assert ends(first.network) == ends(second.network)
    assert all(torch.equal(one, other) for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True))


@pytest.mark.parametrize(
    "what", ["fsrcnn", "ecbsr-m1c4", {"layers": [{"op": "ib3", "act": "prelu", "width": 4, "hidden": 6, "residual": True}]}]
)
def test_every_weight_takes_part(make, pictures, task, what):
    network, card = make(what)
    prepared = prepared_by(network, card, pictures, task)
    prepared.network(one_input(pictures, task)).square().sum().backward()
    assert {name for name, value in prepared.network.named_parameters() if value.grad is None} == set()
    own = {name.removeprefix("body.plain.") for name, _ in prepared.network.named_parameters() if "wider" not in name}
    assert own == {name.removeprefix("body.") for name, _ in deploy(network).named_parameters()}


def test_biases_that_the_exporter_leaves_out_can_be_trained(task, make, pictures):
    genotype = named("plain-m1c4", task.signature)[1]
    fresh = build(genotype, task.signature, seed=1)  # all biases are zero
    prepared = prepared_by(fresh, make("plain-m1c4")[1], pictures, task)
    prepared.network(one_input(pictures, task)).sum().backward()
    biases = [value for name, value in prepared.network.named_parameters() if name.endswith("bias")]
    assert len(biases) == 3
    assert all(bias.grad is not None for bias in biases)


def test_a_model_trained_for_int8_before_keeps_its_ranges(trained, pictures, task):
    network, card = trained
    first = prepared_by(network, card, pictures, task)
    ranges = {first.names[name]: [low - 0.1, high + 0.1] for name, (low, high) in ends(first.network).items()}
    own = card.with_(calibration={"scheme": "arm", "ranges": ranges, "equalized_layers": 2})
    again = prepared_by(without_rounding(first.network), own, pictures, task)
    kept = {again.names[name]: list(span) for name, span in ends(again.network).items()}
    assert kept.keys() == ranges.keys()
    assert all(kept[name] == pytest.approx(span) for name, span in ranges.items())
    strange = own.with_(calibration={**own.calibration, "ranges": {**ranges, "body.other": [0, 1]}})
    with pytest.raises(DataError, match="not those of its network"):
        prepared_by(network, strange, pictures, task)
    lacking = own.with_(calibration={**own.calibration, "ranges": {"input": [0, 1]}})
    with pytest.raises(DataError, match="no range for the tensor"):
        prepared_by(network, lacking, pictures, task)


def test_fixed_ranges_are_no_weights(trained, pictures, task):
    learned, fixed = (prepared_by(*trained, pictures, task, learned=learned).network for learned in (True, False))
    assert len(list(learned.parameters())) - len(list(fixed.parameters())) == len(learned.body.ranges)
    assert ends(learned) == ends(fixed)


def test_low_precision_around_it_changes_nothing(trained, pictures, task):
    network, x = prepared_by(*trained, pictures, task, PORTABLE).network.eval(), one_input(pictures, task)
    with torch.no_grad():
        expected = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(network(x), expected)


def test_weights_that_are_no_numbers(make, pictures, task):
    network, card = make("plain-m1c4")
    with torch.no_grad():
        network.body.tail.bias[1] = torch.nan
    with pytest.raises(DataError, match=r"`body\.tail\.bias` holds values that are no numbers"):
        prepared_by(network, card, pictures, task)


def test_an_operator_that_is_not_known(make, pictures, task, monkeypatch):
    network, card = make("espcn")
    monkeypatch.delitem(OPERATORS, "Tanh")
    with pytest.raises(UsageError, match="`Tanh`, which cannot be trained for int8"):
        prepared_by(network, card, pictures, task)


def test_names_of_tensors_are_the_network_s_own(make, tmp_path):
    network, card = make({"layers": [{"op": "ib3", "act": "relu", "width": 4, "hidden": 6}], "head": "s2d"})
    graph = Graph(read_model(export_float(deploy(network), card, tmp_path / "a.onnx")))
    names = lasting_names(graph)
    assert len(set(names.values())) == len(names) == len(graph.activations())
    within = {"input", "input/SpaceToDepth", "body.layers.0.0.expand", "body.layers.0.0.expand/Relu", "body.tail", "body.tail/Add"}
    assert within <= set(names.values())
