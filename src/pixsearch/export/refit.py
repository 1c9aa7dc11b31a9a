"""Give each convolution new weights that suit its rounded input: a least-squares fit, layer by layer, on calibration photos.

Rounding errors are not independent of the picture: a part of them the next linear layer can undo. Each convolution in turn,
those before it rounded and fitted already, is fitted to what the float network has at its output. Hubara et al. 2021 ("Accurate
post training quantization with small calibration sets") do so by gradient descent; for the weights alone the fit has a closed form.
The fitted weights are then rounded so that their errors make up for one another (`export.rounding`), and the bias is fitted to that.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx

from pixsearch.export.graph import Graph, attribute
from pixsearch.export.observe import Feeds, observe
from pixsearch.export.ranges import Range, slope_behind
from pixsearch.export.rounding import round_weights
from pixsearch.export.scheme import Scheme
from pixsearch.export.steps import insert_steps
from pixsearch.rng import stream

PLACES = 60_000
"""Pixels a layer is fitted on."""

_WORK = 1e11  # multiply-adds of a layer's normal equations, at most: wide layers are fitted on fewer pixels,
_ROWS = 8  # but on this many an unknown at least; where the crops hold fewer, a layer is left as it is
_PULL = 1e-5  # of the inputs' mean square: how firmly weights are held where they were

Values = npt.NDArray[np.float64]


class Sample(NamedTuple):
    """Pixels of a layer: its rounded inputs under the kernel (N, C, kH, kW), and the outputs aimed at (N, M)."""

    inputs: npt.NDArray[np.float32]
    aims: npt.NDArray[np.float32]


def refit(model: onnx.ModelProto, crops: Sequence[Feeds], ranges: Mapping[str, Range], scheme: Scheme, kept: set[str], seed: int) -> int:
    """Fit the weights of `model`, in place, to inputs rounded in `ranges` and `scheme`; the number of layers that took part.

    Those are the convolutions of stride 1 with weights of their own, but for the nodes called `kept`, which stay float. The aim is the
    float model's own output on `crops`. Where an activation follows, an error below zero counts the square of the slope it has there.
    """
    float_model = copy.deepcopy(model)
    graph = Graph(model)
    layers = [node for node in graph.nodes if node.name not in kept and takes_part(graph, node)]
    return sum(refit_layer(graph, node, insert_steps(model, ranges, scheme, kept), float_model, crops, scheme, seed) for node in layers)


def refit_layer(
    graph: Graph,
    node: onnx.NodeProto,
    rounded: onnx.ModelProto,
    float_model: onnx.ModelProto,
    crops: Sequence[Feeds],
    scheme: Scheme | None,
    seed: int,
    places: int = PLACES,
) -> bool:
    """Fit the weights of `node` of `graph`, in place, to what it reads in `rounded`, on `places` pixels; False when there are too few.

    `rounded` is the same graph with rounding in it; the aim is what `float_model` has at the output of the node. The weights become
    such as `scheme` can store, without one any.
    """
    source = next(twin.input[0] for twin in rounded.graph.node if twin.name == node.name)
    kernel = graph.constant(node.input[1])
    unknowns = int(np.prod(kernel.shape[1:])) + 1
    each = _pixels(kernel.shape[0], unknowns, places) // len(crops) + 1
    rng = stream(seed, "refit", node.name)
    inputs, outputs = observe(rounded, crops, [source]), observe(float_model, crops, [node.output[0]])
    samples = [_sample(node, seen[source][0], aimed[node.output[0]][0], each, rng) for seen, aimed in zip(inputs, outputs, strict=True)]
    if sum(len(sample.aims) for sample in samples) < _ROWS * unknowns:
        return False
    _fit(graph, node, samples, scheme)
    return True


def takes_part(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether it is a convolution of stride 1 with constant weights that no other node uses."""
    plain = set(attribute(node, "strides", [1, 1])) == {1} and attribute(node, "auto_pad", b"NOTSET") == b"NOTSET"
    return node.op_type == "Conv" and plain and all(graph.is_constant(name) and len(graph.readers(name)) == 1 for name in node.input[1:])


