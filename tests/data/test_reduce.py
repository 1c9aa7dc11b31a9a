from __future__ import annotations

import pytest

from pixsearch.data.reduce import choose_reduction
from pixsearch.errors import UsageError

CASES = [
    ("JPEG", 481, 321, 1),
    ("JPEG", 1600, 1200, 1),
    ("JPEG", 2040, 1356, 2),
    ("JPEG", 4000, 3000, 2),
    ("JPEG", 6000, 4000, 4),
    ("JPEG", 8000, 6000, 4),
    ("PNG", 8000, 6000, 1),
    ("WebP", 4000, 3000, 1),
    ("JPEG", 30_000, 100, 1),
    ("JPEG", 200_000, 130, 2),
]


@pytest.mark.parametrize(("format_", "width", "height", "factor"), CASES)
def test_auto_reduces_what_cameras_write(format_, width, height, factor):
    chosen, reason = choose_reduction("auto", format_, width, height, min_side=64)
    assert chosen == factor
    assert bool(reason) == (factor > 1)


def test_reason_tells_the_size():
    assert "JPEG of 12.0 MP" in choose_reduction("auto", "JPEG", 4000, 3000, 64)[1]


@pytest.mark.parametrize("asked", ["1", "2", "4"])
def test_what_is_asked_for_holds_for_every_photo(asked):
    assert choose_reduction(asked, "PNG", 100, 100, 64) == (int(asked), "" if asked == "1" else "asked for")


def test_another_factor_is_a_usage_error():
    with pytest.raises(UsageError, match="`3` is no way to reduce photos. Give `--reduce` one of auto, 1, 2, 4"):
        choose_reduction("3", "PNG", 100, 100, 64)
