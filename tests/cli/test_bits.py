"""`export --bits search` from a trained model to a mixed file, gone on with, and what it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import pixsearch

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "benchmarks" / "models" / "plain-m4c16-x2-seed0.safetensors"


@pytest.mark.slow
def test_a_mixed_file_on_this_machine_and_on_with_it(sample_images: Path, tmp_path: Path) -> None:
    photos = [part for name in ("chelsea", "rocket") for part in ("--calibrate", sample_images / f"{name}.png")]
    asked = ["--bits", "search", "--target", "local/64x48", "--extra-latency", "10000%", "--evaluations", 2, *photos, "--gate", 0.5]
    done = pixsearch("export", MODEL, *asked, "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    [plain, mixed] = [Path(file).name for file in done.document["files"]]
    assert mixed == plain.replace(".onnx", ".mixed.onnx")
    assert "measured on local" in done.err
    more = pixsearch("export", "--resume", tmp_path, "--evaluations", 3)
    assert more.code == 0, more.err
    assert "chose formats out of 3 mixtures: 6 × float" in more.err + more.out
    assert pixsearch("report", tmp_path).code == 0
    page = (tmp_path / "report.html").read_text()
    assert "loss against latency of 3 mixtures" in page


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--evaluations", 3, "--target", "local"], "`--target`, `--evaluations` would have no effect"),
        (["--bits", "8"], "`--bits 8` is not known"),
        (["--bits", "search", "--device", "raspberry-pi-5", "--target", "local"], "both say where"),
        (["--bits", "search", "--fp16"], "fp16 has no part in it"),
        (["--bits", "search", "--formats", "int8,int7", "--extra-latency", "x"], "`bits.extra_latency` is `x`"),
    ],
)
def test_what_cannot_be_asked_for(options: list[object], said: str, sample_images: Path, tmp_path: Path) -> None:
    ended = pixsearch("export", MODEL, *options, "--calibrate", sample_images / "chelsea.png", "--out", tmp_path / "run")
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert not (tmp_path / "run").exists()


def test_a_target_without_its_tools(sample_images: Path, tmp_path: Path) -> None:
    asked = ["--bits", "search", "--target", "arm64:a76", "--calibrate", sample_images / "chelsea.png", "--out", tmp_path / "run"]
    ended = pixsearch("export", MODEL, *asked, PIXSEARCH_TARGETS=str(tmp_path / "none"))
    assert ended.code == 6
    assert "pixsearch target setup arm64" in ended.err
    assert not (tmp_path / "run").exists()
