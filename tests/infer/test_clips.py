"""Videos and folders of frames through models with windows and with states."""

from __future__ import annotations

import shutil
import subprocess
import weakref
from pathlib import Path

import numpy as np
import pytest

from pixsearch.errors import DataError, UsageError
from pixsearch.infer.apply import apply_path
from pixsearch.infer.clips import frame_files, windows
from pixsearch.infer.session import OnnxModel
from pixsearch.infer.streams import Stream
from pixsearch.pixels.files import Decoded, read_decoded, read_picture, write_picture
from pixsearch.pixels.videos import VideoFile, read_frames, video_facts
from pixsearch.space.chain import HEADS
from pixsearch.tasks.base import make_task, task_for

CHAIN = {"layers": [{"op": "conv3", "width": 6, "act": "leaky"}] * 2, "skip": "nearest", "tail": 3}
FORMS = {
    "window of 3": {"form": "stacked", "window": 3, "head": "plain", **CHAIN},
    "window of 5, folded": {"form": "stacked", "window": 5, "head": "s2d", **CHAIN},
    "recurrent": {"form": "recurrent", "state": 5, "head": "plain", **CHAIN},
    "recurrent, folded by 4": {"form": "recurrent", "state": 4, "head": "s2d4", **CHAIN},
    "recurrent, folded": {"form": "recurrent", "state": 4, "head": "s2d", **CHAIN},
}


@pytest.fixture(scope="session")
def network_of(tmp_path_factory):
    """`network_of("recurrent", "video-sr", "y")`: a network with loud random weights, and its exported file."""
    import torch

    from pixsearch.export.onnx import export_float
    from pixsearch.nn.build import build
    from pixsearch.nn.modelfile import make_card
    from pixsearch.space.base import read_genotype

    folder, made = tmp_path_factory.mktemp("clip models"), {}

    def network(form: str, task: str = "video-sr", color: str = "y"):
        key = form, task, color
        if key not in made:
            signature = make_task(task, 2 if task == "video-sr" else 1, color).signature
            built = build(read_genotype({"space": "video", **FORMS[form]}, signature)[1], signature, seed=1).eval()
            generator = torch.Generator().manual_seed(0)
            with torch.no_grad():
                for value in built.parameters():
                    value.add_(torch.randn(value.shape, generator=generator) * 0.02)
            path = folder / ("-".join(key).replace(",", "").replace(" ", "-") + ".onnx")
            made[key] = built, export_float(built, make_card(built, name="clip", stage="trained"), path)
        return made[key]

    return network


@pytest.fixture(scope="session")
def frames(sample_images) -> list[np.ndarray]:
    """Nine frames of a pan over a photo, uint8 RGB (45, 62, 3)."""
    photo = read_picture(sample_images / "brushes.png")
    return [photo[200 + time : 245 + time, 300 + 2 * time : 362 + 2 * time].copy() for time in range(9)]


@pytest.fixture
def folder(tmp_path, frames) -> Path:
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(frames):
        write_picture(tmp_path / "in" / f"f{number + 8}.png", frame)  # f8, f9, f10: not in the order of their letters
    return tmp_path / "in"


@pytest.fixture
def video(tmp_path, frames) -> Path:
    return write_video(tmp_path / "in.avi", [frame[:44] for frame in frames], 12.5)


def write_video(path: Path, frames, fps: float) -> Path:
    with VideoFile(path, fps) as file:
        for frame in frames:
            file.write(frame)
    return VideoFile.part_of(path).rename(path)


def whole_clip(network, clip):
    """The outputs of `network` for the planes of all frames, run in PyTorch as one sequence."""
    import torch
    from torch.nn import functional as F

    from pixsearch.space.sequence import in_time

    multiple = HEADS[network.genotype.chain.head]
    height, width = clip[0].shape[-2:]
    stack: list = [None] * len(clip)
    for place, planes in zip(in_time(len(clip)), clip, strict=True):
        stack[place] = planes
    padded = F.pad(torch.from_numpy(np.concatenate(stack))[None], (0, -width % multiple, 0, -height % multiple), mode="replicate")
    with torch.no_grad():
        outputs = network(padded)[0].numpy()
    channels, scale = network.signature.out_channels, network.signature.scale
    cropped = outputs[:, : height * scale, : width * scale]
    return [cropped[channels * place : channels * (place + 1)] for place in in_time(len(clip))]


