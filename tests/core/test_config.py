from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import Field

from pixsearch.config import ByteCount, Config, Seconds, differences, known_in, merge, read_yaml, validate
from pixsearch.errors import UsageError
from pixsearch.registry import Registry


class Inner(Config):
    may_change: ClassVar[frozenset[str]] = frozenset({"budget"})
    budget: int = 1
    rate: float = Field(default=0.1, gt=0)


class Outer(Config):
    name: str
    inner: Inner = Inner()


def test_all_faults_are_told_at_once_with_the_closest_name() -> None:
    with pytest.raises(UsageError) as caught:
        validate(Outer, {"inner": {"rat": 1, "rate": -1}}, "`x.yaml`")
    text = str(caught.value)
    assert "`x.yaml` has 3 faults" in text
    assert "`name` is missing" in text
    assert "`inner.rat` is not a setting. Did you mean `rate`?" in text
    assert "`inner.rate` is `-1`" in text


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("name: a\ninner: {rate: 1e-4}\n")
    assert validate(Outer, read_yaml(tmp_path / "x.yaml"), "x").inner.rate == 1e-4


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1", "\x00", "just text"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"x\.yaml"):
        read_yaml(tmp_path / "x.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        read_yaml(tmp_path / "none.yaml")


def test_budgets_of_sections_may_change_and_nothing_else() -> None:
    before, after = Outer(name="a"), Outer(name="b", inner=Inner(budget=5, rate=0.2))
    assert before.changeable() == {"inner.budget"}
    assert differences(before.to_json(), after.to_json(), before.changeable()) == ["inner.rate: 0.1 → 0.2", "name: a → b"]


def test_changes_are_laid_over_section_by_section() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9, "c": None}, "d": None}) == {"a": {"b": 9, "c": 2}, "d": 3}


class Typed(Config):
    time: Seconds = 1.0
    space: ByteCount = 1
    codec: Annotated[str, known_in(Registry("codec", {"json": "json:loads"}))] = "json"


def test_times_sizes_and_names_are_read_as_people_type_them() -> None:
    typed = validate(Typed, {"time": "1.5m", "space": "2KiB", "codec": "json"}, "x")
    assert (typed.time, typed.space, typed.codec) == (90.0, 2048, "json")
    assert validate(Typed, {"time": 7, "space": 8}, "x") == Typed(time=7.0, space=8)


def test_their_faults_are_told_with_the_others() -> None:
    with pytest.raises(UsageError) as caught:
        validate(Typed, {"time": "soon", "space": "big", "codec": "jsn"}, "x")
    assert "x has 3 faults" in str(caught.value)
    for part in ("10m", "2GiB", "no such codec. Did you mean `json`?"):
        assert part in str(caught.value)
