"""Masks as annotators write them: labels by palette, number or color, alpha channels, and white on black."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.identity.mask_files import read_mask_video
from comfyui_fulldit.control.identity.mask_images import read_labels, read_mask_image
from comfyui_fulldit.control.load import read_identity

cv2 = pytest.importorskip("cv2")

DAVIS = [0x000000, 0x800000, 0x008000, 0x808000]


def objects(*numbers: int) -> np.ndarray:
    """Labels (24, 40): bars, one for each number, on 0."""
    labels = np.zeros((24, 40), np.uint8)
    for place, number in enumerate(numbers):
        labels[4:20, 4 + 10 * place : 10 + 10 * place] = number
    return labels


def bar(place: int) -> np.ndarray:
    return objects(*[0] * place, 1) > 0


def write_palette(path, labels: np.ndarray, palette: list[int]) -> None:
    """Write a PNG with a palette, which OpenCV cannot."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = labels.shape
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
    data += chunk(b"PLTE", b"".join(color.to_bytes(3, "big") for color in palette))
    rows = b"".join(b"\0" + row.tobytes() for row in labels)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_colors(path, labels: np.ndarray, palette: list[int]) -> None:
    colors = np.array([list(color.to_bytes(3, "big")) for color in palette], np.uint8)
    media.write_image(path, colors[labels])


def test_a_pixel_beyond_its_palette_is_background(tmp_path):
    """A damaged file: decoders show such a pixel black, which is no color of this palette."""
    write_palette(tmp_path / "m.png", np.where(bar(0), 1, 7).astype(np.uint8), [0xFF0000, 0x00FF00])
    assert read_labels(tmp_path / "m.png").objects == {"1": 0x00FF00}
    assert (read_mask_image(tmp_path / "m.png") == bar(0)).all()


@pytest.mark.parametrize("value", [1, 3, 31])
@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_an_image_of_one_small_number_is_a_mask(tmp_path, value, ending):
    path = tmp_path / f"m.{ending}"
    media.write_image(path, objects(value))
    assert (read_mask_image(path) == bar(0)).all()
    read, _ = read_mask_video(path, 2, 24, 40, Fit())
    assert (read == bar(0)).all()


def test_numbers_of_sixteen_bits_are_labels_too(tmp_path):
    cv2.imwrite(str(tmp_path / "m.png"), objects(1).astype(np.uint16) * 200)
    assert (read_mask_image(tmp_path / "m.png") == bar(0)).all()


@pytest.mark.parametrize(
    "palette", [DAVIS, [0x202020, 0xFF0000, 0x00FF00, 0x0000FF], [0, 0x808080, 0x404040, 0x111111]]
)
def test_the_object_of_a_palette_is_chosen_by_its_number(tmp_path, palette):
    write_palette(tmp_path / "m.png", objects(1, 2, 3), palette)
    with pytest.raises(UserError, match=r"m.png' shows 3 objects \(1, 2, 3\): choose one .* as 'm.png#1'"):
        read_mask_image(tmp_path / "m.png")
    for number in (1, 2, 3):
        assert (read_mask_image(f"{tmp_path}/m.png#{number}") == bar(number - 1)).all()
    with pytest.raises(UserError, match="no object '4': choose one of 1, 2, 3"):
        read_mask_image(f"{tmp_path}/m.png#4")
    write_palette(tmp_path / "m.png", objects(2), palette)
    assert (read_mask_image(tmp_path / "m.png") == bar(0)).all()


def test_what_an_annotator_left_open_is_not_an_object(tmp_path):
    write_palette(tmp_path / "voc.png", objects(1, 255), [*DAVIS, *[0] * 251, 0xE0E0C0])
    assert (read_mask_image(tmp_path / "voc.png") == bar(0)).all()


@pytest.mark.parametrize("ground", [0x000000, 0xFFFFFF, 0x3030FF])
def test_objects_in_flat_colors_are_chosen_by_color(tmp_path, ground):
    write_colors(tmp_path / "m.png", objects(1), [ground, 0xFF0000])
    assert (read_mask_image(tmp_path / "m.png") == bar(0)).all()
    write_colors(tmp_path / "m.png", objects(1, 2), [ground, 0xFF0000, 0x00FF00])
    with pytest.raises(UserError, match=r"2 objects \(00ff00, ff0000\)"):
        read_mask_image(tmp_path / "m.png")
    assert (read_mask_image(f"{tmp_path}/m.png#00FF00") == bar(1)).all()