@pytest.mark.parametrize("task", ["video-sr", "video-denoise"])
@pytest.mark.parametrize("form", ["recurrent", "recurrent, folded"])
def test_streaming_equals_the_whole_clip_in_torch(network_of, frames, form, task):
    network, path = network_of(form, task, "rgb")
    own = task_for(network.signature)
    clip = [own.encode("frames", frame) for frame in frames]
    stream = Stream(OnnxModel.open(path))
    expected = whole_clip(network, clip)
    for number, (planes, wanted) in enumerate(zip(clip, expected, strict=True)):
        assert np.abs(stream.run({"frames": planes}, follows=number > 0) - wanted).max() < 1e-5
    without = Stream(OnnxModel.open(path)).run({"frames": clip[-1]}, follows=True)
    assert np.abs(without - expected[-1]).max() > 1e-3  # the state tells of the frames before


def test_a_new_clip_begins_with_an_empty_state(network_of, frames):
    network, path = network_of("recurrent", "video-sr", "rgb")
    planes = task_for(network.signature).encode("frames", frames[0])
    stream = Stream(OnnxModel.open(path))
    first = stream.run({"frames": planes}, follows=False)
    assert not np.array_equal(stream.run({"frames": planes}, follows=True), first)
    assert np.array_equal(stream.run({"frames": planes}, follows=False), first)


class TestWindows:
    @pytest.mark.parametrize("count", [1, 3, 5])
    @pytest.mark.parametrize("length", [1, 2, 3, 7])
    def test_neighbours_in_the_order_of_a_stack_ends_repeated(self, count, length):
        clip = [Decoded(np.full((2, 2, 3), number, np.uint8), None, False) for number in range(length)]
        found = [[int(seen.pixels[0, 0, 3 * place]) for place in range(count)] for seen in windows(clip, count)]
        order = {1: [0], 3: [0, -1, 1], 5: [0, -1, 1, -2, 2]}[count]
        assert found == [[min(max(time + offset, 0), length - 1) for offset in order] for time in range(length)]

    def test_memory_holds_a_window_and_no_more(self):
        alive: list = []

        def endless():
            for _ in range(50):
                pixels = np.zeros((4, 4, 3), np.uint8)
                alive.append(weakref.ref(pixels))
                yield Decoded(pixels, None, False)
                del pixels

        most = max(sum(frame() is not None for frame in alive) for _ in windows(endless(), 5))
        assert most <= 6

    def test_frames_that_change_their_size_are_named(self):
        clip = [Decoded(np.zeros((4, side, 3), np.uint8), None, False) for side in (4, 4, 5)]
        with pytest.raises(DataError, match="Frame 2 is 5×4 of uint8, the one before it 4×4"):
            list(windows(clip, 3))


@pytest.mark.parametrize("form", FORMS)
class TestApply:
    def test_a_folder_of_frames_in_the_order_of_their_numbers(self, network_of, folder, tmp_path, frames, form):
        network, path = network_of(form)
        [done] = apply_path(path, folder, tmp_path / "out")["photos"]
        assert (done["frames"], done["width"], done["height"]) == (9, 124, 90)
        assert done["fps"] > 0
        names = [file.name for file in frame_files(tmp_path / "out")]
        assert names == [f"f{number}.png" for number in range(8, 17)]
        first = self.expected(network, path, frames)
        assert np.array_equal(read_picture(tmp_path / "out" / "f8.png"), first)

    def expected(self, network, path, frames):
        task = task_for(network.signature)
        window = [frames[0], frames[0], frames[1], frames[0], frames[2]][: task.window]
        inputs = {"frames": np.concatenate(window, axis=-1)}
        return task.decode(OnnxModel.open(path).run({"frames": task.encode("frames", inputs["frames"])}), inputs)

    def test_a_video_to_a_video_at_its_rate(self, network_of, video, tmp_path, form):
        _, path = network_of(form)
        [done] = apply_path(path, video, tmp_path / "out.mp4")["photos"]
        assert video_facts(tmp_path / "out.mp4").fps == pytest.approx(12.5)
        assert [frame.shape for frame in read_frames(tmp_path / "out.mp4")] == [(88, 124, 3)] * 9
        assert done["sound"] in ("none", "lost")
        assert not list(tmp_path.glob(".*"))


