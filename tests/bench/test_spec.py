from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixsearch.bench.spec import LatencySpec
from pixsearch.errors import UsageError

specs = st.builds(
    LatencySpec,
    target=st.sampled_from(["local"]),
    height=st.integers(1, 5000),
    width=st.integers(1, 5000),
    precision=st.sampled_from(["float", "int8"]),
    threads=st.integers(1, 9999),
)


@given(specs)
def test_full_form_reads_back(spec):
    assert LatencySpec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("local", "local/1280x720/float/1t"),
        ("local/int8", "local/1280x720/int8/1t"),
        ("local/2t/640×360", "local/640x360/float/2t"),
        (" local / 1920x1080 / int8 / 4t ", "local/1920x1080/int8/4t"),
    ],
)
def test_missing_parts_get_defaults_in_any_order(text, full):
    assert str(LatencySpec.parse(text)) == full


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lcoal", "Did you mean `local`"),
        ("", "There is no target ``"),
        ("local/flaot", "Did you mean `float`"),
        ("local/", "`` (in `local/`)"),
        ("local/0t", "`0t`"),
        ("local/1280x", "`1280x` is not a size"),
        ("local/0x720", "`0x720` is not a size"),
        ("local/float/int8", "its precision twice"),
        ("local/1t/2t", "its threads twice"),
        ("local/100x100/200x200", "its height twice"),
        ("local/99999x99999", "megapixels"),
        ("local/12 80x720", "`12 80x720`"),
    ],
)
def test_malformed_specs_name_the_part(text, says):
    with pytest.raises(UsageError) as caught:
        LatencySpec.parse(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("scale", "multiple", "size"),
    [(2, 1, (360, 640)), (3, 1, (240, 426)), (4, 1, (180, 320)), (2, 2, (360, 640)), (3, 4, (240, 428)), (1, 1, (720, 1280))],
)
def test_input_is_the_output_divided_rounded_down_and_padded(scale, multiple, size):
    assert LatencySpec("local").input_size(scale, multiple) == size


def test_an_output_smaller_than_an_input_pixel_is_refused():
    with pytest.raises(UsageError, match="smaller than one input pixel"):
        LatencySpec("local", 2, 100).input_size(3)
