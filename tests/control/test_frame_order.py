"""The order of the frames of a folder, as programs number them, wherever frames are listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.depth.files import open_depth
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.frame_order import missing_frames, sort_frames
from comfyui_fulldit.control.load import load_track, read_source

cv2 = pytest.importorskip("cv2")


@pytest.mark.parametrize(
    "names",
    [
        ["0", "1", "2", "9", "10", "16"],
        ["frame_0001_depth16", "frame_0002_depth16", "frame_0010_depth16"],
        ["0001_1920x1080", "0002_1920x1080", "0010_1920x1080"],
        ["depth.-003", "depth.-002", "depth.0000", "depth.0001"],
        ["-0002", "-0001", "0000", "0001"],
        ["shot-9", "shot-10", "shot-11"],
        ["1305031102.175304", "1305031102.211214", "1305031103.011215"],
        ["take2_7", "take2_08", "take2_19"],
        ["a", "b", "c"],
        ["take1_a", "take1_b"],
    ],
    ids=lambda names: names[0],
)
def test_frames_stand_in_the_order_of_their_numbers(names):
    paths = [Path(f"{name}.png") for name in names]
    assert [path.stem for path in sort_frames(reversed(paths))] == names


@pytest.mark.parametrize(
    "names", [("1.png", "01.png"), ("1.png", "1.jpg"), ("left_3.png", "right_3.png", "left_4.png")]
)
def test_two_frames_of_one_number_are_refused(names):
    with pytest.raises(UserError, match="keep one clip in a folder"):
        sort_frames(Path(name) for name in names)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["d_1_16", "d_2_16", "d_4_16"], "3"),
        (["d_0", "d_5", "d_10"], ""),
        (["d_0", "d_1", "d_9"], "2, 3, 4, 5, 6, ..."),
        (["d_0", "d_1", "d_1000000000000"], "2, 3, 4, 5, 6, ..."),
        (["12.5", "13.1", "13.7"], ""),
        (["x"], ""),
    ],
)
def test_missing_numbers_are_found(names, missing):
    assert missing_frames([Path(f"{name}.png") for name in names]) == missing


@pytest.fixture
def unpadded(tmp_path) -> Path:
    """Twelve frames of rising brightness whose numbers have no leading zeros, and what a Mac leaves beside them."""
    for number in range(12):
        media.write_image(tmp_path / f"{number}_64x64.png", np.full((16, 16), number / 12))
    (tmp_path / "._3_64x64.png").write_bytes(b"Mac OS X")
    (tmp_path / "12_64x64.png").mkdir()
    return tmp_path


def test_every_reader_of_folders_keeps_that_order(unpadded):
    rising = np.arange(12) / 12
    assert media.read_video(unpadded).mean((1, 2, 3)) == pytest.approx(rising, abs=0.003)
    assert load_track(unpadded, 12, 16, 16).mean((1, 2)) == pytest.approx(rising, abs=0.003)
    assert read_source(unpadded, 12, 16, 16, Fit())[0].mean((1, 2, 3)) == pytest.approx(rising, abs=0.003)
    assert [frame.mean() for frame in open_depth(unpadded, "disparity")] == pytest.approx(list(rising), abs=0.003)
