"""Depth clips in files of any kind: which reader takes a file, what its numbers are, how a clip is fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.clip_files import choose_reader, pick_frames
from comfyui_fulldit.control.depth import normalize_depth
from comfyui_fulldit.control.depth.readers import DEPTH_READERS, open_depth_clip
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit, SpaceFit, TimeFit
from comfyui_fulldit.control.load import load_depth

cv2 = pytest.importorskip("cv2")


def ramp(frames=5, height=32, width=48) -> np.ndarray:
    """Brightness that grows downward, and a little from frame to frame."""
    y = np.linspace(0.1, 0.9, height)[None, :, None]
    return np.broadcast_to(y + 0.02 * np.arange(frames)[:, None, None], (frames, height, width)).astype(np.float32)


@pytest.fixture
def clips(tmp_path) -> Path:
    """One clip of every kind of file but EXR."""
    np.save(tmp_path / "clip.npy", ramp())
    media.write_video(tmp_path / "clip.mp4", ramp())
    media.write_image(tmp_path / "one.png", ramp()[0])
    for number, frame in enumerate(ramp()):
        media.write_image(tmp_path / "coarse" / f"{number:03}.png", frame)
        (tmp_path / "fine").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "fine" / f"{number}.png"), np.round(frame * 65535).astype(np.uint16))
    cv2.imwrite(str(tmp_path / "fine.png"), np.round(ramp()[0] * 65535).astype(np.uint16))
    (tmp_path / "z.exr").write_bytes(b"v/1\x01")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("clip.npy", "array"),
        ("clip.mp4", "video"),
        ("one.png", "image"),
        ("coarse", "folder"),
        ("fine", "png16"),
        ("fine.png", "png16"),
        ("z.exr", "exr"),
        ("none.mp4", "video"),
    ],
)
def test_what_a_file_is_decides_which_reader_takes_it(clips, name, reader):
    assert choose_reader(DEPTH_READERS, clips / name) is DEPTH_READERS[reader]


def test_every_reader_is_described():
    assert all(reader.description for reader in DEPTH_READERS.values())


@pytest.mark.parametrize("name", ["clip.npy", "clip.mp4", "coarse", "fine"])
def test_every_kind_of_file_gives_the_same_clip(clips, name):
    clip = load_depth(clips / name, 5, 32, 48)
    expected = normalize_depth(ramp(), "disparity").values
    assert np.abs(clip.values - expected).max() < 0.03 and "warnings" not in clip.recipe


@pytest.mark.parametrize("name", ["clip.npy", "clip.mp4", "coarse", "fine"])
def test_frames_are_read_anew_at_every_iteration(clips, name):
    clip = open_depth_clip(clips / name)
    first, second = (np.stack(list(clip.frames)) for _ in range(2))
    assert len(clip.frames) == 5 and not clip.still and np.array_equal(first, second)


def test_the_kind_that_a_file_implies_gives_way_to_the_users(clips):
    assert open_depth_clip(clips / "fine").kind == "disparity"
    assert open_depth_clip(clips / "fine", "inverted").kind == "inverted"
    assert open_depth_clip(clips / "coarse").kind == "auto"


@pytest.mark.parametrize("time", list(TimeFit))
@pytest.mark.parametrize("name", ["one.png", "fine.png"])
def test_one_image_holds_for_all_frames_whatever_the_fit_and_says_so(clips, name, time):
    clip = load_depth(clips / name, 9, 32, 48, "disparity", Fit(time=time))
    assert clip.frames == 9 and np.ptp(clip.values, axis=0).max() == 0
    assert any(f"{name}' is one image: it holds for all 9 frames." in text for text in clip.recipe["warnings"])


def test_a_folder_of_one_image_is_a_clip_of_another_length(clips):
    for number in range(1, 5):
        (clips / "fine" / f"{number}.png").unlink()
    with pytest.raises(UserError, match="has 1 frame, the video 9"):
        load_depth(clips / "fine", 9, 32, 48)


def test_another_length_is_refused_resampled_or_held(clips):
    with pytest.raises(UserError, match="clip.npy' has 5 frames, the video 9.*fit_time"):
        load_depth(clips / "clip.npy", 9, 32, 48)
    resampled = load_depth(clips / "clip.npy", 9, 32, 48, fit=Fit(time=TimeFit.RESAMPLE))
    assert "has 5 frames: it was resampled to 9." in resampled.recipe["warnings"][0]
    held = load_depth(clips / "clip.npy", 9, 32, 48, fit=Fit(time=TimeFit.HOLD))
    assert np.array_equal(held.values[4:], held.values[4:5].repeat(5, 0))
    assert "the last is held" in held.recipe["warnings"][0]


@pytest.mark.parametrize(
    ("space", "says"), [(SpaceFit.CROP, "cropped"), (SpaceFit.STRETCH, "stretched"), (SpaceFit.PAD, "padded")]
)
def test_other_proportions_are_fitted_by_choice_and_said(clips, space, says):
    clip = load_depth(clips / "clip.npy", 5, 32, 32, fit=Fit(space=space))
    assert clip.values.shape == (5, 32, 32) and len(clip.recipe["warnings"]) == 1
    assert "is 48x32" in clip.recipe["warnings"][0] and says in clip.recipe["warnings"][0]
    assert (clip.values[:, 0].max() == 0) == (space is SpaceFit.PAD), "beyond its edges a padded clip is far"


def test_other_proportions_can_be_refused(clips):
    with pytest.raises(UserError, match="give the same proportions"):
        load_depth(clips / "clip.npy", 5, 32, 32, fit=Fit(space=SpaceFit.REFUSE))


def test_frames_of_other_sizes_are_refused_by_name(clips):
    media.write_image(clips / "coarse" / "005.png", ramp()[0, :8])
    with pytest.raises(UserError, match="Frame 5 of .*coarse"):
        load_depth(clips / "coarse", 6, 32, 48)


def test_a_file_that_cannot_be_read_is_named_once(clips):
    (clips / "clip.mp4").write_bytes((clips / "clip.mp4").read_bytes()[:100])
    for name in ("clip.mp4", "none.npy", "none.mp4"):
        with pytest.raises(UserError) as error:
            load_depth(clips / name, 5, 32, 48)
        assert str(error.value).count(name) == 1


def test_frames_are_picked_in_order_and_to_the_end():
    seen = []

    def frames():
        for number in range(5):
            seen.append(number)
            yield np.full((1, 1), number)

    picked = [int(frame[0, 0]) for frame in pick_frames(frames(), np.array([0, 0, 2, 3]))]
    assert picked == [0, 0, 2, 3] and seen == [0, 1, 2, 3, 4]


def room(unit: float, holes: bool = True) -> np.ndarray:
    """Distances of a floor that comes nearer downward, (3, 24, 32): 0.8 to 6 meters in so many steps each."""
    meters = np.linspace(6, 0.8, 24)[None, :, None] + 0.05 * np.arange(3)[:, None, None]
    steps = np.round(np.broadcast_to(meters, (3, 24, 32)) * unit).astype(np.uint16)
    if holes:
        steps[:, 3:6, 3:9] = 0
    return steps


def write_whole(folder: Path, clip: np.ndarray, ending: str) -> Path:
    folder.mkdir()
    for number, frame in enumerate(clip):
        cv2.imwrite(str(folder / f"{number}.{ending}"), frame)
    return folder


@pytest.mark.parametrize("ending", ["png", "pgm"])
@pytest.mark.parametrize(("unit", "holes"), [(1000, True), (1000, False), (500, True), (3000, True)])
def test_whole_numbers_of_a_depth_camera_are_distances_and_that_is_said(tmp_path, unit, holes, ending):
    clip = load_depth(write_whole(tmp_path / "d", room(unit, holes), ending), 3, 24, 32, "auto")
    assert clip.recipe["kind"] == "depth"
    assert clip.values[:, 0].mean() < 0.05 and clip.values[:, -1].mean() > 0.9  # the floor in front is near
    said = " ".join(clip.recipe["warnings"])
    assert "as depth cameras write distances" in said and ("0: unknown" in said) == holes and "'disparity'" in said
    if holes:
        assert clip.values[:, 3:6, 3:9].max() < 0.05  # unknown is far, as everywhere
    near = load_depth(tmp_path / "d", 3, 24, 32, "disparity")
    assert near.values[:, 0].mean() > near.values[:, -1].mean()  # the user's word counts


@pytest.mark.parametrize("ending", ["png", "pgm"])
@pytest.mark.parametrize(("low", "high", "is_said"), [(0, 65535, False), (9000, 65000, False), (5, 12000, True)])
def test_whole_numbers_of_an_estimator_stay_nearness(tmp_path, low, high, is_said, ending):
    """5 to 12000: a part of the range, with numbers nearer than any camera sees: what was assumed is said."""
    clip = np.linspace(low, high, 24)[None, :, None] * np.ones((3, 1, 32))
    found = load_depth(write_whole(tmp_path / "d", clip.astype(np.uint16), ending), 3, 24, 32, "auto")
    assert found.values[:, 0].mean() < 0.05 and found.values[:, -1].mean() > 0.95
    assert any("read as disparity" in text for text in found.recipe.get("warnings", [])) == is_said
