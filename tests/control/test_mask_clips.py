"""Labels in arrays, videos and lossy images: an object is chosen or asked for, and never a mask of 0.004."""

from __future__ import annotations

import av
import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.identity.mask_files import read_mask_video
from comfyui_fulldit.control.identity.mask_images import read_mask_image

pytest.importorskip("cv2")
FRAMES, HEIGHT, WIDTH = 5, 32, 64


def labels(*numbers: int) -> np.ndarray:
    """Labels (F, H, W): bars that move to the right, one for each number, on 0."""
    clip = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for frame in range(FRAMES):
        for place, number in enumerate(numbers):
            clip[frame, 4:28, 2 + frame + 20 * place : 12 + frame + 20 * place] = number
    return clip


def bar(place: int) -> np.ndarray:
    return labels(*[0] * place, 1) > 0


def read(path) -> np.ndarray:
    return read_mask_video(path, FRAMES, HEIGHT, WIDTH, Fit())[0]


def write(path, frames: np.ndarray, codec: str, pixels: str, source: str = "gray") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=source)))
        container.mux(stream.encode())


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float(((one > 0.5) & other).sum() / ((one > 0.5) | other).sum())


# ---- arrays ----


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, np.uint16])
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_an_array_of_zeros_and_ones_is_a_mask(tmp_path, kind, ending):
    path = tmp_path / f"clip.{ending}"
    np.savez(path, labels(1).astype(kind)) if ending == "npz" else np.save(path, labels(1).astype(kind))
    assert (read(path) == bar(0)).all()


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float64, np.uint16])
def test_of_several_numbers_in_an_array_one_is_chosen(tmp_path, kind):
    path = tmp_path / "clip.npy"
    np.save(path, labels(1, 2, 7).astype(kind))
    with pytest.raises(UserError, match=r"shows 3 objects \(1, 2, 7\): choose one behind its name, as 'clip.npy#1'"):
        read(path)
    for place, number in enumerate((1, 2, 7)):
        assert (read(f"{path}#{number}") == bar(place)).all()
    with pytest.raises(UserError, match="shows no object '3': choose one of 1, 2, 7"):
        read(f"{path}#3")
    np.save(path, labels(7).astype(kind))
    assert (read(path) == bar(0)).all()


def test_bytes_of_white_are_masks_and_void_is_no_object(tmp_path):
    np.save(tmp_path / "white.npy", labels(255))
    assert (read(tmp_path / "white.npy") == bar(0)).all()
    np.save(tmp_path / "void.npy", labels(3, 255))
    assert (read(tmp_path / "void.npy") == bar(0)).all()
    soft = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (FRAMES, HEIGHT, 1))
    np.save(tmp_path / "soft.npy", soft)
    assert read(tmp_path / "soft.npy") == pytest.approx(soft / 255, abs=1e-6)
    np.save(tmp_path / "instances.npy", labels(1, 2).astype(np.int32) * 26001)
    assert (read(f"{tmp_path}/instances.npy#52002") == bar(1)).all()
    with pytest.raises(UserError, match="holds no labels"):
        read(f"{tmp_path}/white.npy#2")


def test_an_archive_says_which_of_its_arrays_is_the_clip(tmp_path):
    np.savez(tmp_path / "named.npz", scores=np.zeros(3), masks=labels(1))
    assert (read(tmp_path / "named.npz") == bar(0)).all()
    np.savez(tmp_path / "two.npz", a=labels(1), b=labels(1))
    with pytest.raises(UserError, match="holds the arrays a, b: keep one, or call it 'masks'"):
        read(tmp_path / "two.npz")
    np.save(tmp_path / "last.npy", labels(1)[..., None])
    assert (read(tmp_path / "last.npy") == bar(0)).all()


def test_numbers_without_end_are_not_masks(tmp_path):
    np.save(tmp_path / "ids.npy", np.arange(FRAMES * HEIGHT * WIDTH).reshape(FRAMES, HEIGHT, WIDTH))
    with pytest.raises(UserError, match="masks are 0 to 1, 0 and 255, or a number for each object"):
        read(tmp_path / "ids.npy")
    np.save(tmp_path / "minus.npy", -labels(1).astype(int))
    with pytest.raises(UserError, match="masks are 0 to 1"):
        read(tmp_path / "minus.npy")


@pytest.mark.parametrize("damage", ["header", "shape", "short", "objects", "negative"])
def test_damaged_arrays_get_one_sentence(tmp_path, damage):
    path = tmp_path / "clip.npy"
    np.save(path, labels(1))
    data = path.read_bytes()
    if damage == "objects":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    else:
        path.write_bytes(
            {
                "header": data.replace(b"}", b"("),
                "shape": data.replace(b"(5, 32, 64)", b"(9, 99, 99)"),
                "short": data[:-1],
                "negative": data.replace(b"(5, 32, 64)", b"(-5, -32, 64)")[:-2],
            }[damage]
        )
    with pytest.raises(UserError, match="[Tt]he array .* cannot be read: "):
        read(path)


