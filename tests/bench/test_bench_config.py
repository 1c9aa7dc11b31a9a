from __future__ import annotations

import pytest

from pixsearch.bench.config import BenchConfig
from pixsearch.config import validate
from pixsearch.errors import UsageError


def settings(**given):
    return validate(BenchConfig, {"images": ["photos"], **given}, "bench")


def test_settings_as_people_type_them():
    config = settings(threads="1, 2,2", size="640×360", cache_cap_bytes="2GB", target="local")
    assert config.threads == (1, 2)
    assert config.size == "640x360"
    assert config.cache_cap_bytes == 2_000_000_000
    assert str(config.spec(2)) == "local/640x360/float/2t"


def test_settings_survive_their_record():
    config = settings(threads="1,2", cache="here")
    assert validate(BenchConfig, config.to_json(), "record") == config


def test_pictures_are_not_reduced_unless_asked():
    assert settings().data().reduce == "1"
    assert settings(reduce="2").data().reduce == "2"


def test_all_faults_at_once():
    with pytest.raises(UsageError) as caught:
        validate(BenchConfig, {"threads": "1,0", "size": "big", "target": "lcoal", "cache_cap_bytes": "much", "rouns": 3}, "bench")
    text = str(caught.value)
    for says in (
        "6 faults",
        "`images` is missing",
        "1,0",
        "`big` is not a size",
        "Did you mean `local`",
        "`much`",
        "Did you mean `rounds`",
    ):
        assert says in text


@pytest.mark.parametrize("threads", ["", "two", "1.5", [], "-1"])
def test_strange_thread_counts(threads):
    with pytest.raises(UsageError, match="threads"):
        settings(threads=threads)


def test_a_target_with_more_than_a_target_is_refused():
    with pytest.raises(UsageError, match="names more than a target"):
        settings(target="local/640x360")
