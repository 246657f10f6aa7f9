"""Mask videos in files: which reader takes a file, how masks are fitted, and what is said about that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.clip_files import choose_reader
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit, SpaceFit, TimeFit
from comfyui_fulldit.control.identity.mask_files import MASK_READERS, read_mask_video
from comfyui_fulldit.control.load import load_track, parse_identity, read_identity

pytest.importorskip("cv2")


def masks(frames=5, height=32, width=48) -> np.ndarray:
    """A box that moves to the right."""
    clip = np.zeros((frames, height, width), np.float32)
    for number in range(frames):
        clip[number, 8:24, 8 + 4 * number : 20 + 4 * number] = 1
    return clip


@pytest.fixture
def clips(tmp_path) -> Path:
    """The same masks in every kind of file."""
    np.save(tmp_path / "clip.npy", masks())
    media.write_video(tmp_path / "clip.mp4", masks())
    media.write_image(tmp_path / "one.png", masks()[0])
    for number, mask in enumerate(masks()):
        media.write_image(tmp_path / "folder" / f"{number:03}.png", mask)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "reader"), [("clip.npy", "array"), ("clip.mp4", "video"), ("one.png", "image"), ("folder", "folder")]
)
def test_what_a_file_is_decides_which_reader_takes_it(clips, name, reader):
    assert choose_reader(MASK_READERS, clips / name) is MASK_READERS[reader]


@pytest.mark.parametrize("name", ["clip.npy", "clip.mp4", "folder"])
def test_every_kind_of_file_gives_the_same_masks(clips, name):
    read, warnings = read_mask_video(clips / name, 5, 32, 48, Fit())
    assert read.shape == (5, 32, 48) and read.dtype == np.float32 and not warnings
    assert ((read > 0.5) == (masks() > 0.5)).all()


def test_alpha_in_use_is_the_mask_of_an_image(tmp_path):
    image = np.ones((32, 48, 4), np.float32)
    image[..., 3] = masks()[0]
    media.write_image(tmp_path / "cut.png", image)
    read, warnings = read_mask_video(tmp_path / "cut.png", 5, 32, 48, Fit())
    assert ((read > 0.5) == (masks()[:1] > 0.5)).all()
    assert warnings == [f"The mask video '{tmp_path / 'cut.png'}' is one image: it holds for all 5 frames."]


def test_other_proportions_are_cropped_unless_another_fit_is_chosen(clips):
    cropped, warnings = read_mask_video(clips / "clip.npy", 5, 32, 32, Fit())
    assert (cropped == masks()[:, :, 8:40]).all() and "was cropped" in warnings[0]
    stretched, warnings = read_mask_video(clips / "clip.npy", 5, 32, 32, Fit(SpaceFit.STRETCH))
    assert stretched.sum() == pytest.approx(masks().sum() * 32 / 48, rel=0.01) and "was stretched" in warnings[0]


def test_another_length_is_refused_or_fitted(clips):
    with pytest.raises(UserError, match="clip.npy' has 5 frames, the video 9"):
        load_track(clips / "clip.npy", 9, 32, 48)
    held = load_track(clips / "clip.npy", 9, 32, 48, Fit(time=TimeFit.HOLD))
    assert (held[:5] == masks()).all() and (held[5:] == masks()[-1]).all()
    assert (load_track(clips / "clip.npy", 3, 32, 48, Fit(time=TimeFit.RESAMPLE)) == masks()[[0, 2, 4]]).all()


def test_values_beyond_0_to_1_are_refused_by_name(tmp_path):
    np.save(tmp_path / "bytes.npy", masks() * 255)
    with pytest.raises(UserError, match="bytes.npy' holds values"):
        load_track(tmp_path / "bytes.npy", 5, 32, 48)


def test_an_identity_comes_with_what_was_done_to_its_masks(clips):
    identity, warnings = read_identity(f"cup={clips}/one.png,track={clips}/clip.npy", 5, 32, 32)
    assert identity.name == "cup" and len(warnings) == 1
    assert warnings[0].startswith("The track of identity 'cup'") and "was cropped" in warnings[0]


def test_the_words_of_a_specification_may_be_left_out():
    spec = parse_identity("cup=cup.png,,where.mp4,strength=2")
    assert spec.name == "cup" and spec.numbers == {"strength": 2}
    assert spec.files == {"image": "cup.png", "mask": "", "track": "where.mp4"}
    assert parse_identity("folder/a=b.png").files == {"image": "folder/a=b.png"}
