"""Folders of real photos to break, and a recorder of events."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixsearch.data.photo import Photo
from pixsearch.pixels.files import read_picture, write_picture


class Notes(list):
    """A `note` that keeps what it is told, as the JSON it would become."""

    def __call__(self, kind, **fields):
        self.append(json.loads(json.dumps({"kind": kind, **fields}, allow_nan=False)))

    def of(self, kind):
        return [event for event in self if event["kind"] == kind]


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture(scope="session")
def clips(sample_images):
    """One 200×160 view of each sample photo: fourteen different pictures."""
    pictures = [read_picture(path) for path in sorted(sample_images.glob("*.png"))]
    return [cv2.resize(picture, (200, 160), interpolation=cv2.INTER_AREA) for picture in pictures]


@pytest.fixture
def folder(tmp_path, clips):
    """Six different photos, nested."""
    places = ["a.png", "b.png", "trip/c.png", "trip/day 2/d.webp", "e.jpg", "f.bmp"]
    for place, clip in zip(places, clips, strict=False):
        write(tmp_path / "photos" / place, clip)
    return tmp_path / "photos"


@pytest.fixture
def store(tmp_path):
    """A cache folder of the test's own."""
    return tmp_path / "store"


def write(path: Path, picture: np.ndarray, quality: int = 95) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, picture, quality=quality)
    return path


@pytest.fixture(name="write")
def write_fixture():
    return write


@pytest.fixture
def entry():
    """Index entries of photos that need not exist."""

    def make(digest, *, group=None, phash=0, path=None, size=(200, 100), reduce=1):
        return Photo(Path(path or f"{digest}.png"), digest, *size, "PNG", 1, 1, reduce, "", phash, group or digest)

    return make