# ---- videos ----


def test_numbers_in_a_video_are_labels(tmp_path):
    for name, codec, pixels in (("one.mkv", "ffv1", "gray"), ("two.mkv", "ffv1", "bgr0")):
        write(tmp_path / name, labels(1), codec, pixels)
        assert (read(tmp_path / name) == bar(0)).all(), name
        write(tmp_path / name, labels(1, 2), codec, pixels)
        with pytest.raises(UserError, match=r"shows 2 objects \(1, 2\): choose one"):
            read(tmp_path / name)
        assert (read(f"{tmp_path / name}#2") == bar(1)).all()
    write(tmp_path / "fine.mkv", labels(1, 3).astype(np.uint16), "ffv1", "gray16le", "gray16le")
    assert (read(f"{tmp_path}/fine.mkv#3") == bar(1)).all()


def test_ones_in_a_lossy_video_are_a_mask(tmp_path):
    write(tmp_path / "ones.mp4", labels(1), "libx264", "yuv420p")
    assert iou(read(tmp_path / "ones.mp4"), bar(0)) > 0.85


def test_objects_in_flat_colors_of_a_video_are_chosen_by_color(tmp_path):
    palette = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
    media.write_video(tmp_path / "colors.mp4", palette[labels(1, 2)])
    with pytest.raises(UserError, match="shows 2 objects"):
        read(tmp_path / "colors.mp4")
    assert iou(read(f"{tmp_path}/colors.mp4#800000"), bar(0)) > 0.85
    assert iou(read(f"{tmp_path}/colors.mp4#008000"), bar(1)) > 0.85
    with pytest.raises(UserError, match="shows no object '0000ff'"):
        read(f"{tmp_path}/colors.mp4#0000ff")
    media.write_video(tmp_path / "one.mp4", palette[labels(2)])
    found = read(tmp_path / "one.mp4")
    assert iou(found, bar(0)) > 0.85 and found.max() == 1


def test_gray_levels_below_white_in_a_video_are_objects(tmp_path):
    """What a palette becomes when it is converted to gray: red of 128 is 38, green is 75."""
    media.write_video(tmp_path / "gray.mp4", labels(38, 75))
    with pytest.raises(UserError, match="shows 2 objects"):
        read(tmp_path / "gray.mp4")


def test_masks_in_white_of_a_video_stay_as_they_are(tmp_path):
    soft = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (FRAMES, HEIGHT, 1))
    media.write_video(tmp_path / "soft.mp4", soft)
    assert np.abs(read(tmp_path / "soft.mp4") - soft / 255).max() < 0.03
    media.write_video(tmp_path / "white.mp4", labels(255))
    assert iou(read(tmp_path / "white.mp4"), bar(0)) > 0.95
    media.write_video(tmp_path / "black.mp4", labels())
    assert not read(tmp_path / "black.mp4").any()


# ---- images ----


def test_flat_colors_that_jpeg_has_blurred_are_objects_too(tmp_path):
    palette = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    media.write_image(tmp_path / "m.jpg", palette[labels(1, 2)[0]])
    with pytest.raises(UserError, match="shows 2 objects"):
        read_mask_image(tmp_path / "m.jpg")
    assert iou(read_mask_image(f"{tmp_path}/m.jpg#ff0000"), bar(0)[0]) > 0.85


def test_void_beside_gray_labels_and_levels_below_white(tmp_path):
    media.write_image(tmp_path / "void.png", labels(2, 255)[0])
    assert (read_mask_image(tmp_path / "void.png") == bar(0)[0]).all()
    media.write_image(tmp_path / "levels.png", labels(38, 75)[0])
    with pytest.raises(UserError, match=r"2 objects \(38, 75\)"):
        read_mask_image(tmp_path / "levels.png")
    media.write_image(tmp_path / "one.png", labels(200)[0])
    assert (read_mask_image(tmp_path / "one.png") == bar(0)[0]).all()


def test_alpha_of_zeros_and_ones_is_a_mask(tmp_path):
    image = np.full((HEIGHT, WIDTH, 4), 200, np.uint8)
    image[..., 3] = labels(1)[0]
    media.write_image(tmp_path / "cut.png", image)
    assert (read_mask_image(tmp_path / "cut.png") == bar(0)[0]).all()


@pytest.mark.parametrize("shape", [(FRAMES, 1, HEIGHT, WIDTH), (FRAMES, HEIGHT, WIDTH, 1)])
def test_a_channel_of_its_own_is_no_obstacle(tmp_path, shape):
    np.save(tmp_path / "clip.npy", labels(1).reshape(shape))
    assert (read(tmp_path / "clip.npy") == bar(0)).all()


def test_one_image_in_an_array_holds_for_the_clip(tmp_path):
    np.save(tmp_path / "one.npy", labels(1)[0])
    masks, warnings = read_mask_video(tmp_path / "one.npy", FRAMES, HEIGHT, WIDTH, Fit())
    assert (masks == bar(0)[0]).all() and "is one image" in warnings[0]
