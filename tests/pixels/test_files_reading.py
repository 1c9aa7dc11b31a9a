"""Every readable file becomes upright RGB; every other one is named with its reason."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from pixsearch.errors import DataError
from pixsearch.pixels.files import probe, read_decoded, read_picture

LOSSLESS = {"PNG": {}, "TIFF": {}, "BMP": {}, "PPM": {}, "WEBP": {"lossless": True}}


def colours(height=17, width=29, channels=3, dtype=np.uint8):
    top = int(np.iinfo(dtype).max)
    return np.random.default_rng(1).integers(0, top, (height, width, channels), dtype=dtype, endpoint=True)


def smooth(height=96, width=128):
    return cv2.GaussianBlur(colours(height, width), (0, 0), 2)


def encoded(pixels, kind, **options):
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, kind, **options)
    return stream.getvalue()


def oriented(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif.tobytes()


def saved(path, content):
    path.write_bytes(content)
    return path


def deep_png(pixels):
    """A PNG of RGB(A) uint16 samples."""
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return cv2.imencode(".png", pixels[..., order])[1].tobytes()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_return_every_sample(tmp_path, kind):
    path = saved(tmp_path / "photo", encoded(colours(), kind, **LOSSLESS[kind]))
    picture = read_picture(path)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    np.testing.assert_array_equal(picture, colours())
    assert probe(path) == (29, 17, {"PPM": "PNM", "WEBP": "WebP"}.get(kind, kind))


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {"quality": 90}), ("GIF", {})])
def test_lossy_formats_are_close_to_what_pillow_reads(tmp_path, kind, options):
    content = encoded(smooth(), kind, **options)
    path = saved(tmp_path / "photo", content)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.abs(read_picture(path).astype(int) - expected).max() <= 4
    assert probe(path)[:2] == (128, 96)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_every_png_mode_becomes_rgb(tmp_path, mode):
    image = Image.fromarray(colours()).convert("L").convert("LA") if mode == "LA" else Image.fromarray(colours()).convert(mode)
    decoded = read_decoded(saved(tmp_path / "photo.png", encoded(image, "PNG")))
    np.testing.assert_array_equal(decoded.pixels, np.asarray(image.convert("RGB")))
    assert decoded.grey == (mode in ("L", "1", "LA"))
    assert (decoded.alpha is not None) == (mode in ("LA", "RGBA"))


def test_sixteen_bits_are_rounded_not_cut(tmp_path):
    every_level = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = saved(tmp_path / "levels.png", cv2.imencode(".png", every_level)[1].tobytes())
    decoded = read_decoded(path)
    assert decoded.pixels.dtype == np.uint16
    assert decoded.grey
    np.testing.assert_array_equal(decoded.pixels[..., 1], every_level)
    expected = np.floor(every_level * 255.0 / 65535 + 0.5)
    np.testing.assert_array_equal(read_picture(path), np.dstack([expected] * 3))


def test_depth_and_alpha_are_kept_for_those_who_ask(tmp_path):
    pixels = colours(channels=4, dtype=np.uint16)
    path = saved(tmp_path / "deep.png", deep_png(pixels))
    decoded = read_decoded(path)
    np.testing.assert_array_equal(decoded.pixels, pixels[..., :3])
    np.testing.assert_array_equal(decoded.alpha, pixels[..., 3])
    assert not decoded.grey
    assert read_picture(path).shape == (17, 29, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("PNG", "TIFF", "WEBP") for mode in ("RGB", "RGBA", "L", "I;16") if (kind, mode) != ("WEBP", "I;16")]
    + [("JPEG", "RGB"), ("JPEG", "L")],
)
def test_orientation_is_honoured_at_every_depth(tmp_path, kind, mode, orientation):
    image = Image.fromarray(smooth()[..., 0].astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(smooth()).convert(mode)
    content = encoded(image, kind, exif=oriented(orientation), **LOSSLESS.get(kind, {"quality": 95}))
    path = saved(tmp_path / "turned", content)
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    expected = np.asarray(shown) // 257 if mode == "I;16" else np.asarray(shown.convert("RGB")).astype(int)
    picture = read_picture(path)
    assert np.abs(picture - (expected[..., np.newaxis] if expected.ndim == 2 else expected)).max() <= (4 if kind == "JPEG" else 0)
    assert probe(path)[:2] == picture.shape[1::-1]


def test_alpha_turns_with_the_picture(tmp_path):
    content = encoded(colours(channels=4), "PNG", exif=oriented(6))
    decoded = read_decoded(saved(tmp_path / "turned.png", content))
    np.testing.assert_array_equal(decoded.alpha, np.rot90(colours(channels=4)[..., 3], -1))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_impossible_orientation_means_upright(tmp_path, orientation):
    path = saved(tmp_path / "odd.png", encoded(colours(), "PNG", exif=oriented(orientation)))
    np.testing.assert_array_equal(read_picture(path), colours())


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    content = encoded(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert np.abs(read_picture(saved(tmp_path / "print.jpg", content)) - expected).max() <= 4


def test_names_need_not_be_ascii(tmp_path):
    path = saved(tmp_path / "Grüße 照片 📷.png", encoded(colours(), "PNG"))
    np.testing.assert_array_equal(read_picture(path), colours())


def test_the_content_decides_not_the_suffix(tmp_path):
    path = saved(tmp_path / "photo.jpg", encoded(colours(), "PNG"))
    assert probe(path).format == "PNG"
    np.testing.assert_array_equal(read_picture(path), colours())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_truncated_files_are_refused(tmp_path, kind, share):
    content = encoded(smooth(), kind)
    path = saved(tmp_path / "cut.img", content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"`cut.img` .*truncated"):
        read_picture(path)


@pytest.mark.parametrize("fill", [b"", bytes(300)], ids=["end marker", "zeros and end marker"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_with_a_hole_before_its_end_is_refused(tmp_path, fill, mode, capfd):
    content = encoded(Image.fromarray(smooth()).convert(mode), "JPEG", quality=95)
    path = saved(tmp_path / "half.jpg", content[: len(content) // 2] + fill + b"\xff\xd9")
    with pytest.raises(DataError, match=r"`half\.jpg` is truncated: data is missing"):
        read_picture(path)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
def test_a_whole_jpeg_that_ends_mid_grey_is_read(tmp_path, options, capfd):
    pixels = smooth()
    pixels[-40:] = 128
    picture = read_picture(saved(tmp_path / "grey.jpg", encoded(pixels, "JPEG", **options)))
    assert np.all(picture[-1, -1] == 128)


def test_the_end_of_an_embedded_thumbnail_is_not_the_end(tmp_path):
    content = encoded(smooth(), "JPEG")
    thumbnail = b"Exif\0\0" + encoded(smooth(8, 8), "JPEG")
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = content[:2] + segment + content[2:]
    assert read_picture(saved(tmp_path / "whole.jpg", whole)).shape == (96, 128, 3)
    with pytest.raises(DataError, match="its end is missing"):
        read_picture(saved(tmp_path / "cut.jpg", whole[:-20]))


def test_bytes_after_the_end_are_no_fault(tmp_path):
    path = saved(tmp_path / "motion.jpg", encoded(smooth(), "JPEG") + bytes(5000))
    assert read_picture(path).shape == (96, 128, 3)


def test_damage_inside_a_png_is_found(tmp_path, capfd):
    content = bytearray(encoded(smooth(), "PNG"))
    content[len(content) // 2] ^= 0x55
    with pytest.raises(DataError, match=r"`bad.png` is a PNG that OpenCV cannot decode: .*damaged"):
        read_picture(saved(tmp_path / "bad.png", bytes(content)))


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_samples_other_than_8_and_16_bits_are_refused(tmp_path, dtype):
    content = cv2.imencode(".tiff", np.zeros((5, 6, 3), dtype))[1].tobytes()
    with pytest.raises(DataError, match=f"`f.tiff` holds {np.dtype(dtype)} samples. Convert"):
        read_picture(saved(tmp_path / "f.tiff", content))


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    content = bytearray(encoded(colours(), "PNG"))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    path = saved(tmp_path / "bomb.png", bytes(content))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    for read in (probe, read_picture, read_decoded):
        with pytest.raises(DataError, match=r"`bomb\.png` is 60000×60000, more than the 256 megapixels"):
            read(path)


def test_the_limit_of_pixels_can_be_set(tmp_path):
    path = saved(tmp_path / "photo.png", encoded(colours(), "PNG"))
    assert read_picture(path, max_pixels=17 * 29).shape == (17, 29, 3)
    with pytest.raises(DataError, match="29×17"):
        read_picture(path, max_pixels=17 * 29 - 1)


@pytest.mark.parametrize("read", [probe, read_picture])
def test_files_that_are_not_there_are_named(tmp_path, read):
    with pytest.raises(DataError, match=r"`none\.png` could not be read: No such file"):
        read(tmp_path / "none.png")
    with pytest.raises(DataError, match="could not be read: Is a directory"):
        read(tmp_path)


def test_an_odd_colour_profile_is_read_without_a_word(sample_images: Path, capfd: pytest.CaptureFixture[str]) -> None:
    profiled = [path for path in sorted(sample_images.glob("*.png")) if b"iCCP" in path.read_bytes()[:8192]]
    assert profiled
    for path in profiled:
        capfd.readouterr()
        silent = read_picture(path)
        assert capfd.readouterr().err == ""
        assert np.array_equal(silent, cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))
