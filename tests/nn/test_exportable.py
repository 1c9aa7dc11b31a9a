"""Every operator, activation, head and skip exports to ONNX with free height and width, and agrees there."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import onnxruntime
import pytest
import torch

from pixsearch.nn.build import Network, build
from pixsearch.signature import Port, Signature
from pixsearch.space.chain import ACTS, CONVS, HEADS, OPS, SEPARABLES, SKIPS
from pixsearch.space.erdb import ErdbSpace
from pixsearch.space.mobile import MobileSpace
from pixsearch.space.named import named
from pixsearch.space.nsc import NscSpace

pytestmark = pytest.mark.slow


def signature(scale: int, channels: int) -> Signature:
    return Signature("sr", scale, "y" if channels == 1 else "rgb", (Port("input", channels),), Port("output", channels))


def layer(op: str, act: str) -> dict:
    return {"op": op, "width": 6, "act": act, **({"hidden": 8, "residual": True} if op == "ib3" else {})}


# Each operator, each activation behind each kind of operator, each head and skip in both colours; one export a line.
CASES = [
    ([layer(op, act) for op in kind for act in ACTS], head, skip, scale, channels)
    for kind, head, skip, scale, channels in [
        (tuple(CONVS), "plain", "nearest", 2, 1),
        (tuple(SEPARABLES), "plain", "bicubic", 3, 3),
        (("ib3",), "s2d", "nearest", 2, 3),
        (("conv3",), "s2d4", "nearest", 2, 3),
        (("dw3",), "s2d4", "bicubic", 2, 1),
        (("conv3",), "s2d", "bicubic", 4, 1),
        (("conv1",), "s2d", "nearest", 1, 1),
        (("dw3",), "plain", "nearest", 4, 3),
    ]
]


def test_the_cases_hold_every_gene():
    layers = [one for layers, *_ in CASES for one in layers]
    assert {(one["op"], one["act"]) for one in layers} == {(op, act) for op in OPS for act in ACTS}
    assert {head for _, head, *_ in CASES} == set(HEADS)
    assert {skip for _, _, skip, *_ in CASES} == set(SKIPS)


def exported(network: Network) -> onnxruntime.InferenceSession:
    logging.disable(logging.WARNING)
    free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.rand(1, network.signature.in_channels, 8, 12),),
            dynamo=True,
            dynamic_shapes=((free,),),
            input_names=["input"],
            external_data=False,
            verbose=False,
        )
    logging.disable(logging.NOTSET)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def shake(network: Network) -> Network:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.05)
    return network.eval()


def check(network: Network, step: int) -> None:
    session = exported(network)
    for height, width in [(8, 12), (5, 7), (1, 3), (33, 18)]:
        x = torch.rand(1, network.signature.in_channels, height * step, width * step, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            expected = network(x).numpy()
        found = session.run(None, {"input": x.numpy()})[0]
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(("layers", "head", "skip", "scale", "channels"), CASES)
def test_chains(layers, head, skip, scale, channels):
    space = MobileSpace(signature(scale, channels))
    genotype = space.parse({"layers": layers, "head": head, "skip": skip})
    check(shake(build(genotype, space.signature)), space.multiple(genotype))


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize(("kinds", "scale", "channels"), [(("shrink", "group"), 3, 3), (("group", "context"), 2, 1)])
def test_dense_blocks(kinds, skip, scale, channels):
    space = ErdbSpace(signature(scale, channels))
    blocks = [{"kind": kind, "convs": 4, "growth": 4, "width": width} for kind, width in zip(kinds, (16, 8), strict=True)]
    genotype = space.parse({"blocks": blocks, "width": 8, "skip": skip})
    check(shake(build(genotype, space.signature)), space.multiple(genotype))


@pytest.mark.parametrize(("skip", "scale", "channels"), [("nearest", 3, 3), ("bicubic", 2, 1)])
def test_blocks_as_lists(skip, scale, channels):
    space = NscSpace(signature(scale, channels))
    layers = [["conv", 3, 0, 0], ["dw", 5, 1, 0], ["add", 0, 0, 2], ["concat", 0, 1, 3], ["identity", 0, 0, 0], ["terminal", 0, 0, 0]]
    rows = [[number, *layer] for number, layer in enumerate(layers, start=1)]
    genotype = space.parse({"layers": rows, "blocks": 2, "width": 6, "skip": skip})
    check(shake(build(genotype, space.signature)), space.multiple(genotype))


@pytest.mark.parametrize(("name", "scale"), [("fsrcnn", 3), ("espcn", 2)])
def test_references(name, scale):
    border = signature(scale, 1)
    check(shake(build(named(name, border)[1], border)), 1)
