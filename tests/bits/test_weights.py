"""Weights of a mixture: such as its formats store, fitted to what they read."""

from __future__ import annotations

import numpy as np

from pixsearch.bits.layers import layers_in
from pixsearch.bits.weights import Weights
from pixsearch.export.graph import Graph
from pixsearch.export.observe import choose_crops
from pixsearch.export.rounding import grid_of


def off_the_grid(kernel: np.ndarray, scheme) -> float:
    """How far from the levels of `scheme` weights are, in steps."""
    rows = kernel.reshape(len(kernel), -1).astype(np.float64)
    levels = rows / grid_of(rows, scheme).step[:, None]
    return float(np.abs(levels - np.round(levels)).max())


def test_weights_that_are_stored_in_8_bits_are_levels_and_others_are_not(plan, trained, task, pictures):
    layers, crops = layers_in(plan), choose_crops(plan.model, trained[1], task, pictures, 0)
    fitted = Graph(Weights(plan, layers, crops, 0).fitted(("int8", "float", "int32", "int8")))
    kernels = [fitted.constant(node.input[1]) for node in fitted.nodes if node.op_type == "Conv" and node.name not in plan.kept]
    found = [off_the_grid(kernel, plan.scheme) for kernel in kernels]
    assert max(found[0], found[2], found[3]) < 1e-2 < 0.2 < found[1]
