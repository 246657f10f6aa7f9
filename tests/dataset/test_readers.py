"""Clips of the world, written in each public layout, come back with the exact cameras, depths and masks."""

from __future__ import annotations

import json
import os

import cv2
import numpy as np
import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.dataset.clip_files import ClipFiles
from comfyui_fulldit.dataset.manifest import Clip, read_manifest, write_manifest
from comfyui_fulldit.dataset.readers import READERS, Skipped, read_dataset
from comfyui_fulldit.dataset.readers.rle import decode_rle
from comfyui_fulldit.scenes import FAR, render

from . import layouts

FRAMES, HEIGHT, WIDTH = 9, 32, 48
# So many clips in each layout; FULLDIT_CLIPS=64 for the figures of docs/datasets.md.
SEEDS = [*range(int(os.environ.get("FULLDIT_CLIPS", "2")))]


@pytest.fixture(scope="module")
def clips():
    return render(SEEDS, FRAMES, HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def two(clips):
    return clips if len(clips) == 2 else render([0, 1], FRAMES, HEIGHT, WIDTH)


def read(layout, root, tmp_path, **options):
    """The clips of a layout by way of a manifest's file, and the files of each."""
    folder = tmp_path / "set"
    found = list(read_dataset(layout, root, folder, license="test", **options))
    assert not [one for one in found if isinstance(one, Skipped)], found
    write_manifest(folder / "manifest.jsonl", found)
    manifest = read_manifest(folder / "manifest.jsonl")
    assert manifest.clips == found
    return [ClipFiles(clip, manifest.folder) for clip in manifest]


def assert_camera(files, c2w, lens, at=slice(None)):
    path = files.camera()
    assert np.abs(path.c2w[at] - c2w).max() < 1e-6
    assert np.abs(path.intrinsics[at] - lens).max() < 1e-6


def assert_masks(files, clips, index):
    present = int(clips.present[index].sum())
    assert len(files.clip.identities) == present
    for slot, identity in enumerate(files.clip.identities):
        assert np.array_equal(files.masks(identity.mask_video), (clips.identity[index] == slot).numpy())


def test_every_layout_has_a_writer_here():
    assert all(hasattr(layouts, name) for name in READERS)


@pytest.mark.parametrize("whole", [False, True])
def test_realestate10k(clips, tmp_path, whole):
    layouts.realestate10k(clips, tmp_path / "root", whole)
    for index, files in enumerate(read("realestate10k", tmp_path / "root", tmp_path)):
        _, _, c2w, lens, _, _ = layouts.arrays(clips, index)
        assert_camera(files, c2w, lens)
        assert files.span == ((10, 10 + FRAMES) if whole else (0, FRAMES)) and files.fps == clips.fps
        assert files.clip.provenance["url"].startswith("https://www.youtube.com")


def test_multicamvideo(clips, tmp_path):
    layouts.multicamvideo(clips, tmp_path / "root")
    found = read("multicamvideo", tmp_path / "root", tmp_path)
    for index, files in enumerate(found):
        c2w = layouts.arrays(clips, index)[2]
        assert_camera(files, c2w, np.array([24 / 23.76, 24 / 23.76 * WIDTH / HEIGHT, 0.5, 0.5]))
        assert (
            files.clip.source.id == found[(index + 1) % len(found)].clip.id
            and files.path(files.clip.source.video).exists()
        )


def test_spatialvid(clips, tmp_path):
    layouts.spatialvid(clips, tmp_path / "root")
    for index, files in enumerate(read("spatialvid", tmp_path / "root", tmp_path)):
        _, _, c2w, lens, depth, masks = layouts.arrays(clips, index)
        assert_camera(files, c2w, lens)
        values, kind = files.depth()
        assert kind == "disparity" and np.array_equal(values, (1 / depth).astype(np.float16).astype(np.float32))
        assert np.array_equal(files.masks(files.clip.masks), np.any(masks, 0))
        assert files.clip.captions["full"] == "A long one." and files.clip.captions["plain"] == "A scene."


def test_what_is_known_at_every_fourth_frame_is_filled_in(clips, tmp_path):
    layouts.spatialvid(clips, tmp_path / "root", step=4)
    for index, files in enumerate(read("spatialvid", tmp_path / "root", tmp_path)):
        _, _, c2w, lens, depth, masks = layouts.arrays(clips, index)
        assert files.count == FRAMES
        assert_camera(files, c2w[::4], lens[::4], slice(None, None, 4))
        nearest = (1 / depth).astype(np.float16).astype(np.float32)[[0, 0, 0, 4, 4, 4, 4, 8, 8]]
        assert np.array_equal(files.depth()[0], nearest)
        assert np.array_equal(files.masks(files.clip.masks, np.array([0, 8])), np.any(masks, 0)[[0, 8]])


def test_omniworld(clips, tmp_path):
    layouts.omniworld(clips, tmp_path / "root")
    found = read("omniworld", tmp_path / "root", tmp_path)
    assert [files.span for files in found] == [(0, FRAMES - 2), (FRAMES - 2, FRAMES)] * len(SEEDS)
    for number, files in enumerate(found):
        frames, _, c2w, lens, depth, masks = layouts.arrays(clips, number // 2)
        own = slice(*files.span)
        assert_camera(
            files, c2w[own], np.concatenate([lens[own, :1], lens[own, :1] * WIDTH / HEIGHT, lens[own, 2:]], 1)
        )
        stored = [cv2.imread(str(path), -1) for path in sorted((files.folder / files.clip.depth.file).glob("*.png"))]
        share = np.stack(stored)[own] / 65535  # what 16 bits hold of the depth
        values, kind = files.depth()
        assert kind == "depth" and np.abs(1 - values * (1000 - 999 * share) * 0.004 / share).max() < 1e-5
        assert np.abs(values / depth[own] - 1).max() < 3e-3
        assert np.array_equal(files.masks(files.clip.identities[0].mask_video), masks[0][own])
        assert np.abs(np.stack(list(files.frames())) - frames[own]).max() < 0.5 / 255 + 1e-6


def test_nerfstudio(clips, tmp_path):
    layouts.nerfstudio(clips, tmp_path / "root")
    for index, files in enumerate(read("nerfstudio", tmp_path / "root", tmp_path, fps=8.0)):
        _, _, c2w, lens, depth, _ = layouts.arrays(clips, index)
        assert_camera(files, c2w, lens[:1])
        assert np.abs(files.depth()[0] - np.round(depth.clip(0, 65) * 1000) / 1000).max() < 1e-5
    assert isinstance(next(read_dataset("nerfstudio", tmp_path / "root", tmp_path)), Skipped)  # no rate


def test_opens2v(clips, tmp_path):
    layouts.opens2v(clips, tmp_path / "root")
    for index, files in enumerate(read("opens2v", tmp_path / "root", tmp_path)):
        assert_masks(files, clips, index)
        assert files.count == FRAMES and files.size == (HEIGHT, WIDTH)
        assert files.clip.license == "test" and files.clip.captions["full"] == clips.captions[index]
        reference = files.path(files.clip.identities[0].images[0])
        assert reference.exists() and files.path(files.clip.identities[0].mask).exists()


def test_vipe(clips, tmp_path):
    layouts.vipe(clips, tmp_path / "root")
    for index, files in enumerate(read("vipe", tmp_path / "root", tmp_path)):
        _, _, c2w, lens, depth, _ = layouts.arrays(clips, index)
        assert_camera(files, c2w, lens)
        values, kind = files.depth()
        assert kind == "depth" and np.array_equal(values, depth.astype(np.float16).astype(np.float32))
        assert_masks(files, clips, index)


def test_folder(two, tmp_path):
    layouts.folder(two, tmp_path / "root")
    (tmp_path / "root" / "more").mkdir()
    (tmp_path / "root" / "some" / "clip000.mp4").rename(tmp_path / "root" / "more" / "a.b.mp4")
    (tmp_path / "root" / "more" / "metadata.csv").write_text("file_name,text\na.b.mp4,From the table\n")
    found = read("folder", tmp_path / "root", tmp_path)
    assert [files.clip.captions["full"] for files in found] == ["From the table", "Café 1"]
    assert [files.clip.id for files in found] == ["more-a-b", "some-clip001"]


def test_world(tmp_path):
    layouts.world(SEEDS, tmp_path / "root", FRAMES, HEIGHT, WIDTH)
    clips = render(SEEDS, FRAMES, HEIGHT, WIDTH)
    for index, files in enumerate(read("world", tmp_path / "root", tmp_path)):
        path = clips.trajectory(index)
        assert_camera(files, path.c2w, path.intrinsics)
        values, kind = files.depth()
        assert kind == "depth" and np.array_equal(values, clips.depth[index].numpy()) and FAR > 0
        assert_masks(files, clips, index)


def test_run_lengths_are_cocos():
    """A mask that pycocotools encodes as 'ST1' in 7 x 7: a bar of three in the middle of the first column."""
    mask = np.zeros((40, 30), bool)
    mask[5:20, 3:17] = True
    assert np.array_equal(decode_rle(layouts.rle(mask), 40, 30), mask)
    for empty in (np.zeros((3, 4), bool), np.ones((3, 4), bool)):
        assert np.array_equal(decode_rle(layouts.rle(empty), 3, 4), empty)
    assert decode_rle("35", 2, 4).sum() == 5  # 3 zeros, 5 ones
    with pytest.raises(UserError, match="do not make up"):
        decode_rle("35", 3, 3)


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_used_is_skipped_with_a_reason(two, tmp_path):
    layouts.realestate10k(two, tmp_path / "re")
    (tmp_path / "re" / "videos" / "seq000.mp4").unlink()
    found = list(read_dataset("realestate10k", tmp_path / "re", tmp_path))
    assert "download https" in found[0].reason and isinstance(found[1], Clip)
    layouts.spatialvid(two, tmp_path / "sv")
    (tmp_path / "sv" / "annotations" / "group_0001" / "0a00f99d-000" / "intrinsics.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "sv" / "videos" / "group_0001" / "0a00f99d-001.mp4").unlink()
    assert [type(one) for one in read_dataset("spatialvid", tmp_path / "sv", tmp_path)] == [Skipped, Skipped]
    layouts.omniworld(two, tmp_path / "ow")
    (tmp_path / "ow" / "scene000" / "camera" / "split_1.json").write_text('{"focals": [1]}')
    (tmp_path / "ow" / "scene001" / "split_info.json").write_text("{")
    assert [type(one) for one in read_dataset("omniworld", tmp_path / "ow", tmp_path)] == [Clip, Skipped, Skipped]
    layouts.opens2v(two, tmp_path / "os")
    file = tmp_path / "os" / "Jsons" / "total_part1.json"
    value = json.loads(file.read_text())
    del value["video000"]["metadata"]["crop"]
    file.write_text(json.dumps(value))
    assert [type(one) for one in read_dataset("opens2v", tmp_path / "os", tmp_path)] == [Skipped, Clip]
    with pytest.raises(UserError, match="layout 'x' is unknown"):
        next(read_dataset("x", tmp_path, tmp_path))


def test_files_that_are_not_whole_are_said(two, tmp_path):
    layouts.vipe(two, tmp_path / "root")
    layouts.cut_short(tmp_path / "root" / "rgb" / "clip000.mp4")
    layouts.cut_short(tmp_path / "root" / "depth" / "clip001.zip")
    first, second = (
        ClipFiles(clip, tmp_path) if isinstance(clip, Clip) else clip
        for clip in read_dataset("vipe", tmp_path / "root", tmp_path)
    )
    if isinstance(first, ClipFiles):
        with pytest.raises(UserError, match="truncated"):
            first.count  # noqa: B018 (counted when it is first asked for)
    else:
        assert "cannot be read" in first.reason
    with pytest.raises(UserError, match="download it again"):
        second.depth()


def test_a_camera_of_another_length_is_refused(two, tmp_path):
    layouts.realestate10k(two, tmp_path / "root")
    text = tmp_path / "root" / "train" / "seq000.txt"
    text.write_text("\n".join(text.read_text().splitlines()[:-2]))
    clip = next(read_dataset("realestate10k", tmp_path / "root", tmp_path))
    with pytest.raises(UserError, match="has 7 entries, but the clip has 9 frames"):
        ClipFiles(clip, tmp_path).camera()
