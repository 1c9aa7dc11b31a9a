"""The hash must see through re-encoding and small motion, and keep different photos apart."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.data.phash import NEAR, distance, groups, near_pairs, perceptual_hash
from pixsearch.pixels.resize import rescale


def encoded(picture, quality):
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def shaken(picture, share):
    """The next frame of a burst: moved by a share of the frame, with other noise."""
    dy, dx = (max(1, round(side * share)) for side in picture.shape[:2])
    noise = np.random.default_rng(1).normal(0, 3, picture[dy:, dx:].shape)
    return np.clip(picture[dy:, dx:] + noise, 0, 255).astype(np.uint8)


SAME = {
    "quality 40": lambda picture: encoded(picture, 40),
    "half size": lambda picture: rescale(picture, 0.5),
    "half size, quality 40": lambda picture: encoded(rescale(picture, 0.5), 40),
    "brighter": lambda picture: cv2.convertScaleAbs(picture, alpha=1.05, beta=8),
    "darker": lambda picture: cv2.convertScaleAbs(picture, alpha=0.9),
    "burst": lambda picture: shaken(picture, 0.01),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_the_same_photo_stays_near(clips, change):
    for clip in clips:
        assert distance(perceptual_hash(clip), perceptual_hash(change(clip))) <= NEAR


def test_different_photos_are_not_near(clips):
    hashes = [perceptual_hash(clip) for clip in clips]
    assert min(distance(a, b) for a, b in itertools.combinations(hashes, 2)) > NEAR
    assert groups(hashes) == list(range(len(clips)))


def test_hash_is_a_number_of_64_bits_for_any_size(clips):
    for size in ((1, 1), (3, 700), (33, 32)):
        assert 0 <= perceptual_hash(cv2.resize(clips[0], size)) < 2**64


HASHES = st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 3, 7, 2**64 - 1, 2**63]), max_size=12)


@settings(deadline=None)
@given(hashes=HASHES, near=st.integers(0, 64))
def test_near_pairs_are_exactly_those_within_the_distance(hashes, near):
    expected = [(a, b) for a, b in itertools.combinations(range(len(hashes)), 2) if distance(hashes[a], hashes[b]) <= near]
    assert sorted(near_pairs(hashes, near)) == expected


def test_near_pairs_reach_across_blocks():
    hashes = [int(value) for value in np.random.default_rng(0).integers(0, 2**63, 2500)]
    hashes[2400] = hashes[3] ^ 0b1011
    assert list(near_pairs(hashes)) == [(3, 2400)]


def test_groups_are_closed_under_nearness():
    chain = [0, 2**10 - 1, 2**20 - 1, 2**30 - 1]  # each 10 bits from the next, the ends 30 apart
    far = 2**64 - 2**40
    assert groups([far, *chain[::-1], far + 1]) == [0, 1, 1, 1, 1, 0]
