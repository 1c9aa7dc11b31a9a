"""The rules against the providers themselves, out of ONNX Runtime for Android: what they claim, node by node, format by format.

The NNAPI runtime below is a test double, so this proves what ONNX Runtime hands to NNAPI, nothing of drivers or speed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from graphs import NETWORKS, graphs

from pixsearch.export.providers.check import check_model

from ...android.system import AndroidRuntime, Missing, find_aar

LEVELS = (27, 28, 29, 31)
STRICTER = {"LeakyRelu"}
"""Operators that the provider claims on levels that lack what it builds them of."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def runtime(request, tmp_path_factory):
    given = request.config.getoption("--ort-android")
    try:
        return AndroidRuntime(find_aar(given), tmp_path_factory.mktemp("android"))
    except Missing as missing:
        pytest.skip(f"ONNX RUNTIME FOR ANDROID WAS NOT ASKED: {missing}")


@pytest.mark.parametrize("network", NETWORKS)
def test_nnapi_claims_what_the_rules_say(runtime, make, tmp_path, network):
    asked = 0
    for form, graph in graphs(make, tmp_path, network):
        onnx.save_model(graph, tmp_path / "model.onnx")
        for level in LEVELS:
            judged = {one.name: one for one in check_model(graph, level).judged}
            claims = runtime.nnapi(tmp_path / "model.onnx", level)
            for name in claims.keys() & judged.keys():
                said = judged[name].refused["nnapi"]
                stricter = judged[name].operator in STRICTER and level < 29
                assert (said is None) == claims[name] or (stricter and said is not None), (form, level, name, said)
            asked += len(claims.keys() & judged.keys())
    assert asked > 100


def test_nnapi_takes_nothing_of_any_size(runtime, make, tmp_path):
    for _, graph in graphs(make, tmp_path, "relu", any_size=True):
        onnx.save_model(graph, tmp_path / "model.onnx")
        assert not any(runtime.nnapi(tmp_path / "model.onnx", 31).values())


@pytest.mark.parametrize("network", ["relu", "prelu", "depthwise", "rgb", "fsrcnn"])
def test_xnnpack_takes_the_convolutions_that_the_rules_say(runtime, make, tmp_path, network):
    for form, graph in graphs(make, tmp_path, network):
        if (network, form) == ("fsrcnn", "arm"):
            continue  # its transposed convolution by channel is claimed and then ends the session: a fault of the provider
        onnx.save_model(graph, tmp_path / "model.onnx")
        taken = [one for one in check_model(graph).judged if one.refused["xnnpack"] is None and one.operator in ("Conv", "ConvTranspose")]
        assert runtime.xnnpack(tmp_path / "model.onnx") == len(taken), form
