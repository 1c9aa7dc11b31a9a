"""The `video` space: a chain of the `mobile` space that sees a window of frames, or one frame and what it remembers of those before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from pixsearch.errors import DataError, UsageError
from pixsearch.signature import Port, Signature
from pixsearch.space import memory
from pixsearch.space.base import BYTES, BlockSpace, Genotype
from pixsearch.space.chain import HEADS, OPS, MobileGenotype, block, canonical
from pixsearch.space.cost import Conv
from pixsearch.space.genes import integer, one_of
from pixsearch.space.mobile import MobileSpace
from pixsearch.space.vary import lighter, pick

FORMS = ("stacked", "recurrent")
WINDOWS = (1, 3, 5)
STATES = (4, 32)
"""Channels that a recurrent network may hand on, ends included."""

STATE, KERNEL = "state", 3
OUTER = 0.25  # share of mutations that change the form, the window or the state


@dataclass(frozen=True)
class VideoGenotype(Genotype):
    """A chain, and how it comes to know of other frames.

    `stacked` sees `window` frames as channels, the one it answers first; `state` is 0. `recurrent` sees one frame and the `state`
    channels that it gave with the frame before, at the size its layers work at: they enter the first layer beside the frame, and a
    3×3 convolution of the last layer's output, clipped to −1…1, is the next state.
    """

    space: ClassVar[str] = "video"
    chain: MobileGenotype
    form: str = "stacked"
    window: int = 3
    state: int = 0

    def genes(self) -> dict[str, Any]:
        """Plain values: the form, then those of the chain."""
        return {"form": self.form, "window": self.window, "state": self.state, **self.chain.genes()}


def state_conv(genotype: VideoGenotype) -> Conv:
    """The convolution that makes the next state."""
    return Conv(genotype.chain.layers[-1].width, genotype.state, KERNEL)


class VideoSpace(BlockSpace[VideoGenotype]):
    """Stacked chains of up to as many frames as the signature's task gives, and recurrent ones; each chain is a member of `mobile`."""

    name: ClassVar[str] = "video"
    kinds: ClassVar[tuple[str, ...]] = OPS

    def __init__(self, signature: Signature) -> None:
        if "window" not in signature.settings:
            raise UsageError(f"The space `video` is for clips, which `{signature.task}` does not see. Use the space `mobile`.")
        super().__init__(signature)
        self.windows = tuple(w for w in WINDOWS if 1 < w <= signature.settings["window"]) or (1,)

    def border(self, genotype: VideoGenotype) -> Signature:
        """One window, or one frame and the state; a recurrent network learns from sequences as long as the task's."""
        own = self.signature
        frames, *others = own.inputs
        channels = frames.channels // own.settings["window"] * genotype.window
        recurrent = genotype.form == "recurrent"
        length = own.settings["length"] if recurrent else genotype.window
        return replace(
            own,
            inputs=(replace(frames, channels=channels), *others),
            state=(Port(STATE, genotype.state, -1.0, 1.0),) if recurrent else (),
            settings={**own.settings, "window": genotype.window, "length": length},
        )

    def inner(self, genotype: VideoGenotype) -> MobileSpace:
        """The space that its chain is a member of."""
        return MobileSpace(self.border(genotype))

    def sample(self, rng: np.random.Generator) -> VideoGenotype:
        """A random member; each form is as likely."""
        outer = self._draw(rng)
        return replace(outer, chain=self.inner(outer).sample(rng))

    def mutate(self, genotype: VideoGenotype, rng: np.random.Generator) -> VideoGenotype:
        """A member with another chain nearby, or another form, window or state."""
        child = genotype
        while child == genotype:
            if rng.random() < OUTER:
                child = self._with_outer(genotype, self._draw(rng))
            else:
                child = replace(genotype, chain=self.inner(genotype).mutate(genotype.chain, rng))
        return child

    def crossover(self, first: VideoGenotype, second: VideoGenotype, rng: np.random.Generator) -> VideoGenotype:
        """Form, window and state of one parent, the chain of both."""
        outer = pick(rng, [first, second])
        return replace(outer, chain=self.inner(outer).crossover(first.chain, second.chain, rng))

    def shrink(self, genotype: VideoGenotype, rng: np.random.Generator) -> VideoGenotype:
        """A neighbour of fewer multiply-adds, mostly by its chain; `genotype` itself when there is none."""
        price = self.price(genotype)
        smaller = replace(genotype, chain=self.inner(genotype).shrink(genotype.chain, rng))
        if self.price(smaller) < price and rng.random() > OUTER:
            return smaller
        others = [other for other in (*self._neighbours(genotype), smaller) if self.price(other) < price]
        return pick(rng, others) if others else genotype

    def smallest(self) -> VideoGenotype:
        """The smallest chain on the smallest window, or with the smallest state, behind the head that makes it cheapest."""
        return min(self._ends("smallest", STATES[0]), key=self.price)

    def leanest(self) -> VideoGenotype:
        """The same chains by their trained values: behind a space-to-depth head a state saves multiply-adds and costs values."""
        return min(self._ends("smallest", STATES[0]), key=self.params)

    def largest(self) -> VideoGenotype:
        """The largest chain on the largest window, or with the largest state."""
        return max(self._ends("largest", STATES[1]), key=self.price)

    def size(self) -> int:
        """How many genotypes a search can reach."""
        forms = [self._outer("stacked", window) for window in self.windows]
        forms += [self._outer("recurrent", state) for state in range(STATES[0], STATES[1] + 1)]
        return sum(self.inner(form).size() for form in forms)

    def macs_per_pixel(self, genotype: VideoGenotype) -> float:
        """Counted multiply-adds an output pixel of one frame."""
        return self.inner(genotype).macs_per_pixel(genotype.chain) + self._state_macs(genotype) / self.signature.scale**2

    def params(self, genotype: VideoGenotype) -> int:
        """Trained values."""
        remembered = state_conv(genotype).params if genotype.state else 0
        return self.inner(genotype).params(genotype.chain) + remembered

    def memory_bytes(self, genotype: VideoGenotype) -> int:
        """Peak bytes of float32 activations for one 1280×720 output frame, both states among them."""
        return BYTES * memory.peak_values(genotype.chain, self.border(genotype), *self.input_frame(genotype))

    def multiple(self, genotype: VideoGenotype) -> int:
        """2 or 4 behind a space-to-depth head, else 1; a state has the input's size divided by it."""
        return block(genotype.chain)

    def receptive_radius(self, genotype: VideoGenotype) -> int:
        """Input pixels to each side that an output pixel can depend on, within the frames that are given and the state."""
        return self.inner(genotype).receptive_radius(genotype.chain)

    def kinds_of(self, genotype: VideoGenotype) -> tuple[str, ...]:
        """The operator of each layer."""
        return self.inner(genotype).kinds_of(genotype.chain)

    def exchange(self, genotype: VideoGenotype, position: int, kind: str, rng: np.random.Generator) -> VideoGenotype:
        """Another operator at a layer."""
        return replace(genotype, chain=self.inner(genotype).exchange(genotype.chain, position, kind, rng))

    def parse(self, genes: dict[str, Any]) -> VideoGenotype:
        """The genotype with these genes, canonical."""
        own = [field.name for field in fields(VideoGenotype) if field.name != "chain"]
        form = one_of("form", genes.get("form", "stacked"), FORMS)
        if form == "recurrent":
            outer = self._outer(form, integer("state", genes.get("state"), *STATES))
        else:
            outer = self._outer(form, one_of("window", genes.get("window", self.windows[0]), self.windows))
        for gene, value in ((gene, genes[gene]) for gene in own if gene in genes):
            if value != getattr(outer, gene):
                raise DataError(f"`{gene}` is `{value}`; a {form} network's is {getattr(outer, gene)}.")
        return replace(outer, chain=self.inner(outer).parse({gene: value for gene, value in genes.items() if gene not in own}))

    def describe(self, genotype: VideoGenotype) -> str:
        """One line for people: `3 frames: conv3 16 relu ×5, skip bicubic`, `1 frame and 8 of state: …`."""
        seen = f"1 frame and {genotype.state} of state" if genotype.state else f"{genotype.window} frames"
        return f"{seen}: {self.inner(genotype).describe(genotype.chain)}"

    def _outer(self, form: str, number: int) -> VideoGenotype:
        """A form with its window or state, without a chain."""
        none = MobileGenotype(())
        return VideoGenotype(none, form, 1, number) if form == "recurrent" else VideoGenotype(none, form, number, 0)

    def _draw(self, rng: np.random.Generator) -> VideoGenotype:
        form = pick(rng, FORMS)
        if form == "stacked":
            return self._outer(form, pick(rng, self.windows))
        return self._outer(form, pick(rng, range(STATES[0], STATES[1] + 1, 4)))

    def _with_outer(self, genotype: VideoGenotype, outer: VideoGenotype) -> VideoGenotype:
        return replace(outer, chain=canonical(genotype.chain, self.border(outer)))

    def _neighbours(self, genotype: VideoGenotype) -> Iterator[VideoGenotype]:
        """Chains nearby, and the same one in every form, with every window and with less state.

        Only behind a space-to-depth head can a state cost less than a window, so forms with a state are tried with every head.
        """
        chains = lighter(genotype.chain, MobileSpace.limits)
        yield from (self._with_outer(replace(genotype, chain=chain), genotype) for chain in chains)
        yield from (self._with_outer(genotype, self._outer("stacked", window)) for window in self.windows)
        states = range(STATES[0], genotype.state or STATES[0] + 1)
        folded = [replace(genotype, chain=replace(genotype.chain, head=head)) for head in HEADS]
        yield from (self._with_outer(member, self._outer("recurrent", state)) for state in states for member in folded)

    def _ends(self, end: str, state: int) -> Iterator[VideoGenotype]:
        window = self.windows[0] if end == "smallest" else self.windows[-1]
        for outer in (self._outer("stacked", window), self._outer("recurrent", state)):
            chain = getattr(self.inner(outer), end)()
            yield from (self._with_outer(replace(outer, chain=replace(chain, head=head)), outer) for head in HEADS)

    def _state_macs(self, genotype: VideoGenotype) -> float:
        return state_conv(genotype).weights / block(genotype.chain) ** 2 if genotype.state else 0.0