def _pixels(outputs: int, unknowns: int, places: int) -> int:
    """How many pixels a layer is fitted on."""
    least = _ROWS * unknowns
    return int(np.clip(_WORK / (outputs * unknowns**2), least, max(least, places)))


def _sample(
    node: onnx.NodeProto, inputs: npt.NDArray[np.float32], outputs: npt.NDArray[np.float32], count: int, rng: np.random.Generator
) -> Sample:
    """`count` pixels at most of a layer's inputs (C, H, W) and outputs (M, H, W)."""
    top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
    down, across = attribute(node, "dilations", [1, 1])
    high, wide = attribute(node, "kernel_shape", [1, 1])
    padded = np.pad(inputs, ((0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, ((high - 1) * down + 1, (wide - 1) * across + 1), axis=(1, 2))
    places = rng.choice(outputs[0].size, min(outputs[0].size, count), replace=False)
    rows, columns = np.unravel_index(places, outputs.shape[1:])
    taken = windows[:, rows, columns, ::down, ::across]
    return Sample(np.moveaxis(taken, 0, 1), outputs[:, rows, columns].T)


def _fit(graph: Graph, node: onnx.NodeProto, samples: Sequence[Sample], scheme: Scheme | None) -> None:
    """Replace the constants of `node` by the weighted ridge solution, which is pulled towards them."""
    kernel = graph.constant(node.input[1])
    bias = graph.constant(node.input[2]) if len(node.input) > 2 else None
    old = kernel.reshape(len(kernel), -1) if bias is None else np.column_stack([kernel.reshape(len(kernel), -1), bias])
    squares, products = _normal_equations(
        samples, old.shape, attribute(node, "group", 1), bias is not None, slope_behind(graph, node.output[0])
    )
    unknowns = old.shape[1]
    pull = np.maximum(_PULL * np.trace(squares, axis1=1, axis2=2)[:, None] / unknowns, np.finfo(np.float32).tiny)  # a dead channel stays
    squares += pull[:, None] * np.eye(unknowns)
    fitted = np.linalg.solve(squares, (products + pull * old)[:, :, None])[:, :, 0]
    if scheme is not None:
        fitted = _rounded(fitted, squares, scheme, biased=bias is not None)
    graph.replace(node.input[1], fitted[:, : kernel[0].size].reshape(kernel.shape).astype(np.float32))
    if bias is not None:
        graph.replace(node.input[2], fitted[:, -1].astype(np.float32))


def _rounded(fitted: Values, squares: Values, scheme: Scheme, *, biased: bool) -> Values:
    """The solution (M, n) with its weights rounded as `scheme` stores them, and the bias behind them, if there is one, fitted to those."""
    if not biased:
        return round_weights(fitted, squares, scheme)
    beside, alone = squares[:, :-1, -1], squares[:, -1:, -1]
    curvature = squares[:, :-1, :-1] - beside[:, :, None] * beside[:, None, :] / alone[:, :, None]  # with the bias always at its best
    weights = round_weights(fitted[:, :-1], curvature, scheme)
    moved = np.einsum("mn,mn->m", beside, fitted[:, :-1] - weights) / alone[:, 0]
    return np.column_stack([weights, fitted[:, -1] + moved])


def _normal_equations(samples: Sequence[Sample], shape: tuple[int, int], groups: int, biased: bool, slope: float) -> tuple[Values, Values]:
    """XᵀWX (M, n, n) and XᵀWy (M, n), for each of the M outputs of a layer."""
    outputs, unknowns = shape
    squares, products = np.zeros((outputs, unknowns, unknowns)), np.zeros((outputs, unknowns))
    for sample in samples:
        count = len(sample.inputs)
        for group, inputs in enumerate(np.split(sample.inputs, groups, axis=1)):
            columns = inputs.reshape(count, -1).astype(np.float64)  # even pictures leave differences of large sums
            columns = np.column_stack([columns, np.ones(count)]) if biased else columns
            for output in range(group * outputs // groups, (group + 1) * outputs // groups):
                aim = sample.aims[:, output]
                weighted = columns * np.where(aim < 0, slope**2, 1.0)[:, None]
                squares[output] += weighted.T @ columns
                products[output] += weighted.T @ aim
    return squares, products
