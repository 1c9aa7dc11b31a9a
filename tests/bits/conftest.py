"""The briefly trained network of the export room, and the plan that a search for formats begins with."""

from __future__ import annotations

import pytest

from pixsearch.export.config import ExportConfig
from pixsearch.export.onnx import export_float
from pixsearch.export.quantize import plan_of

from ..export.conftest import make, pictures, task, trained  # noqa: F401


@pytest.fixture(scope="session", params=["arm", "portable"])
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def float_path(trained, tmp_path_factory):  # noqa: F811
    network, card = trained
    return export_float(network, card, tmp_path_factory.mktemp("float") / "a.onnx")


@pytest.fixture(scope="session")
def plan(float_path, trained, task, pictures, scheme):  # noqa: F811
    """Not fitted yet."""
    return plan_of(float_path, trained[1], pictures, task, ExportConfig(int8=True, scheme=scheme), fitted=False)
