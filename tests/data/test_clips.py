"""Clips among the user's files, and the pairs and batches that come of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pixsearch.data.cache import ClipCache
from pixsearch.data.clips import LEAST, MOST, PARTS, parts, scan_clips
from pixsearch.data.config import DataConfig
from pixsearch.data.examine import examine
from pixsearch.data.open import open_data, open_pictures
from pixsearch.data.patches import Patches
from pixsearch.errors import DataError, UsageError
from pixsearch.pixels.files import read_picture
from pixsearch.pixels.videos import VideoFile
from pixsearch.tasks.base import make_task
from pixsearch.tasks.video import MADE


@pytest.fixture
def film(sample_images):
    """Frames of a pan over a photo: `film(5)`, uint8 RGB (80, 96, 3)."""
    photo = read_picture(sample_images / "coffee.png")

    def frames(count, top=60):
        return [photo[top + time % 9 : top + 80 + time % 9, 200 + time % 7 : 296 + time % 7].copy() for time in range(count)]

    return frames


@pytest.fixture
def mixed(tmp_path, folder, film, write):
    """Six photos, a run of five frames called out of order, and a video of four."""
    for number, frame in enumerate(film(5)):
        write(folder / "walk" / f"hr{number + 8}.png", frame)
    with VideoFile(folder / "cars.avi", 25) as video:
        for frame in film(4, top=200):
            video.write(frame)
    VideoFile.part_of(folder / "cars.avi").rename(folder / "cars.avi")
    return folder


def task(name="video-sr", **settings):
    return make_task(name, 2 if name == "video-sr" else 1, "rgb", settings)


class TestScan:
    def test_runs_and_videos_are_clips_and_the_rest_are_photos(self, mixed, store):
        index = scan_clips([mixed], memo=store)
        assert not index.rejected
        clips = {photo.path.name: photo for photo in index if photo.is_clip}
        assert sorted(clips) == ["cars.avi", "walk"]
        assert [frame.path.name for frame in clips["walk"].frames] == [f"hr{number}.png" for number in range(8, 13)]
        assert clips["cars.avi"].span == (0, 4)
        assert sum(not photo.is_clip for photo in index) == 6

    def test_different_pictures_with_numbers_are_photos(self, tmp_path, clips, write, store):
        for number, picture in enumerate(clips[:5]):
            write(tmp_path / "in" / f"IMG_{number}.png", picture)
        assert not any(photo.is_clip for photo in scan_clips([tmp_path / "in"], memo=store))

    def test_a_cut_ends_a_clip(self, tmp_path, film, clips, write, store):
        for number, frame in enumerate([*film(4), *[np.roll(clips[3], time, axis=1)[:80, :96] for time in range(3)]]):
            write(tmp_path / "in" / f"{number}.png", frame)
        assert sorted(photo.count for photo in scan_clips([tmp_path / "in"], memo=store)) == [3, 4]

    def test_a_damaged_video_is_named_and_left_out(self, mixed, store):
        (mixed / "broken.mp4").write_bytes(b"\0" * 4000)
        [rejected] = scan_clips([mixed], memo=store).rejected
        assert rejected.path.name == "broken.mp4"
        assert rejected.reason.startswith("is no video that can be decoded")

    def test_a_video_of_two_frames_is_too_short(self, tmp_path, film, store):
        with VideoFile(tmp_path / "short.avi", 25) as video:
            for frame in film(2):
                video.write(frame)
        VideoFile.part_of(tmp_path / "short.avi").rename(tmp_path / "short.avi")
        with pytest.raises(DataError, match=f"has fewer than {LEAST} frames"):
            scan_clips([tmp_path / "short.avi"], memo=store).require()

    @pytest.mark.parametrize("count", [3, MOST, MOST + 1, 3 * MOST, 10_000])
    def test_a_long_clip_gives_a_few_parts_spread_over_it(self, count):
        found = parts(count)
        assert len(found) <= PARTS
        assert all(part.stop - part.start == min(count, MOST) for part in found)
        assert found[0].start == 0
        assert len(found) == 1 or found[-1].stop == count
        assert all(one.stop <= other.start for one, other in pairwise(found))


class TestPairs:
    def test_parts_of_one_clip_have_names_of_their_own(self, tmp_path, film, clips, write, store):
        for number, frame in enumerate([*film(4), *[np.roll(clips[3], time, axis=1)[:80, :96] for time in range(3)]]):
            write(tmp_path / "in" / f"{number}.png", frame)
        names = list(open_pictures([tmp_path / "in"], task(), DataConfig(cache=store)).names)
        assert names == [*(f"in@0/{time:03d}" for time in range(4)), *(f"in@4/{time:03d}" for time in range(3))]

    def test_a_clips_frames_with_those_around_them(self, mixed, film, store):
        cache = open_pictures([mixed / "walk"], task(), DataConfig(cache=store))
        assert isinstance(cache, ClipCache)
        assert list(cache.names) == [f"walk/{time:03d}" for time in range(5)]
        frames = film(5)
        still = make_task("sr", 2, "rgb")
        for time in range(5):
            pair = cache.pair(time)
            assert np.array_equal(pair.truth, frames[time])
            assert pair.follows == (time > 0)
            around = [min(max(time + offset, 0), 4) for offset in (0, -1, 1, -2, 2)]
            expected = [still.degrade(frames[number]).inputs["input"] for number in around]
            assert np.array_equal(pair.inputs["frames"], np.concatenate(expected, axis=-1))

    def test_noise_is_the_same_at_every_look_and_differs_from_frame_to_frame(self, mixed, store):
        caches = [open_pictures([mixed / "walk"], task("video-denoise"), DataConfig(cache=store)) for _ in range(2)]
        looks = [[cache.pair(time).inputs["frames"] for time in order] for cache, order in zip(caches, ([0, 1, 2], [2, 1, 0]), strict=True)]
        assert all(np.array_equal(one, other) for one, other in zip(looks[0], looks[1][::-1], strict=True))
        first, second = (caches[0].pair(time) for time in (0, 1))
        noise = [pair.inputs["frames"][..., :3] - pair.truth for pair in (first, second)]
        assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05
        assert np.array_equal(first.inputs["frames"][..., :3], second.inputs["frames"][..., 3:6])

    def test_a_photo_is_scored_as_a_clip_made_of_it(self, folder, store):
        cache = open_pictures([folder / "a.png"], task(), DataConfig(cache=store))
        assert len(cache) == MADE
        assert np.array_equal(cache.pair(MADE // 2).truth, read_picture(folder / "a.png"))

    def test_real_clips_are_selected_by_alone(self, mixed, store):
        data = open_data(DataConfig(photos=(mixed,), cache=store), task())
        assert all(photo.is_clip for photo in data.val.photos)
        assert len(data.val.photos) == 1
        given = open_data(DataConfig(photos=(mixed / "e.jpg",), val=(mixed / "walk", mixed / "a.png"), cache=store), task())
        assert [photo.path.name for photo in given.val.photos] == ["walk"]

    def test_pairs_of_pictures_are_no_clips(self, folder, store):
        with pytest.raises(UsageError, match="learns from clips"):
            open_data(DataConfig(pairs=(folder, folder), cache=store), task())


class TestBatches:
    @pytest.mark.parametrize(("name", "scale"), [("video-sr", 2), ("video-denoise", 1)])
    def test_photos_and_clips_make_sequences_that_follow_from_the_step(self, mixed, store, name, scale):
        own = task(name, window=3, length=5)
        patches = Patches(open_pictures([mixed], own, DataConfig(cache=store)), own, batch=12, patch=20, seed=3)
        one, two, other = patches.draw(7), patches.draw(7), patches.draw(8)
        assert one.inputs["frames"].shape == (12, 15, 20, 20)
        assert one.truth.shape == (12, 15, 20 * scale, 20 * scale)
        assert np.array_equal(one.inputs["frames"], two.inputs["frames"])
        assert np.array_equal(one.truth, two.truth)
        assert not np.array_equal(one.truth, other.truth)

    def test_sequences_of_a_clip_are_frames_one_after_another(self, tmp_path, film, write, store):
        """In a clip that becomes brighter by ten levels a frame, forwards or backwards; at its ends a frame stands twice."""
        for time in range(5):
            write(tmp_path / "in" / f"{time}.png", film(1)[0] // 2 + np.uint8(10 * time))
        own = task("video-denoise", window=3)
        patches = Patches(open_pictures([tmp_path / "in"], own, DataConfig(cache=store)), own, batch=64, patch=16, seed=0)
        middle, before, after = np.split(np.round(patches.draw(0).truth * 255).astype(int), 3, axis=1)
        steps = [np.stack([(middle - before), (after - middle)], axis=-1).reshape(64, -1, 2)]
        assert all((step == step[:, :1]).all() for step in steps)
        assert {tuple(step[0].tolist()) for step in steps[0]} == {(10, 10), (-10, -10), (0, 10), (10, 0), (0, -10), (-10, 0)}


class TestExamine:
    def test_runs_and_videos_are_told_beside_the_photos(self, mixed, store):
        report = examine([mixed], memo=store)
        assert report["rejected"] == []
        assert (report["used"], report["files"], report["clips"]) == (11, 12, 2)
        clips = {item["format"]: item for item in report["clip_list"]}
        size = {"width": 96, "height": 80}
        assert clips["video"] == {"path": str(mixed / "cars.avi"), "format": "video", "first": 0, "frames": 4, **size}
        assert clips["PNG"] == {"path": str(mixed / "walk"), "format": "PNG", "first": "hr8.png", "frames": 5, **size}
        assert report["clip_cache_bytes"] == 3 * 96 * 80 * (4 + 5)

    def test_a_video_without_frames_is_rejected_as_one(self, mixed, store):
        (mixed / "broken.mp4").write_bytes(b"no video")
        report = examine([mixed], memo=store)
        assert [item["path"] for item in report["rejected"]] == [str(mixed / "broken.mp4")]
        assert report["clips"] == 2
