from __future__ import annotations

import json

import pytest

from pixsearch import registry
from pixsearch.errors import UsageError
from pixsearch.registry import Registry

ALL = [registry.TASKS, registry.SPACES, registry.BUILDERS, registry.STRATEGIES, registry.TARGETS, registry.EXECUTORS]


def test_an_entry_is_imported_when_asked_for() -> None:
    known = Registry("codec", {"json": "json:loads"})
    assert known.load("json") is json.loads


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(UsageError, match=r"no strategy `nsga3`. Did you mean `nsga2`\?"):
        Registry("strategy", {"nsga2": "json:loads", "random": "json:loads"}).load("nsga3")


@pytest.mark.parametrize(("name", "place"), [("json", "json:dumps"), ("new", "json"), ("new", ":dumps")])
def test_a_refused_entry_leaves_the_registry_unchanged(name: str, place: str) -> None:
    known = Registry("codec", {"json": "json:loads"})
    with pytest.raises(UsageError):
        known.add(name, place)
    assert known.names() == ["json"]
    assert known.load("json") is json.loads


@pytest.mark.parametrize("each", ALL, ids=lambda r: r.kind)
def test_every_registered_place_exists(each: Registry) -> None:
    for name in each.names():
        assert callable(each.load(name))
