"""What every searchable space promises, whichever it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.errors import DataError, InfeasibleError
from pixsearch.registry import SPACES
from pixsearch.signature import Port, Signature
from pixsearch.space.base import REPAIR_TRIES, BlockSpace, Space, read_genotype

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None, database=None)


def signature(scale: int, color: str, space: str = "mobile") -> Signature:
    """What the space called `space` is offered: five frames by a task of clips, or one picture."""
    channels = 1 if color == "y" else 3
    if space == "video":
        frames = (Port("frames", 5 * channels),)
        return Signature("video-sr", scale, color, frames, Port("output", channels), settings={"window": 5, "length": 5})
    return Signature("sr", scale, color, (Port("input", channels),), Port("output", channels))


def all_spaces() -> list[Space]:
    kinds = [SPACES.load(name) for name in SPACES.names()]
    return [
        kind(signature(scale, color, kind.name)) for kind in kinds if kind.searchable for scale, color in [(2, "y"), (3, "rgb"), (1, "rgb")]
    ]


def name_of(space: Space) -> str:
    return f"{space.name}-x{space.signature.scale}-{space.signature.color}"


def draw(space: Space, rng: np.random.Generator):
    """A member as the search meets them: drawn, varied, crossed."""
    genotype = space.sample(rng)
    for _ in range(int(rng.integers(4))):
        genotype = space.mutate(genotype, rng)
    return space.crossover(genotype, space.sample(rng), rng) if rng.random() < 0.5 else genotype


def price(space: Space, genotype) -> tuple[float, int]:
    return space.macs_per_pixel(genotype), space.params(genotype)


@pytest.mark.parametrize("space", all_spaces(), ids=name_of)
class TestSpace:
    @few
    @given(seed=seeds)
    def test_children_are_members_in_canonical_form(self, space, seed):
        rng = np.random.default_rng(seed)
        first, second = space.sample(rng), space.sample(rng)
        for child in (first, space.mutate(first, rng), space.crossover(first, second, rng), space.shrink(first, rng)):
            assert space.parse(child.genes()) == child

    @few
    @given(seed=seeds)
    def test_mutation_changes_something(self, space, seed):
        rng = np.random.default_rng(seed)
        genotype = draw(space, rng)
        assert space.mutate(genotype, rng) != genotype

    @few
    @given(seed=seeds)
    def test_operators_draw_from_their_generator_alone(self, space, seed):
        assert draw(space, np.random.default_rng(seed)) == draw(space, np.random.default_rng(seed))

    @few
    @given(seed=seeds)
    def test_crossover_of_a_genotype_with_itself_takes_its_genes(self, space, seed):
        rng = np.random.default_rng(seed)
        parent = draw(space, rng)
        before = json.dumps(parent.to_json())
        space.crossover(parent, space.sample(rng), rng)
        assert json.dumps(parent.to_json()) == before

    @few
    @given(seed=seeds)
    def test_blocks_can_be_exchanged_one_by_one(self, space, seed):
        if not isinstance(space, BlockSpace):
            pytest.skip("this space has no blocks to exchange")
        rng = np.random.default_rng(seed)
        genotype = draw(space, rng)
        chain = space.kinds_of(genotype)
        assert chain
        assert set(chain) <= set(space.kinds)
        position, kind = int(rng.integers(len(chain))), space.kinds[int(rng.integers(len(space.kinds)))]
        child = space.exchange(genotype, position, kind, rng)
        assert space.kinds_of(child) == (*chain[:position], kind, *chain[position + 1 :])
        assert space.parse(child.genes()) == child

    @few
    @given(seed=seeds)
    def test_genotypes_survive_json(self, space, seed):
        genotype = draw(space, np.random.default_rng(seed))
        again_space, again = read_genotype(json.loads(json.dumps(genotype.to_json())), space.signature)
        assert again == genotype
        assert hash(again) == hash(genotype)
        assert again.id == genotype.id
        assert again_space.name == space.name

    @few
    @given(seed=seeds)
    def test_costs_are_those_at_the_members_own_border(self, space, seed):
        """What a member takes of the signature is all that it costs depend on: a model file knows no more."""
        genotype = draw(space, np.random.default_rng(seed))
        own = type(space)(space.border(genotype))
        assert own.border(genotype) == space.border(genotype)
        assert own.parse(genotype.genes()) == genotype
        assert price(own, genotype) == price(space, genotype)
        assert own.memory_bytes(genotype) == space.memory_bytes(genotype)
        assert own.receptive_radius(genotype) == space.receptive_radius(genotype)

    @few
    @given(seed=seeds)
    def test_shrinking_gets_cheaper_until_nothing_is(self, space, seed):
        rng = np.random.default_rng(seed)
        genotype = draw(space, rng)
        for _ in range(2 * REPAIR_TRIES):
            smaller = space.shrink(genotype, rng)
            if smaller == genotype:
                break
            assert price(space, smaller) < price(space, genotype)
            genotype = smaller
        assert price(space, genotype) == price(space, space.smallest())

    def test_the_smallest_shrinks_to_itself(self, space):
        assert space.shrink(space.smallest(), np.random.default_rng(0)) == space.smallest()

    @few
    @given(seed=seeds, share=st.floats(0.0, 1.0))
    def test_repair_obeys_its_bounds(self, space, seed, share):
        rng = np.random.default_rng(seed)
        genotype = draw(space, rng)
        low, high = space.macs_per_pixel(space.smallest()), space.macs_per_pixel(genotype)
        bound = low + share * (high - low)
        repaired = space.repair(genotype, lambda g: space.macs_per_pixel(g) <= bound, rng)
        assert space.macs_per_pixel(repaired) <= bound
        assert space.parse(repaired.genes()) == repaired

    def test_repair_reaches_the_smallest_from_the_largest(self, space):
        bound = price(space, space.smallest())
        repaired = space.repair(space.largest(), lambda g: price(space, g) <= bound, np.random.default_rng(0))
        assert price(space, repaired) == bound

    def test_repair_leaves_what_fits_alone(self, space):
        rng = np.random.default_rng(0)
        genotype = space.sample(rng)
        assert space.repair(genotype, lambda g: True, rng) == genotype

    def test_repair_says_when_nothing_fits(self, space):
        rng = np.random.default_rng(0)
        with pytest.raises(InfeasibleError, match="Loosen a bound"):
            space.repair(space.sample(rng), lambda g: False, rng)

    @few
    @given(seed=seeds)
    def test_every_member_lies_between_the_ends(self, space, seed):
        genotype = draw(space, np.random.default_rng(seed))
        low, high = (price(space, end)[0] for end in (space.smallest(), space.largest()))
        assert low <= space.macs_per_pixel(genotype) <= high
        assert space.params(genotype) >= space.params(space.leanest())
        assert space.macs_720p(genotype) == pytest.approx(space.macs_per_pixel(genotype) * 1280 * 720 + space.macs_per_picture(genotype))
        assert space.memory_bytes(genotype) > 0
        assert space.receptive_radius(genotype) % space.multiple(genotype) == 0

    def test_the_ends_are_members(self, space):
        for end in (space.smallest(), space.largest()):
            assert space.parse(end.genes()) == end

    def test_it_is_too_large_to_try_all(self, space):
        assert isinstance(space.size(), int)
        assert space.size() > 1000

    def test_samples_differ(self, space):
        rng = np.random.default_rng(0)
        assert len({space.sample(rng).id for _ in range(50)}) > 40

    def test_an_unknown_gene_is_named(self, space):
        genes = space.smallest().genes()
        with pytest.raises(DataError, match="`colour_of_wings`"):
            space.parse({**genes, "colour_of_wings": 3})

    def test_descriptions_are_one_line(self, space):
        rng = np.random.default_rng(0)
        lines = [space.describe(space.sample(rng)) for _ in range(20)]
        assert all(line and "\n" not in line for line in lines)

    def test_ids_are_the_same_in_another_process(self, space):
        genotypes = [space.sample(np.random.default_rng(seed)) for seed in range(5)]
        program = (
            "import json, sys; from pixsearch.signature import Signature; from pixsearch.space.base import read_genotype\n"
            "signature, genotypes = json.load(sys.stdin)\n"
            "print(*[read_genotype(g, Signature.from_json(signature))[1].id for g in genotypes])"
        )
        given = json.dumps([space.signature.to_json(), [genotype.to_json() for genotype in genotypes]])
        environment = {**os.environ, "PYTHONHASHSEED": "7"}
        done = subprocess.run([sys.executable, "-c", program], input=given, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [genotype.id for genotype in genotypes]
