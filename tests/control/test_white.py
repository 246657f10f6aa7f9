"""References on white: one by itself, one padded to a size, several on one canvas, and where all of them are."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.condition import VideoSize
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import Identity
from comfyui_fulldit.control.identity.white import mask_union, on_white, pad_white, white_canvas
from comfyui_fulldit.control.images import resize, resize_sharp

HEIGHT, WIDTH = 480, 832
COLORS = {
    "red": (1, 0, 0),
    "blue": (0, 0, 1),
    "green": (0, 1, 0),
    "black": (0, 0, 0),
    "yellow": (1, 1, 0),
    "magenta": (1, 0, 1),
    "cyan": (0, 1, 1),
    "gray": (0.5, 0.5, 0.5),
}


def plain(color: str, height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), COLORS[color], np.float32)


def box_of(canvas: np.ndarray, color: str) -> tuple[int, int, int, int]:
    """Top, left, height and width of a color, which must be one full rectangle."""
    inside = (np.abs(canvas - np.array(COLORS[color], np.float32)) < 1e-4).all(2)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    assert inside.sum() == height * width, f"{color} is not one full rectangle"
    return int(rows[0]), int(columns[0]), int(height), int(width)


def share_of_white(canvas: np.ndarray) -> float:
    return float((canvas == 1).all(2).mean())


# ---- by itself -------------------------------------------------------------------------------------------------------


def test_without_a_mask_a_reference_is_the_image_as_it_is():
    image = np.random.default_rng(0).random((30, 70, 3), np.float32)
    assert (on_white(Identity("a", (image,))) == image).all()


def test_with_a_mask_it_is_cut_out_on_white_with_a_small_margin():
    image = plain("blue", 100, 160)  # a blue wall
    image[20:60, 100:120] = COLORS["red"]  # a red post
    mask = np.zeros((100, 160), np.float32)
    mask[20:60, 100:120] = 1
    shown = on_white(Identity("post", (image,), mask=mask))
    assert shown.shape == (40 + 2 * 2, 20 + 2 * 2, 3)
    assert box_of(shown, "red") == (2, 2, 40, 20)
    assert share_of_white(shown) == pytest.approx(1 - 40 * 20 / (44 * 24)), "neither the wall nor gray is left"


def test_the_margin_beyond_the_image_is_white_too():
    mask = np.zeros((40, 40), np.float32)
    mask[:20, :40] = 1
    shown = on_white(Identity("top", (plain("red", 40, 40),), mask=mask))
    assert shown.shape == (24, 44, 3) and box_of(shown, "red") == (2, 2, 20, 40)


def test_a_soft_edge_goes_over_into_white_and_not_into_gray():
    mask = np.zeros((40, 40), np.float32)
    mask[10:30, 10:30] = 1
    mask[9, 10:30] = 0.4
    shown = on_white(Identity("soft", (plain("red", 40, 40),), mask=mask))
    assert shown.shape == (22, 22, 3) and shown[0, 10] == pytest.approx([1, 0.6, 0.6])


def test_later_images_are_cut_out_by_their_alpha():
    alpha = np.zeros((40, 40, 1), np.float32)
    alpha[10:30, 10:20] = 1
    image = np.concatenate([plain("red", 40, 40), alpha], 2)
    identity = Identity("a", (plain("blue", 8, 8), image, image * (1, 1, 1, 0)), mask=np.ones((8, 8)))
    shown = on_white(identity, 1)
    assert shown.shape == (22, 12, 3) and box_of(shown, "red") == (1, 1, 20, 10) and share_of_white(shown) > 0.2
    assert (on_white(identity, 2) == 1).all() and on_white(identity, 2).shape == (40, 40, 3), "all of it is hidden"
    assert (on_white(identity) == COLORS["blue"])[:, :, 2].all()


# ---- padded ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 5], ids=["larger", "smaller"])
def test_a_square_stands_in_the_middle_at_full_height(scale):
    padded = pad_white(plain("red", 200 * scale, 200 * scale), HEIGHT, WIDTH)
    assert padded.shape == (HEIGHT, WIDTH, 3) and padded.dtype == np.float32
    assert box_of(padded, "red") == (0, (832 - 480) // 2, 480, 480)
    assert share_of_white(padded) == pytest.approx(1 - 480 / 832)


def test_a_bar_takes_the_full_width():
    padded = pad_white(plain("blue", 100, 400), HEIGHT, WIDTH)
    assert box_of(padded, "blue") == ((480 - 208) // 2, 0, 208, 832)


def test_an_image_of_the_size_stays_as_it_is():
    image = np.random.default_rng(0).random((48, 80, 3), np.float32)
    assert (pad_white(image, 48, 80) == image).all()


def test_a_line_of_one_pixel_is_not_lost():
    assert box_of(pad_white(plain("red", 1, 2000), 48, 80), "red") == (23, 0, 1, 80)


@pytest.mark.parametrize("size", [(96, 64), (24, 16), (37, 21)], ids=str)
def test_the_filter_is_that_of_pil(size):
    Image = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).integers(96, 160, (48, 32, 3)).astype(np.uint8)
    height, width = size
    theirs = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS), np.float32)
    # PIL rounds to bytes after each of its two passes.
    assert np.abs(resize_sharp(image, height, width) - theirs).max() < 1.5
    assert np.abs(resize(image, height, width) - theirs).max() > 8, "the filter of all other images is another one"


def test_a_sharp_edge_overshoots_nowhere():
    image = plain("black", 40, 40)
    image[:, 20:] = 1
    padded = pad_white(image, 160, 160)
    assert padded.min() == 0 and padded.max() == 1


# ---- several on one canvas -------------------------------------------------------------------------------------------


def test_a_square_and_a_wide_bar_lie_one_above_the_other():
    """Beside each other both would be smaller: the bar is 412 instead of 832 wide."""
    canvas = white_canvas([plain("red", 300, 300), plain("blue", 100, 400)], HEIGHT, WIDTH)
    assert canvas.shape == (HEIGHT, WIDTH, 3)
    top, left, height, width = box_of(canvas, "red")
    assert height == width == 230 and left == (832 - 230) // 2 and top == 0
    below, start, tall, wide = box_of(canvas, "blue")
    assert wide / tall == pytest.approx(4, abs=0.02) and (start, wide) == (0, 832)
    assert below >= top + height + 19, "there is a margin between them"
    assert share_of_white(canvas) == pytest.approx(1 - (230 * 230 + tall * wide) / (HEIGHT * WIDTH))


def test_two_tall_ones_stand_side_by_side_in_their_order():
    canvas = white_canvas([plain("red", 400, 200), plain("blue", 200, 100)], HEIGHT, WIDTH)
    red, blue = box_of(canvas, "red"), box_of(canvas, "blue")
    assert red[2:] == blue[2:] == (480, 240) and red[1] + red[3] < blue[1]
    assert red[1] + blue[1] + 240 == pytest.approx(832, abs=1), "the two are centered together"


def test_a_single_one_is_padded_to_the_whole_canvas():
    image = np.random.default_rng(0).random((50, 40, 3), np.float32)
    assert (white_canvas([image], 64, 96) == pad_white(image, 64, 96)).all()


def test_three_squares_stand_in_a_row_and_five_in_two_with_the_last_centered():
    three = white_canvas([plain(name, 90, 90) for name in ("red", "blue", "green")], HEIGHT, WIDTH)
    boxes = [box_of(three, name) for name in ("red", "blue", "green")]
    assert len({box[0] for box in boxes}) == 1 and boxes[0][1] < boxes[1][1] < boxes[2][1]
    names = ("red", "blue", "green", "black", "yellow")
    five = white_canvas([plain(name, 90, 90) for name in names], HEIGHT, WIDTH)
    red, blue, green, black, yellow = (box_of(five, name) for name in names)
    assert red[0] == blue[0] == green[0] < black[0] == yellow[0]
    middles = [left + width / 2 for _, left, _, width in (red, blue, green, black, yellow)]
    assert middles[1] == pytest.approx(416, abs=1) and middles[3] + middles[4] == pytest.approx(832, abs=2)
    assert middles[3] == pytest.approx((middles[0] + middles[1]) / 2, abs=1)


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("shape", [(64, 64), (40, 120), (150, 50)], ids=str)
def test_nothing_is_cropped_or_covered_however_many_there_are(count, shape):
    names = list(COLORS)[:count]
    canvas = white_canvas([plain(name, *shape) for name in names], HEIGHT, WIDTH)
    boxes = [box_of(canvas, name) for name in names]
    for _, _, height, width in boxes:
        assert width / height == pytest.approx(shape[1] / shape[0], rel=0.02)
    assert len({box[2:] for box in boxes}) == 1, "equal images are of equal size"
    assert boxes == sorted(boxes), "from left to right, from top to bottom"
    colored = sum(height * width for _, _, height, width in boxes)
    assert share_of_white(canvas) == pytest.approx(1 - colored / (HEIGHT * WIDTH))


def test_no_other_grid_would_show_eight_squares_larger():
    canvas = white_canvas([plain(name, 10, 10) for name in COLORS], HEIGHT, WIDTH)
    # 2 x 4 cells of (832 - 3 gaps) / 4; 3 x 3 cells of (480 - 2 gaps) / 3 would be smaller.
    assert box_of(canvas, "red")[2:] == ((832 - 3 * 19) // 4,) * 2


def test_a_canvas_without_images_is_refused():
    with pytest.raises(UserError, match="no reference image"):
        white_canvas([], HEIGHT, WIDTH)


# ---- where they are --------------------------------------------------------------------------------------------------


def masked(name: str, left: int, strength: float = 1.0, value: float = 1.0) -> Identity:
    masks = np.zeros((3, 16, 32), np.float32)
    masks[:, 4:12, left : left + 8] = value
    return Identity(name, (plain("red", 4, 4),), mask_video=masks, strength=strength)


def test_the_union_is_where_any_of_them_is():
    video = VideoSize(3, 16, 32)
    free = Identity("free", (plain("red", 4, 4),))
    union = mask_union([masked("a", 0, value=0.5), free, masked("b", 4), masked("off", 24, strength=0)], video)
    assert union.shape == (3, 16, 32)
    assert union[1, 8, [0, 3, 4, 11, 12, 24]].tolist() == [0.5, 0.5, 1, 1, 0, 0]
    assert union.sum() == 3 * 8 * (4 * 0.5 + 8)
    assert mask_union([free], video) is None and mask_union([], video) is None


def test_masks_that_do_not_belong_to_the_video_are_refused_by_name():
    with pytest.raises(UserError, match="'a' has 3 frames, the video 5"):
        mask_union([masked("a", 0)], VideoSize(5, 16, 32))
    with pytest.raises(UserError, match="'a' is 32x16"):
        mask_union([masked("a", 0)], VideoSize(3, 32, 32))
