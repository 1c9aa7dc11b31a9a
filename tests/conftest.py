"""Fixtures for all rooms: the project's photos and one torch thread, so that tests do not fight over cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# What `pixsearch target setup` fetched stays the user's: the tests use it but fetch nothing themselves.
_CACHE = os.environ.get("PIXSEARCH_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pixsearch"
os.environ.setdefault("PIXSEARCH_TARGETS", str(Path(_CACHE) / "targets"))

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def sample_images() -> Path:
    """The openly licensed photos of the project."""
    return ROOT / "sample_images"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("PIXSEARCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a test may be given instead of fetching it."""
    parser.addoption("--ort-android", metavar="FILE.aar", help="ONNX Runtime for Android; else what set-up has fetched, or the test skips")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
