"""What a mixture is priced at is what an emulated core makes of its whole graph."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.bench import setup
from pixsearch.bench.measure import frame
from pixsearch.bench.spec import LatencySpec
from pixsearch.bench.targets.arm64 import Arm64Target
from pixsearch.bench.targets.base import Repeat
from pixsearch.bits.layers import layers_in
from pixsearch.bits.score import Scorer
from pixsearch.errors import MachineError
from pixsearch.export.onnx import write_model
from pixsearch.infer.session import OnnxModel


@pytest.fixture
def emulator() -> None:
    try:
        setup.check("arm64")
    except MachineError as reason:
        pytest.skip(str(reason))


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("scheme", ["arm"], indirect=True)
def test_an_emulated_core_computes_the_same_and_takes_what_its_operators_take(plan, trained, task, pictures, tmp_path):
    layers = layers_in(plan)
    spec, mixture = LatencySpec("arm64:a76", 128, 192, "mixed"), ("float", "int32", "int8", "int16")
    target = Arm64Target("a76")
    heard = []
    with Scorer(plan, layers, trained[1], task, pictures, [], target, spec, 0, lambda kind, **_: heard.append(kind)) as scorer:
        graph = scorer.graph(mixture)
        summed = scorer.latency_ms(graph)
    assert set(heard) == {"preparing"}
    card = trained[1].with_(precision="mixed")
    path = tmp_path / "mixed.onnx"
    write_model(graph, card, path)
    feeds = frame(card, spec)
    with target.prepare(path, 1) as prepared:
        run = prepared.run(feeds, Repeat(warmup=1, count=1), want_outputs=True)
    assert run.latencies_ms[0] == pytest.approx(summed, rel=0.03)
    here = OnnxModel.open(path, precise_int8=True).run({"input": feeds["input"][0]})
    assert np.abs(run.outputs["output"][0] - here).max() < 0.02  # 8-bit levels that a last bit of a float decides
    assert np.abs(run.outputs["output"][0] - here).mean() < 1e-4
