from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import pytest

from pixsearch.data.index import scan
from pixsearch.data.photo import read_clean, short_names
from pixsearch.errors import DataError
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.resize import resize

NAMES = [
    (["p/a.png", "p/b.png"], ["a", "b"]),
    (["p/a.png"], ["a"]),
    (["p/x/a.png", "p/y/a.png", "p/b.png"], ["x/a", "y/a", "b"]),
    (["1/x/a.png", "2/x/a.png", "2/b.png"], ["1/x/a", "2/x/a", "b"]),
    (["p/a.png", "p/a.jpg", "p/b.png"], ["p/a.png", "p/a.jpg", "b"]),
    (["/a.png", "/b/a.png"], ["/a", "b/a"]),
    ([], []),
]


@pytest.mark.parametrize(("paths", "names"), NAMES)
def test_names_are_as_short_as_they_can_be_and_differ(paths, names):
    assert short_names([PurePosixPath(path) for path in paths]) == names


def test_pixels_are_the_files_own(folder, clips):
    photo = scan([folder / "a.png"]).photos[0]
    assert np.array_equal(read_clean(photo), clips[0])


def test_reduction_is_antialiased_and_cropped_to_a_multiple(tmp_path, clips, write):
    write(tmp_path / "odd.png", clips[3][:159, :199])
    photo = scan([tmp_path], reduce="2").photos[0]
    assert np.array_equal(read_clean(photo), resize(clips[3][:158, :198], 79, 99))
    assert photo.used_size == (99, 79)


def test_file_that_changed_or_vanished_is_not_read(folder, write, clips):
    changed, gone = scan([folder / "a.png", folder / "b.png"]).photos
    write(folder / "a.png", clips[9])
    (folder / "b.png").unlink()
    with pytest.raises(DataError, match=r"a\.png` has changed since it was indexed"):
        read_clean(changed)
    with pytest.raises(DataError, match=r"b\.png` has vanished since it was indexed"):
        read_clean(gone)


def test_upright_size_is_what_is_read(sample_images):
    photo = scan([sample_images / "chelsea.png"]).photos[0]
    assert read_picture(photo.path).shape[:2] == (photo.height, photo.width)
