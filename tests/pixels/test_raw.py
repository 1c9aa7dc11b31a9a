"""Raw frames of every kind become the same mosaic, and what does not fit is named."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from pixsearch.config import validate
from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.pixels.light import to_linear
from pixsearch.pixels.mosaic import unpack
from pixsearch.pixels.raw import RawConfig, read_raw

BLACK, WHITE = 64, 1023
SAID = {"pattern": "rggb", "black": BLACK, "white": WHITE}


def config(**said):
    return validate(RawConfig, {**SAID, **said}, "test")


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(BLACK, WHITE, (24, 32)).astype(np.uint16)


def dng(path, values, *, pattern=(0, 1, 1, 2), neutral=(0.5, 1.0, 0.625)):
    """The least that a DNG has: one strip of 16-bit values and what they mean (Adobe's DNG 1.4)."""
    height, width = values.shape
    matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    entries = {
        254: ("I", [0]), 256: ("I", [width]), 257: ("I", [height]), 258: ("H", [16]), 259: ("H", [1]), 262: ("H", [32803]),
        271: ("s", b"Test\0"), 272: ("s", b"Camera\0"), 273: ("I", [None]), 274: ("H", [1]), 277: ("H", [1]), 278: ("I", [height]),
        279: ("I", [values.nbytes]), 284: ("H", [1]), 33421: ("H", [2, 2]), 33422: ("B", list(pattern)), 50706: ("B", [1, 4, 0, 0]),
        50707: ("B", [1, 1, 0, 0]), 50708: ("s", b"Test Camera\0"), 50714: ("H", [BLACK]), 50717: ("I", [WHITE]),
        50721: ("r", matrix), 50728: ("R", neutral), 50778: ("H", [21]),
    }  # fmt: skip
    codes = {"B": 1, "s": 2, "H": 3, "I": 4, "R": 5, "r": 10}
    start = 8 + 2 + 12 * len(entries) + 4
    table, rest, place_of_offset = b"", b"", None
    for tag, (kind, content) in entries.items():
        if kind == "s":
            data, count = content, len(content)
        elif kind in "Rr":
            data = b"".join(struct.pack("<II" if kind == "R" else "<ii", round(value * 1000), 1000) for value in content)
            count = len(content)
        else:
            data, count = b"".join(struct.pack(f"<{kind}", value or 0) for value in content), len(content)
        if tag == 273:
            place_of_offset = 8 + 2 + len(table) + 8
        if len(data) > 4:
            table += struct.pack("<HHII", tag, codes[kind], count, start + len(rest))
            rest += data + b"\0" * (len(data) % 2)
        else:
            table += struct.pack("<HHI", tag, codes[kind], count) + data.ljust(4, b"\0")
    whole = bytearray(b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + table + struct.pack("<I", 0) + rest)
    whole[place_of_offset : place_of_offset + 4] = struct.pack("<I", len(whole))
    path.write_bytes(bytes(whole) + values.astype("<u2").tobytes())
    return path


def plain(path, values):
    values.astype("<u2").tofile(path)
    return path


def saved(path, values):
    np.save(path, values)
    return path


KINDS = {
    "plain": lambda folder, values: plain(folder / "a.raw", values),
    "npy": lambda folder, values: saved(folder / "a.npy", values),
    "planes last": lambda folder, values: saved(folder / "b.npy", packed_by_rows(values, -1)),
    "planes first": lambda folder, values: saved(folder / "c.npy", packed_by_rows(values, 0)),
}


def packed_by_rows(values, axis):
    return np.stack([values[row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=axis)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_mosaic(kind, values, tmp_path):
    frame = read_raw(KINDS[kind](tmp_path, values), config(size="32x24"))
    assert np.array_equal(frame.values, values)
    assert (frame.pattern, frame.black, frame.white, frame.size) == ("rggb", BLACK, WHITE, (24, 32))


@pytest.mark.parametrize(
    ("order", "pattern"), [((0, 1, 1, 2), "rggb"), ((1, 0, 2, 1), "grbg"), ((1, 2, 0, 1), "gbrg"), ((2, 1, 1, 0), "bggr")]
)
def test_a_dng_says_everything_itself(order, pattern, values, tmp_path):
    pytest.importorskip("rawpy", reason="needs the extra `raw`")
    large = np.tile(values, (4, 4))
    frame = read_raw(dng(tmp_path / "a.dng", large, pattern=order), RawConfig())
    assert np.array_equal(frame.values, large)
    assert (frame.pattern, frame.black, frame.white) == (pattern, BLACK, WHITE)
    assert frame.balance == pytest.approx((2.0, 1.0, 1.6), rel=1e-3)
    own = read_raw(tmp_path / "a.dng", validate(RawConfig, {"black": 10, "balance": "3,1,2"}, "test"))
    assert (own.black, own.balance) == (10, (3, 1, 2))


@pytest.mark.parametrize(("pattern", "before"), [("rggb", (0, 0)), ("grbg", (0, 1)), ("gbrg", (1, 0)), ("bggr", (1, 1))])
@pytest.mark.parametrize("size", [(24, 32), (23, 31)])
def test_every_pattern_is_led_back_to_one(pattern, before, size, tmp_path):
    """A scene of one red, green and blue looks the same behind each, at even and odd sides."""
    colors = {"r": 200, "g": 500, "b": 900}
    tile = np.array([colors[letter] for letter in pattern], np.uint16).reshape(2, 2)
    mosaic = np.tile(tile, (12, 16))[: size[0], : size[1]]
    frame = read_raw(saved(tmp_path / "a.npy", mosaic), config(pattern=pattern, balance="1,1,1"))
    levels, offset = frame.levels()
    assert offset == before
    wanted = (np.array([200, 500, 900, 500]) - BLACK) / (WHITE - BLACK)
    np.testing.assert_allclose(to_linear(levels / 255), np.broadcast_to(wanted, levels.shape), atol=1e-4)
    assert 2 * levels.shape[0] >= size[0] + before[0]
    assert 2 * levels.shape[1] >= size[1] + before[1]


def test_values_keep_their_places(values, tmp_path):
    levels, (top, left) = read_raw(saved(tmp_path / "a.npy", values), config(pattern="bggr", balance="1,1,1")).levels()
    mosaic = unpack(np.moveaxis(levels, -1, 0))[top : top + 24, left : left + 32]
    np.testing.assert_allclose(to_linear(mosaic / 255), (values - BLACK) / (WHITE - BLACK), atol=1e-4)


def test_without_a_balance_the_frame_is_grey_on_average(tmp_path):
    rng = np.random.default_rng(1)
    scene = rng.random((40, 40)).astype(np.float32)
    mosaic = BLACK + scene * np.tile([[180, 400], [400, 90]], (20, 20))
    levels, _ = read_raw(saved(tmp_path / "a.npy", mosaic), config()).levels()
    means = to_linear(levels / 255).mean((0, 1))
    assert means == pytest.approx([means[1]] * 4, rel=0.06)


def test_what_is_saturated_stays_white(tmp_path):
    mosaic = np.full((8, 8), WHITE, np.uint16)
    levels, _ = read_raw(saved(tmp_path / "a.npy", mosaic), config(balance="2,1,1.5")).levels()
    assert np.allclose(levels, 255, atol=1e-3)


FAULTS = {
    "no size": (lambda folder, values: plain(folder / "a.raw", values), {}, UsageError, "Give it by `--raw-size WIDTHxHEIGHT`"),
    "wrong size": (lambda folder, values: plain(folder / "a.raw", values), {"size": "30x24"}, DataError, "but 30×24 are 720"),
    "a photo": (lambda folder, values: folder / "a.png", {}, DataError, "is no raw frame"),
    "no file": (lambda folder, values: folder / "a.npy", {}, DataError, "cannot be read"),
    "an archive": (lambda folder, values: archive(folder / "a.npy", values), {}, DataError, "no array that can be read"),
    "text": (lambda folder, values: saved(folder / "a.npy", np.array([["a"] * 8] * 8)), {}, DataError, "holds <U1"),
    "a picture": (lambda folder, values: saved(folder / "a.npy", np.zeros((8, 8, 3))), {}, DataError, r"shape \(8, 8, 3\)"),
    "too small": (lambda folder, values: saved(folder / "a.npy", values[:2, :2]), {}, DataError, "at least 4×4"),
    "black above white": (lambda folder, values: saved(folder / "a.npy", values), {"black": 2000}, UsageError, "not below the white level"),
    "not a number": (lambda folder, values: saved(folder / "a.npy", values * np.nan), {}, DataError, "values that are no numbers"),
}  # fmt: skip


def archive(path, values):
    path.write_bytes(b"PK\x03\x04 not really")
    return path


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_named(fault, values, tmp_path):
    make, said, kind, message = FAULTS[fault]
    with pytest.raises(kind, match=message):
        read_raw(make(tmp_path, values), config(**said))


def test_what_is_not_known_is_asked_for_at_once(values, tmp_path):
    with pytest.raises(UsageError, match="Give `--raw-pattern` and `--raw-white`"):
        read_raw(saved(tmp_path / "a.npy", values), RawConfig(black=3))


def test_a_damaged_dng_is_a_data_error(tmp_path):
    pytest.importorskip("rawpy", reason="needs the extra `raw`")
    (tmp_path / "a.dng").write_bytes(b"II*\0nothing")
    with pytest.raises(DataError, match="Is it a raw photo"):
        read_raw(tmp_path / "a.dng", RawConfig())


def test_without_rawpy_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    with pytest.raises(MachineError, match=r"pip install 'pixsearch\[raw\]'"):
        read_raw(tmp_path / "a.dng", RawConfig())


@pytest.mark.parametrize(("name", "value"), [("size", "7"), ("size", "0x4"), ("balance", "1,2"), ("balance", "1,0,1"), ("pattern", "rgb")])
def test_faults_of_what_is_said_are_usage_errors(name, value):
    with pytest.raises(UsageError, match=f"`{name}"):
        config(**{name: value})
