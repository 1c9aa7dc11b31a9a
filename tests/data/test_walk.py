from __future__ import annotations

from pathlib import Path

import pytest

from pixsearch.data.walk import find_files
from pixsearch.errors import DataError


@pytest.fixture
def tree(tmp_path):
    for place in ("b.png", "a.png", "in/ner/c.png", "in/d.png"):
        (tmp_path / "tree" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / place).write_bytes(b"x")
    return tmp_path / "tree"


def names(root, paths):
    return [path.relative_to(root).as_posix() for path in paths]


def reasons(rejected):
    return {item.path.name: item.reason for item in rejected}


def test_everything_is_found_in_a_stable_order(tree):
    files, rejected = find_files([tree])
    assert names(tree, files) == ["a.png", "b.png", "in/d.png", "in/ner/c.png"]
    assert rejected == []


def test_files_may_be_named_themselves_and_nothing_is_found_twice(tree):
    files, rejected = find_files([tree / "b.png", tree, tree / "in" / ".." / "a.png", tree / "in"])
    assert names(tree, files) == ["b.png", "a.png", "in/d.png", "in/ner/c.png"]
    assert rejected == []


def test_deep_nesting_is_no_obstacle(tmp_path):
    place = tmp_path
    for _ in range(600):
        place = place / "d"
        place.mkdir()
    (place / "x.png").write_bytes(b"x")
    files, rejected = find_files([tmp_path])
    assert [path.name for path in files] == ["x.png"]
    assert rejected == []


def test_excluded_paths_are_not_looked_at(tree):
    files, _ = find_files([tree], exclude=[tree / "in", tree / "a.png"])
    assert names(tree, files) == ["b.png"]


def test_loop_is_named_and_the_walk_ends(tree):
    (tree / "in" / "ner" / "up").symlink_to(tree)
    files, rejected = find_files([tree])
    assert len(files) == 4
    assert reasons(rejected) == {"up": f"is a symlink loop: it leads back to `{tree}`."}


def test_link_to_itself_is_named(tree):
    (tree / "self").symlink_to(tree / "self")
    files, rejected = find_files([tree])
    assert len(files) == 4
    assert reasons(rejected)["self"].startswith("is a symlink loop")


def test_broken_link_is_named_with_its_target(tree):
    (tree / "lost.png").symlink_to("nowhere.png")
    _, rejected = find_files([tree])
    assert reasons(rejected) == {"lost.png": "is a broken link: `nowhere.png` does not exist."}


def test_second_way_into_a_folder_is_named(tree):
    (tree / "z").symlink_to(tree / "in")
    files, rejected = find_files([tree])
    assert len(files) == 4
    assert reasons(rejected) == {"z": f"leads to `{tree / 'in'}`, which is read already."}


def test_link_to_a_folder_elsewhere_is_followed(tree, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "o.png").write_bytes(b"x")
    (tree / "linked").symlink_to(tmp_path / "other")
    files, _ = find_files([tree])
    assert tree / "linked" / "o.png" in files


def test_hidden_folder_is_named(tree):
    (tree / ".thumbs").mkdir()
    (tree / ".thumbs" / "t.png").write_bytes(b"x")
    (tree / ".h.png").write_bytes(b"x")
    files, rejected = find_files([tree])
    assert names(tree, files)[0] == ".h.png"
    assert reasons(rejected) == {".thumbs": "is a hidden folder and was not looked into."}


def test_sources_that_do_not_exist_are_all_named(tree):
    with pytest.raises(DataError, match=r"There is no `.*gone`, `.*lost`\. Check the path"):
        find_files([tree, tree / "gone", Path("lost")])