def test_16_bit_and_alpha_stay_where_pictures_are_written(network_of, tmp_path, frames):
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(frames[:3]):
        deep = frame.astype(np.uint16) * 257
        write_picture(tmp_path / "in" / f"{number}.png", deep, deep[..., 0])
    _, path = network_of("window of 3")
    apply_path(path, tmp_path / "in", tmp_path / "out")
    made = read_decoded(tmp_path / "out" / "1.png")
    assert made.pixels.dtype == np.uint16
    assert made.alpha is not None
    assert made.pixels.shape == (90, 124, 3)
    with pytest.raises(DataError, match="A video cannot hold the alpha"):
        apply_path(path, tmp_path / "in", tmp_path / "out.mp4")
    assert not list(tmp_path.glob("*.mp4"))


class TestFaults:
    def test_a_photo_is_no_clip(self, network_of, folder, tmp_path):
        for form in FORMS:
            with pytest.raises(UsageError, match="is a photo, but this model is made for clips"):
                apply_path(network_of(form)[1], folder / "f8.png", tmp_path / "out.png")

    def test_files_that_are_no_frames_are_named_together(self, network_of, folder, tmp_path):
        (folder / "notes.txt").write_text("hello")
        write_picture(folder / "f99.png", np.zeros((8, 8, 3), np.uint8))
        with pytest.raises(DataError) as caught:
            apply_path(network_of("recurrent")[1], folder, tmp_path / "out")
        assert "`notes.txt`" in str(caught.value)
        assert "`f99.png` 8×8" in str(caught.value)
        assert not (tmp_path / "out").exists()

    def test_an_empty_folder(self, network_of, tmp_path):
        (tmp_path / "in").mkdir()
        with pytest.raises(DataError, match="holds no frames"):
            apply_path(network_of("recurrent")[1], tmp_path / "in", tmp_path / "out")

    def test_a_video_that_is_none(self, network_of, tmp_path):
        (tmp_path / "x.mp4").write_bytes(b"no video" * 100)
        with pytest.raises(DataError, match="`x.mp4` is no video that can be decoded"):
            apply_path(network_of("recurrent")[1], tmp_path / "x.mp4", tmp_path / "out.mp4")
        assert not (tmp_path / "out.mp4").exists()

    def test_a_suffix_that_cannot_be_written(self, network_of, video, tmp_path):
        with pytest.raises(UsageError, match=r"cannot be written as a video. Use one of \.mp4"):
            apply_path(network_of("recurrent")[1], video, tmp_path / "out.webm")

    def test_frames_are_not_written_over(self, network_of, folder, video):
        with pytest.raises(UsageError, match="not overwritten"):
            apply_path(network_of("recurrent")[1], folder, folder)
        with pytest.raises(UsageError, match="not overwritten"):
            apply_path(network_of("recurrent")[1], video, video)


def test_a_model_for_photos_takes_a_video_frame_by_frame(models, video, tmp_path):
    path = models("plain").path
    [done] = apply_path(path, video, tmp_path / "out.avi")["photos"]
    assert done["frames"] == 9
    assert len(list(read_frames(tmp_path / "out.avi"))) == 9


def test_sound_that_cannot_be_copied_is_said(network_of, video, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    [done] = apply_path(network_of("recurrent")[1], video, tmp_path / "out.mp4")["photos"]
    assert (done["sound"], done["said"]) == ("lost", "without sound: there is no ffmpeg to copy it")


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_sound_is_kept_where_ffmpeg_is(network_of, video, tmp_path, suffix):
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    loud = tmp_path / "loud.mp4"
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=0.7"]
    subprocess.run([ffmpeg, "-nostdin", "-v", "error", "-i", video, *tone, "-c:v", "copy", "-c:a", "aac", loud], check=True)
    [done] = apply_path(network_of("recurrent")[1], loud, tmp_path / f"out{suffix}")["photos"]
    assert (done["sound"], done["said"]) == ("kept", "with its sound")
    decode = [ffmpeg, "-nostdin", "-v", "error", "-i", tmp_path / f"out{suffix}", "-map", "0:a", "-f", "s16le", "-"]
    heard = np.frombuffer(subprocess.run(decode, capture_output=True, check=True).stdout, np.int16)
    assert np.abs(heard.astype(int)).max() > 1000
    assert len(list(read_frames(tmp_path / f"out{suffix}"))) == 9
    assert not list(tmp_path.glob(".*"))