def test_a_folder_of_labels_is_read_as_one_clip(tmp_path):
    """Objects come and go; a frame in which the object is not is black, and so is one that is empty."""
    frames = [objects(1), objects(1, 2), objects(0, 2), objects()]
    for number, labels in enumerate(frames):
        write_palette(tmp_path / "two" / f"{number}.png", labels, DAVIS)
        media.write_image(tmp_path / "one" / f"{number}.png", np.minimum(labels, 1))
    with pytest.raises(UserError, match="shows 2 objects"):
        read_mask_video(tmp_path / "two", 4, 24, 40, Fit())
    second, warnings = read_mask_video(f"{tmp_path}/two#2", 4, 24, 40, Fit())
    assert [(mask == bar(1)).all() for mask in second] == [False, True, True, False] and not warnings
    assert second.sum((1, 2)).tolist() == [0, 96, 96, 0]
    assert (read_mask_video(tmp_path / "one", 4, 24, 40, Fit())[0] == [labels > 0 for labels in frames]).all()


def test_white_masks_stay_as_they_are(tmp_path):
    """Soft edges, three levels, faint frames among bright ones, a palette of black and white: none are labels."""
    soft = np.linspace(0, 1, 24 * 40, dtype=np.float32).reshape(24, 40)
    media.write_image(tmp_path / "soft.png", soft)
    assert read_mask_image(tmp_path / "soft.png") == pytest.approx(soft, abs=0.003)
    media.write_image(tmp_path / "levels.png", objects(128, 255))
    assert np.unique(read_mask_image(tmp_path / "levels.png")) == pytest.approx([0, 128 / 255, 1])
    for number, top in enumerate((255, 20)):
        media.write_image(tmp_path / "fade" / f"{number}.png", objects(top))
    read = read_mask_video(tmp_path / "fade", 2, 24, 40, Fit())[0]
    assert read.max((1, 2)) == pytest.approx([1, 20 / 255])
    write_palette(tmp_path / "inverse.png", 1 - objects(1), [0, 0xFFFFFF])
    assert (read_mask_image(tmp_path / "inverse.png") == ~bar(0)).all()


def test_alpha_in_use_in_any_frame_is_the_mask_of_all(tmp_path):
    color = np.ones((24, 40, 4), np.float32) * 0.3
    media.write_image(tmp_path / "cut" / "0.png", np.dstack([color[..., :3], bar(0)]))
    media.write_image(tmp_path / "cut" / "1.png", np.dstack([color[..., :3], np.ones((24, 40))]))
    read = read_mask_video(tmp_path / "cut", 2, 24, 40, Fit())[0]
    assert (read[0] == bar(0)).all() and (read[1] == 1).all()


def test_an_identity_chooses_among_labels(tmp_path):
    media.write_image(tmp_path / "cup.png", np.full((24, 40, 3), 0.5))
    write_palette(tmp_path / "labels.png", objects(1, 2), DAVIS)
    identity, _ = read_identity(f"cup={tmp_path}/cup.png,{tmp_path}/labels.png#2,{tmp_path}/labels.png#1", 2, 24, 40)
    assert (identity.mask == bar(1)).all() and (identity.mask_video == bar(0)).all()


def test_a_choice_where_there_are_no_labels_is_refused(tmp_path):
    media.write_image(tmp_path / "white.png", objects(255))
    media.write_video(tmp_path / "white.mp4", objects(255)[None])
    for name in ("white.png", "white.mp4"):
        with pytest.raises(UserError, match="holds no labels.*leave '#2' out"):
            read_mask_video(f"{tmp_path}/{name}#2", 1, 24, 40, Fit())
    media.write_image(tmp_path / "cut#2.png", objects(255))
    assert (read_mask_image(tmp_path / "cut#2.png") == bar(0)).all()  # a '#' of the name's own
