"""How chains are drawn, varied, crossed and made cheaper; every function draws from the generator it is given alone.

What comes out may not be canonical; the space sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from pixsearch.space.chain import ACTS, ATTENTIONS, DYNAMIC, EXPERTS, HEADS, OPS, SKIPS, TAILS, Layer, MobileGenotype

T = TypeVar("T")

# How likely each operator is drawn: plain 3×3 convolutions are what phones run best.
OP_WEIGHTS = {"conv1": 1.0, "conv3": 4.0, "conv5": 0.5, "dw3": 1.0, "dw5": 1.0, "ib3": 1.5, "dynconv3": 4.0, "dyndw3": 1.0}
ENDS: dict[str, tuple[Any, ...]] = {"head": tuple(HEADS), "skip": SKIPS, "tail": TAILS}
TAIL_WEIGHTS = {1: 0.1, 3: 0.8, 5: 0.1}


@dataclass(frozen=True)
class Limits:
    """What the search may reach, ends included; `ops` are the operators that it draws from."""

    depth: tuple[int, int] = (1, 12)
    width: tuple[int, int] = (4, 64)
    hidden: tuple[int, int] = (4, 256)
    ops: tuple[str, ...] = OPS

    def grid(self) -> list[int]:
        """The widths that are drawn first: multiples of 4, which fill a phone's vector registers."""
        low, high = self.width
        return [width for width in range(low, high + 1) if width % 4 == 0] or [low]


def clip(value: float, limits: tuple[int, int]) -> int:
    """`value` rounded into the limits."""
    return int(min(max(round(value), limits[0]), limits[1]))


