"""Small real networks, exported, and real pictures cut out of the project's photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixsearch.infer.session import OnnxModel
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.types import Picture

Models = Callable[..., OnnxModel]

KINDS: dict[str, dict[str, Any]] = {
    "plain": {"layers": [{"op": "conv3", "width": 6, "act": "leaky"}, {"op": "conv3", "width": 6, "act": "relu"}]},
    "s2d4": {"layers": [{"op": "conv3", "width": 6, "act": "relu"}], "head": "s2d4"},
    "s2d": {"layers": [{"op": "conv3", "width": 6, "act": "hardswish"}], "head": "s2d", "skip": "bicubic"},
    "bicubic": {"layers": [{"op": "conv1", "width": 4, "act": "prelu"}], "skip": "bicubic", "tail": 1},
    "bottleneck": {
        "layers": [{"op": "dw5", "width": 6, "act": "relu"}, {"op": "ib3", "width": 6, "act": "leaky", "hidden": 9, "residual": True}]
    },
    "blocks": {
        "space": "erdb",
        "blocks": [{"kind": kind, "convs": 2, "growth": 4, "width": 4} for kind in ("context", "group", "shrink")],
        "width": 4,
    },
    "wide": {"layers": [{"op": "conv1", "width": 64, "act": "relu"}] * 2, "tail": 1},
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """`models("s2d", scale=3, color="rgb")`: a network of this kind with loud random weights, exported and opened."""
    from pixsearch.export.onnx import export_float
    from pixsearch.nn.build import build
    from pixsearch.nn.modelfile import make_card
    from pixsearch.space.base import read_genotype
    from pixsearch.tasks.base import make_task

    folder = tmp_path_factory.mktemp("models")
    opened: dict[tuple[Any, ...], OnnxModel] = {}

    def model(kind: str = "plain", *, scale: int = 2, color: str = "y") -> OnnxModel:
        key = (kind, scale, color)
        if key not in opened:
            task = make_task("sr", scale, color)  # type: ignore[arg-type]
            mobile = {"space": "mobile", "head": "plain", "skip": "nearest", "tail": 3}
            genes = KINDS[kind] if "space" in KINDS[kind] else {**mobile, **KINDS[kind]}
            network = build(read_genotype(genes, task.signature)[1], task.signature, seed=1)
            card = make_card(network, name=kind, stage="trained")
            opened[key] = OnnxModel.open(export_float(network, card, folder / f"{kind}-{scale}-{color}.onnx"))
        return opened[key]

    return model


@pytest.fixture(scope="session")
def photo(sample_images: Path) -> Picture:
    """A detailed part of a photo, uint8 RGB (96, 120, 3)."""
    return read_picture(sample_images / "brushes.png")[200:296, 300:420].copy()
