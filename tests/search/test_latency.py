"""Latencies of candidates: summed up on emulated cores, one for each target, and taken from the whole network where they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixsearch.bench import setup
from pixsearch.bench.modelled.devices import devices
from pixsearch.bench.modelled.operators import ArmGraph, UnpricedError
from pixsearch.bench.spec import LatencySpec
from pixsearch.errors import MachineError, UsageError
from pixsearch.export.scheme import choose_scheme
from pixsearch.export.steps import float_part, insert_steps
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.modelfile import make_card
from pixsearch.search import latency
from pixsearch.search.objectives import parse_objectives
from pixsearch.space.chain import Layer, MobileGenotype
from pixsearch.space.named import named
from pixsearch.tasks.base import make_task

TASK = make_task("sr", 2, "y")


@pytest.fixture
def emulator() -> None:
    try:
        setup.check("arm64")
    except MachineError as reason:
        pytest.skip(str(reason))


def network(name: str) -> Network:
    return deploy(build(named(name, TASK.signature)[1], TASK.signature))


def card(of: Network):
    return make_card(of, name="candidate", stage="candidate", training={})


def unwanted(folder: Path) -> Path:
    raise AssertionError("nothing is exported where the operators have a price")


@pytest.mark.usefixtures("emulator")
def test_every_target_has_a_latency_of_its_own() -> None:
    small = network("plain-m1c4")
    specs = [LatencySpec.parse(text) for text in ("arm64:a76/128x64", "arm64:a76/128x64/int8", "arm64:raspberry-pi-5/128x64")]
    a76, int8, pi = (latency.latency_of(small, card(small), spec, unwanted) for spec in specs)
    assert pi == pytest.approx(a76 * devices()["raspberry-pi-5"].scale)  # the same core at the same clock, within its memory's rate
    assert int8 != pytest.approx(a76, rel=0.01)


@pytest.mark.usefixtures("emulator")
def test_what_has_no_price_is_emulated_as_a_whole(tmp_path, monkeypatch) -> None:
    from pixsearch.export.onnx import export_float

    small = network("plain-m1c4")  # the table knows its operators from the test before

    def no_price(*_: object) -> None:
        raise UnpricedError("An operator cannot be emulated by itself.")

    def write(folder: Path) -> Path:
        return export_float(small, card(small), folder / "float.onnx")

    spec = LatencySpec.parse("arm64:a76/128x64")
    summed = latency.latency_of(small, card(small), spec, unwanted)
    monkeypatch.setattr(latency, "price", no_price)
    assert latency.latency_of(small, card(small), spec, write) == pytest.approx(summed, rel=0.05)


def test_targets_are_looked_at_before_anything_is_trained(monkeypatch, tmp_path) -> None:
    with pytest.raises(UsageError, match="models a single one"):
        latency.require_targets(parse_objectives(["psnr", "latency@local", "latency@arm64:a76/2t"]))
    monkeypatch.setenv("PIXSEARCH_TARGETS", str(tmp_path))
    with pytest.raises(MachineError, match="pixsearch target setup arm64"):
        latency.require_targets(parse_objectives(["psnr", "latency@arm64:a76"]))
    latency.require_targets(parse_objectives(["psnr", "latency@local"]))


def test_a_rectified_activation_has_a_range_without_negatives() -> None:
    from pixsearch.export.graph import Graph

    relu = deploy(build(MobileGenotype((Layer("conv3", 4, "relu"), Layer("conv3", 4, "relu"))), TASK.signature))
    model = latency.graph_of(relu, card(relu), "float")
    ranges = latency._nominal_ranges(model)
    graph = Graph(model)
    lows = {name: ranges[name][0] for name in graph.activations()}
    assert {lows[node.output[0]] for node in graph.nodes if node.op_type == "Relu"} == {0.0}
    assert lows["input"] < 0


@pytest.mark.parametrize("name", ["plain-m2c4", "fsrcnn"])
def test_nominal_steps_ask_for_the_same_operators_as_real_ones(name: str) -> None:
    made = network(name)
    model = latency.graph_of(made, card(made), "float")
    scheme = choose_scheme(card(made), None)
    real = insert_steps(model, latency._nominal_ranges(model), scheme, float_part(model))
    assert scheme.per_channel
    keys = [[one.key for one in ArmGraph(graph).operators(8, 32)] for graph in (latency.graph_of(made, card(made), "int8"), real)]
    assert keys[0] == keys[1]


def test_only_while_it_lasts_does_a_listener_hear_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table:
        note: object = None

        def close_emulator(self) -> None:
            pass

    table, heard = Table(), []
    monkeypatch.setattr(latency, "_table", lambda _: table)
    monkeypatch.setattr(latency, "graph_of", lambda *_: None)
    monkeypatch.setattr(latency, "estimate", lambda *_: table.note("preparing", what="operators"))
    small = network("plain-m1c4")
    with latency.telling(lambda kind, **fields: heard.append((kind, fields))):
        latency.price(small, card(small), LatencySpec("arm64:a76"))
    latency.price(small, card(small), LatencySpec("arm64:a76"))
    assert heard == [("preparing", {"what": "operators"})]