def pick(rng: np.random.Generator, items: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of `items`, by their weights."""
    chances = None if weights is None else np.asarray(weights) / np.sum(weights)
    return items[int(rng.choice(len(items), p=chances))]


def draw_op(rng: np.random.Generator, limits: Limits) -> str:
    """An operator by its weight."""
    return pick(rng, limits.ops, [OP_WEIGHTS[op] for op in limits.ops])


def draw_width(rng: np.random.Generator, limits: Limits) -> int:
    """A width of the grid, narrow ones more often (evenly over the logarithm)."""
    grid = limits.grid()
    return pick(rng, grid, [1 / width for width in grid])


def draw_hidden(rng: np.random.Generator, width: int, limits: Limits) -> int:
    """Hidden channels of an inverted bottleneck: 1 to 4 times its width."""
    return clip(width * rng.uniform(1, 4), limits.hidden)


def make_layer(rng: np.random.Generator, op: str, width: int, act: str, limits: Limits) -> Layer:
    """A layer with what its operator needs drawn."""
    if op in DYNAMIC:
        return Layer(op, width, act, experts=pick(rng, EXPERTS), attention=pick(rng, ATTENTIONS))
    if op != "ib3":
        return Layer(op, width, act)
    return Layer(op, width, act, draw_hidden(rng, width, limits), residual=bool(rng.random() < 0.75))


def draw(rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """A random chain; half of them repeat one operator, most of them one width and one activation, as hand-made networks do."""
    depth = int(rng.integers(limits.depth[0], limits.depth[1] + 1))
    ops = _repeat(rng, 0.5, depth, lambda: draw_op(rng, limits))
    widths = _repeat(rng, 0.7, depth, lambda: draw_width(rng, limits))
    acts = _repeat(rng, 0.8, depth, lambda: pick(rng, ACTS))
    layers = [make_layer(rng, op, width, act, limits) for op, width, act in zip(ops, widths, acts, strict=True)]
    tail = pick(rng, TAILS, [TAIL_WEIGHTS[kernel] for kernel in TAILS])
    return MobileGenotype(tuple(layers), head=pick(rng, tuple(HEADS), [4, 2, 1]), skip=pick(rng, SKIPS), tail=tail)


def _repeat(rng: np.random.Generator, chance: float, count: int, one: Callable[[], T]) -> list[T]:
    """`count` draws, or with `chance` one draw repeated."""
    return [one()] * count if rng.random() < chance else [one() for _ in range(count)]


def _with_layer(genotype: MobileGenotype, place: int, **changes: Any) -> MobileGenotype:
    layers = list(genotype.layers)
    layers[place] = replace(layers[place], **changes)
    return replace(genotype, layers=tuple(layers))


def _without(genotype: MobileGenotype, place: int) -> MobileGenotype:
    return replace(genotype, layers=genotype.layers[:place] + genotype.layers[place + 1 :])


def _with_end(genotype: MobileGenotype, gene: str, value: Any) -> MobileGenotype:
    changes: dict[str, Any] = {gene: value}
    return replace(genotype, **changes)


def below(value: int, values: Sequence[int]) -> int:
    """The next smaller one of `values`; the smallest has none."""
    return max((one for one in values if one < value), default=value)


def beside(rng: np.random.Generator, value: int, values: Sequence[int]) -> int:
    """Now and then any of the ascending `values`, else the one before or behind that which is nearest to `value`."""
    if rng.random() < 0.3:
        return pick(rng, values)
    near = min(range(len(values)), key=lambda place: abs(values[place] - value))
    at = near + (1 if rng.random() < 0.5 else -1)
    return values[min(max(at, 0), len(values) - 1)]


def _nearby(rng: np.random.Generator, value: int, limits: tuple[int, int]) -> int:
    """Mostly a few more or less, now and then any value."""
    if rng.random() < 0.3:
        return int(rng.integers(limits[0], limits[1] + 1))
    return clip(value + int(rng.integers(1, 9)) * (1 if rng.random() < 0.5 else -1), limits)


def change_op(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """Another operator for one layer."""
    place = int(rng.integers(len(genotype.layers)))
    return exchange_op(genotype, place, draw_op(rng, limits), rng, limits)


def exchange_op(genotype: MobileGenotype, place: int, op: str, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """The operator `op` at one layer, whose width and activation stay."""
    old = genotype.layers[place]
    return _with_layer(genotype, place, **vars(make_layer(rng, op, old.width, old.act, limits)))


def change_width(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """Another width for one layer, or for all that share it."""
    old = pick(rng, genotype.layers).width
    new = _nearby(rng, old, limits.width)
    if rng.random() < 0.5:
        layers = tuple(replace(layer, width=new) if layer.width == old else layer for layer in genotype.layers)
        return replace(genotype, layers=layers)
    return _with_layer(genotype, int(rng.integers(len(genotype.layers))), width=new)


def change_act(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """Another activation for one layer, or for all."""
    del limits
    new = pick(rng, ACTS)
    if rng.random() < 0.5:
        return replace(genotype, layers=tuple(replace(layer, act=new) for layer in genotype.layers))
    return _with_layer(genotype, int(rng.integers(len(genotype.layers))), act=new)


def change_inside(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """Another gene that not every operator has, if there is any.

    Hidden channels or the residual of an inverted bottleneck, the number of experts or the attention of a dynamic layer.
    """
    places = [i for i, layer in enumerate(genotype.layers) if layer.op == "ib3" or layer.op in DYNAMIC]
    if not places:
        return genotype
    place = pick(rng, places)
    if genotype.layers[place].op in DYNAMIC:
        if rng.random() < 0.5:
            return _with_layer(genotype, place, attention=pick(rng, ATTENTIONS))
        return _with_layer(genotype, place, experts=pick(rng, EXPERTS))
    if rng.random() < 0.5:
        return _with_layer(genotype, place, residual=not genotype.layers[place].residual)
    return _with_layer(genotype, place, hidden=_nearby(rng, genotype.layers[place].hidden, limits.hidden))


def insert_layer(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """One layer more, like the one it is put before but for its operator."""
    if len(genotype.layers) >= limits.depth[1]:
        return genotype
    like = pick(rng, genotype.layers)
    op = like.op if rng.random() < 0.5 else draw_op(rng, limits)
    place = int(rng.integers(len(genotype.layers) + 1))
    new = make_layer(rng, op, like.width, like.act, limits)
    return replace(genotype, layers=(*genotype.layers[:place], new, *genotype.layers[place:]))


def remove_layer(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """One layer less."""
    if len(genotype.layers) <= limits.depth[0]:
        return genotype
    return _without(genotype, int(rng.integers(len(genotype.layers))))


def change_ends(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """Another head, global skip or tail."""
    del limits
    gene = pick(rng, list(ENDS))
    return _with_end(genotype, gene, pick(rng, ENDS[gene]))


MUTATIONS = (change_op, change_width, change_act, change_inside, insert_layer, remove_layer, change_ends)
MUTATION_WEIGHTS = (3.0, 3.0, 1.0, 1.0, 2.0, 2.0, 1.0)


def vary(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """One mutation; it may come to nothing."""
    return pick(rng, MUTATIONS, MUTATION_WEIGHTS)(genotype, rng, limits)


def cross(first: MobileGenotype, second: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """The front layers of one parent and the back layers of the other; head, skip and tail from either."""
    cut = int(rng.integers(len(first.layers) + 1))
    back = int(rng.integers(len(second.layers) + 1))
    layers = (first.layers[:cut] + second.layers[back:]) or first.layers
    ends = {gene: getattr(pick(rng, [first, second]), gene) for gene in ENDS}
    return MobileGenotype(layers[: limits.depth[1]], **ends)


def lighten(genotype: MobileGenotype, rng: np.random.Generator, limits: Limits) -> MobileGenotype:
    """One step that is likely to cost less: narrower as a whole or at one layer, a layer less, or another operator or end."""
    by, place = rng.uniform(0.6, 0.95), int(rng.integers(len(genotype.layers)))
    layer = genotype.layers[place]
    match pick(rng, ("all", "one", "hidden", "depth", "other"), (4, 4, 1, 2, 1)):
        case "all":
            return replace(genotype, layers=tuple(_narrow(layer, by, limits) for layer in genotype.layers))
        case "one":
            return _with_layer(genotype, place, width=_narrow(layer, by, limits).width)
        case "hidden":
            return _with_layer(genotype, place, hidden=_narrow(layer, by, limits).hidden)
        case "depth":
            return remove_layer(genotype, rng, limits)
        case _:
            return pick(rng, list(lighter(genotype, limits)))


def lighter(genotype: MobileGenotype, limits: Limits) -> Iterator[MobileGenotype]:
    """Neighbours in small steps; one at least costs less, unless nothing in the space does."""
    for place, layer in enumerate(genotype.layers):
        yield _with_layer(genotype, place, width=_narrow(layer, 1.0, limits).width)
        yield from (_with_layer(genotype, place, op=op, hidden=0) for op in OPS if op not in (layer.op, "ib3"))
        yield from (_with_layer(genotype, place, experts=experts) for experts in EXPERTS if experts < layer.experts)
        if len(genotype.layers) > limits.depth[0]:
            yield _without(genotype, place)
    for gene, known in ENDS.items():
        yield from (_with_end(genotype, gene, value) for value in known)
    yield replace(genotype, layers=tuple(replace(layer, act="leaky") for layer in genotype.layers))


def _narrow(layer: Layer, by: float, limits: Limits) -> Layer:
    """A layer with a share `by` of its channels, at least one fewer, but not below the limits (nor wider than it was)."""
    width = min(layer.width, clip(min(layer.width * by, layer.width - 1), limits.width))
    hidden = min(layer.hidden, clip(min(layer.hidden * by, layer.hidden - 1), limits.hidden)) if layer.hidden else 0
    return replace(layer, width=width, hidden=hidden)
