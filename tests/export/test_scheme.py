"""Schemes by name, and which one a model is quantized in."""

from __future__ import annotations

import pytest

from pixsearch.errors import UsageError
from pixsearch.export.scheme import ARM, NNAPI, PORTABLE, X86, choose_scheme, trained_scheme
from pixsearch.registry import SCHEMES


def test_what_they_store():
    assert [SCHEMES.load(name) for name in SCHEMES.names()] == [PORTABLE, ARM, NNAPI, X86]
    assert (ARM.format, ARM.levels) == ("S8S8 QDQ, per channel", (-128, 127))
    assert (PORTABLE.format, PORTABLE.levels) == ("U8U8 QDQ, per tensor", (0, 255))
    assert (NNAPI.format, NNAPI.levels) == (X86.format, X86.levels) == ("U8S8 QDQ, per channel", (0, 255))


def test_a_plain_model_takes_any_and_arm_by_default(make):
    card = make("plain-m1c4")[1]
    assert [choose_scheme(card, asked) for asked in (None, "arm", "portable")] == [ARM, ARM, PORTABLE]
    assert trained_scheme(card) is None
    with pytest.raises(UsageError, match="Did you mean `portable`"):
        choose_scheme(card, "portabel")


def test_a_model_trained_for_int8_takes_its_own_alone(make):
    card = make("plain-m1c4")[1].with_(stage="qat", calibration={"scheme": "portable", "ranges": {}})
    assert choose_scheme(card, None) is choose_scheme(card, "portable") is PORTABLE
    with pytest.raises(UsageError, match="`net qat` was trained for int8 in the scheme `portable`") as caught:
        choose_scheme(card, "arm")
    assert caught.value.exit_code == 2


def test_a_model_trained_for_int8_takes_another_scheme_that_stores_alike(make):
    card = make("plain-m1c4")[1].with_(stage="qat", calibration={"scheme": "nnapi", "ranges": {}})
    assert [choose_scheme(card, asked) for asked in (None, "nnapi", "x86")] == [NNAPI, NNAPI, X86]
    with pytest.raises(UsageError, match="do not suit `arm`"):
        choose_scheme(card, "arm")
