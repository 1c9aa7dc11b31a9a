"""Small photos of the project, cut so that a chain of stages takes seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import pytest

sys.path.insert(0, str(Path(__file__).parent))

CUTS = {
    "train": ["astronaut", "flower", "life", "brushes", "wine"],
    "select": ["coffee", "aitzgorri"],
    "report": ["china", "chelsea", "fig"],
}


@pytest.fixture(scope="session")
def photos(sample_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train/, select/ and report/: 192×160 cuts of sample_images."""
    root = tmp_path_factory.mktemp("photos")
    for role, names in CUTS.items():
        (root / role).mkdir()
        for name in names:
            picture = cv2.imread(str(sample_images / f"{name}.png"))
            assert picture is not None
            top, left = picture.shape[0] // 3, picture.shape[1] // 3
            cv2.imwrite(str(root / role / f"{name}.png"), picture[top : top + 160, left : left + 192])
    return root
