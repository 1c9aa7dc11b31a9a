"""The proof of the convention: bicubic on Set5 and B100 scores what the literature prints, within 0.03 dB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixsearch.pixels.color import rgb_to_y
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.metrics import psnr, ssim
from pixsearch.pixels.resize import rescale

SETS = Path(__file__).parents[2] / ".." / "shared" / "data" / "val"
PSNR_DB = {
    ("Set5", 2): 33.66,
    ("Set5", 3): 30.39,
    ("Set5", 4): 28.42,
    ("B100", 2): 29.56,
    ("B100", 3): 27.21,
    ("B100", 4): 25.96,
}
SSIM = {("Set5", 2): 0.9299, ("B100", 2): 0.8431}

pytestmark = pytest.mark.skipif(not SETS.is_dir(), reason=f"needs the Set5 and B100 folders in {SETS}")


def luma_of_upscaled_rgb(small, scale):
    """Upscale RGB, round to 8 bits, then take Y."""
    return rgb_to_y(rescale(small, scale))


def upscaled_luma(small, scale):
    """Take Y, upscale it, then round to 8 bits."""
    return np.clip(np.round(rescale(rgb_to_y(small), scale)), 0, 255)


def scores(folder, scale, baseline):
    """Mean PSNR and SSIM on Y over the pictures of `folder`, `scale` pixels shaved."""
    results = []
    for path in sorted(folder.iterdir()):
        clean = read_picture(path)
        height, width = (side // scale * scale for side in clean.shape[:2])
        clean = clean[:height, :width]
        truth, output = rgb_to_y(clean), baseline(rescale(clean, 1 / scale), scale)
        results.append((psnr(truth, output, scale), ssim(truth, output, scale)))
    assert len(results) == {"Set5": 5, "B100": 100}[folder.name]
    return np.mean(results, axis=0)


@pytest.mark.parametrize("baseline", [luma_of_upscaled_rgb, upscaled_luma])
@pytest.mark.parametrize(("name", "scale"), PSNR_DB)
def test_bicubic_scores_what_is_published(name, scale, baseline):
    psnr_db, similarity = scores(SETS / name, scale, baseline)
    assert psnr_db == pytest.approx(PSNR_DB[name, scale], abs=0.03)
    if (name, scale) in SSIM:
        assert similarity == pytest.approx(SSIM[name, scale], abs=0.0005)
