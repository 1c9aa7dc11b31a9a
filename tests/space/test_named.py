"""Networks known by name, and the published figures they are known for."""

from __future__ import annotations

import numpy as np
import pytest

from pixsearch.errors import DataError, UsageError
from pixsearch.signature import Port, Signature
from pixsearch.space.base import read_genotype
from pixsearch.space.named import KNOWN, default_branches, named
from pixsearch.space.reference import ReferenceSpace, convolutions

SR = Signature("sr", 2, "y", (Port("input", 1),), Port("output", 1))

# Name, multiply-adds for a 1280×720 output, weights and biases and slopes.
FIGURES = [
    ("plain-m4c16", 2.2892544e9, 10_020),
    ("ecbsr-m4c16", 2.2892544e9, 10_100),
    ("fsrcnn", 2.8717056e9, 12_809),
    ("espcn", 4.8807936e9, 21_284),
]


@pytest.mark.parametrize(("name", "macs", "params"), FIGURES)
def test_figures(name, macs, params):
    space, genotype = named(name, SR)
    assert space.macs_720p(genotype) == pytest.approx(macs, rel=1e-12)
    assert space.params(genotype) == params


@pytest.mark.parametrize(("name", "weights"), [("fsrcnn", 12_464), ("espcn", 21_184)])
def test_published_parameters_count_weights_alone(name, weights):
    _, genotype = named(name, SR)
    assert sum(conv.weights for conv in convolutions(genotype, SR)) == weights


@pytest.mark.parametrize("name", KNOWN)
def test_named_networks_survive_json(name):
    space, genotype = named(name, SR)
    again_space, again = read_genotype(genotype.to_json(), SR)
    assert again == genotype
    assert type(again_space) is type(space)
    assert space.describe(genotype)


def test_families_take_any_numbers():
    space, genotype = named("plain-m2c7", SR)
    assert space.describe(genotype) == "conv3 7 leaky ×3, skip nearest"
    assert named("ecbsr-m10c32", SR)[1].layers[-1].act == "prelu"


@pytest.mark.parametrize(
    ("name", "message"),
    [("fsrcn", "Did you mean `fsrcnn`"), ("plain-m4", "plain-m4c16"), ("plain-m12c16", "m11c64"), ("plain-m4c65", "m11c64"), ("", "Known")],
)
def test_unknown_names_are_refused(name, message):
    with pytest.raises(UsageError, match=message):
        named(name, SR)


def test_ecbsr_trains_in_branches():
    assert default_branches("ecbsr-m4c16") == "ecb"
    assert default_branches("plain-m4c16") == "none"
    assert default_branches("fsrcnn") == "none"


class TestReference:
    space = ReferenceSpace(SR)

    def test_it_is_not_searched(self):
        genotype, rng = self.space.smallest(), np.random.default_rng(0)
        for attempt in (
            lambda: self.space.sample(rng),
            lambda: self.space.mutate(genotype, rng),
            lambda: self.space.crossover(genotype, genotype, rng),
            lambda: self.space.shrink(genotype, rng),
        ):
            with pytest.raises(UsageError, match="cannot be searched"):
                attempt()

    def test_ends(self):
        assert self.space.smallest().name == "fsrcnn"
        assert self.space.largest().name == "espcn"
        assert self.space.size() == 2

    def test_only_for_super_resolution(self):
        with pytest.raises(UsageError, match="`denoise`"):
            ReferenceSpace(Signature("denoise", 1, "rgb", (Port("input", 3),), Port("output", 3)))

    def test_unknown_names_are_named(self):
        with pytest.raises(DataError, match="`espnc`.*Did you mean `espcn`"):
            self.space.parse({"name": "espnc"})
