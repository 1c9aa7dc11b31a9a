"""Round the weights of a layer one after another, each error carried on to those that are not rounded yet.

Rounding each weight to its nearest level ignores that their errors add up at the output. Optimal brain surgeon (Hassibi and Stork 1993)
tells how the others best make up for a change of one; Frantar et al. 2023 ("GPTQ") round so, one weight after another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixsearch.export.scheme import Scheme

Values = npt.NDArray[np.float64]

_TINY = float(np.finfo(np.float32).tiny)


_SPANS = (1.0, 0.95, 0.9, 0.85, 0.8)
"""Shares of the weights' range that a grid may span: a narrower one has finer steps, and clips the largest weights."""

_FIRM = 1e-4  # of a curvature's mean, added to it


class Grid(NamedTuple):
    """Levels that the weights of each of M outputs are rounded to: `step` (M) times the whole numbers `lowest` … `highest` (M)."""

    step: Values
    lowest: Values
    highest: Values


def round_weights(weights: Values, curvature: Values, scheme: Scheme) -> Values:
    """`weights` (M, N) such as `scheme` stores them, w, near the least of (w − weights)ᵀ · curvature · (w − weights).

    `curvature` (M, N, N) is that of the squared error at each output.
    Whoever stores the result by its own ends finds its levels. Of the `_SPANS` the one with the least error is taken, for each output
    where each has a step of its own.
    """
    inverse = np.asarray(np.linalg.inv(_firm(curvature)), np.float64)
    found = [round_on(weights, curvature, inverse, grid_of(weights, scheme, span)) for span in _SPANS]
    moves = [rounded - weights for rounded in found]
    errors = np.stack([np.einsum("mi,mij,mj->m", move, curvature, move) for move in moves])
    best = errors.argmin(axis=0) if scheme.per_channel else np.full(len(weights), errors.sum(axis=1).argmin())
    result: Values = np.stack(found)[best, np.arange(len(weights))]
    return result


def grid_of(weights: Values, scheme: Scheme, span: float = 1.0) -> Grid:
    """The grid that `scheme` gives to weights (M, N): it ends at `span` of those of the weights, of each output's or of all."""
    rows = span * (weights if scheme.per_channel else weights.reshape(1, -1))
    if scheme.signed_weights:
        step = np.abs(rows).max(axis=1) / 127
        lowest, highest = np.full_like(step, -127), np.full_like(step, 127)
    else:
        low = np.minimum(rows.min(axis=1), 0)
        step = (np.maximum(rows.max(axis=1), 0) - low) / 255
        lowest = np.round(low / np.maximum(step, _TINY))
        highest = lowest + 255
    return Grid(*(np.broadcast_to(values, len(weights)) for values in (np.maximum(step, _TINY), lowest, highest)))


def round_on(weights: Values, curvature: Values, inverse: Values, grid: Grid) -> Values:
    """`weights` (M, N) rounded on `grid`, the errors of each carried on by `curvature` and its `inverse` (M, N, N), each output alone.

    Weights at the ends of the grid stay there, so that a grid made of the result is the same. The rest are rounded in the
    order of their curvature, the largest first: the last find nobody to carry their errors.
    """
    step, lowest, highest = (values[:, None] for values in grid)
    nearest = np.clip(np.round(weights / step), lowest, highest)
    ends = (nearest == lowest) | (nearest == highest)
    urgency = np.where(ends, np.inf, np.diagonal(curvature, axis1=1, axis2=2))
    order = np.argsort(-urgency, axis=1, kind="stable")
    ordered = np.take_along_axis(np.take_along_axis(inverse, order[:, :, None], 1), order[:, None, :], 2)
    carry = np.linalg.cholesky(ordered).transpose(0, 2, 1)
    left, ends, nearest = (np.take_along_axis(values, order, 1) for values in (weights, ends, nearest))
    levels = np.empty_like(weights)
    for place in range(weights.shape[1]):
        level = np.clip(np.round(left[:, place] / step[:, 0]), lowest[:, 0], highest[:, 0])
        levels[:, place] = np.where(ends[:, place], nearest[:, place], level)
        error = (left[:, place] - levels[:, place] * step[:, 0]) / carry[:, place, place]
        left[:, place:] -= error[:, None] * carry[:, place, place:]
    result = np.empty_like(weights)
    np.put_along_axis(result, order, levels * step, 1)
    return result


def _firm(curvature: Values) -> Values:
    """Each output's curvature in units of its mean, far enough from a singular matrix to be inverted; the identity where there is none."""
    mean = np.diagonal(curvature, axis1=1, axis2=2).mean(axis=1)[:, None, None]
    firm: Values = curvature / np.maximum(mean, np.finfo(np.float64).tiny) + np.where(mean > 0, _FIRM, 1.0) * np.eye(curvature.shape[1])
    return firm
