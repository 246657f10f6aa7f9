"""Depth that was shown in colors is read back, gray depth and photographs are left as they are."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.depth.colormaps import colormaps, decode, decode_images, recognize
from comfyui_fulldit.control.depth.files import open_depth
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.load import load_depth

cv2 = pytest.importorskip("cv2")
MAPS = {"turbo": 1, "jet": 1, "Spectral": -1, "viridis": 1, "magma": 1, "inferno": 1, "plasma": 1}


def nearness(frames: int = 5, height: int = 64, width: int = 96) -> np.ndarray:
    """A floor that comes nearer downward, a wall behind it and two things on it that move: 0 far, 1 near."""
    y, x = np.mgrid[:height, :width]
    clip = np.stack([np.clip(y / height * 1.1 - 0.15, 0.05, 0.95)] * frames)
    for number, frame in enumerate(clip):
        frame[(y - 40) ** 2 + (x - 20 - 3 * number) ** 2 < 150] = 0.75
        frame[(abs(y - 25) < 12) & (abs(x - 70 + number) < 8)] = 0.45
    return clip.astype(np.float32)


def colored(values: np.ndarray, name: str) -> np.ndarray:
    """The colors of Matplotlib, with the end at 1 that depth tools use for near."""
    matplotlib = pytest.importorskip("matplotlib")
    images = matplotlib.colormaps[name](values if MAPS[name] > 0 else 1 - values)[..., :3]
    return (np.round(images * 255) / 255).astype(np.float32)


@pytest.mark.parametrize("name", list(MAPS))
def test_colors_are_read_back_within_three_steps(name):
    values, _, warnings = decode_images(colored(nearness(), name), "auto", "the clip")
    assert np.abs(values - nearness()).max() <= 3 / 255
    assert len(warnings) == 1 and f"The clip is colored by {name}" in warnings[0] and "'inverted'" in warnings[0]


@pytest.mark.parametrize("kind", ["auto", "disparity"])
@pytest.mark.parametrize("name", list(MAPS))
def test_a_colored_video_gives_the_clip_of_the_gray_one(tmp_path, name, kind):
    media.write_video(tmp_path / "a.mp4", colored(nearness(), name))
    np.save(tmp_path / "gray.npy", nearness())
    clip, gray = (load_depth(tmp_path / file, 5, 64, 96, kind) for file in ("a.mp4", "gray.npy"))
    error = np.abs(clip.values - gray.values)
    # At edges, video mixes the colors of both sides.
    assert np.quantile(error, 0.9) < 0.04 and np.corrcoef(clip.values.ravel(), gray.values.ravel())[0, 1] > 0.97
    assert any(f"is colored by {name}" in text for text in clip.recipe["warnings"])


@pytest.mark.parametrize("name", ["turbo", "Spectral", "magma"])
def test_a_video_of_low_quality_in_another_color_matrix_is_still_known(name):
    """Decoded as HD where it was coded as SD, with noise of a strong compression."""
    images = colored(nearness(), name)
    sd = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    hd = np.array([[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]])
    shifted = images @ sd.T @ np.linalg.inv(hd).T + np.random.default_rng(0).normal(0, 0.015, images.shape)
    colormap, _ = recognize(list(shifted.clip(0, 1).astype(np.float32)), "auto", "the clip")
    assert colormap is not None and colormap.name == name
    error = np.abs(decode(shifted.clip(0, 1).astype(np.float32), colormap) - nearness())
    assert np.nanquantile(error, 0.9) < 0.1


def test_images_and_folders_are_read_back(tmp_path):
    images = colored(nearness(), "turbo")
    for number, image in enumerate(images):
        media.write_image(tmp_path / "clip" / f"{number}.png", image)
    media.write_image(tmp_path / "one.jpg", images[0])
    clip = load_depth(tmp_path / "clip", 5, 64, 96)
    assert np.corrcoef(clip.values.ravel(), nearness().ravel())[0, 1] > 0.999
    one = load_depth(tmp_path / "one.jpg", 2, 64, 96)
    assert np.corrcoef(one.values[1].ravel(), nearness()[0].ravel())[0, 1] > 0.98


@pytest.mark.parametrize("bits", [8, 16])
def test_png_files_of_the_readers_of_sequences_are_read_back(tmp_path, bits):
    for number, image in enumerate(colored(nearness(), "Spectral")):
        whole = np.round(image[..., ::-1] * (2**bits - 1)).astype(f"uint{bits}")
        cv2.imwrite(str(tmp_path / f"{number}.png"), whole)
    files = open_depth(tmp_path, "disparity")
    assert np.abs(np.stack(list(files)) - nearness()).max() <= 3 / 255
    assert "colored by Spectral" in files.warnings[0]
    assert np.corrcoef(load_depth(tmp_path, 5, 64, 96).values.ravel(), nearness().ravel())[0, 1] > 0.999
    with pytest.raises(UserError, match="colored by Spectral.*no distances"):
        open_depth(tmp_path, "millimetres")


def test_the_users_word_turns_the_colors_round(tmp_path):
    images = colored(1 - nearness(), "jet")
    values, *_ = decode_images(images, "inverted", "the clip")
    media.write_video(tmp_path / "a.mp4", images)
    turned = load_depth(tmp_path / "a.mp4", 5, 64, 96, "inverted").values
    assert np.corrcoef(turned.ravel(), nearness().ravel())[0, 1] > 0.97
    by_ground = load_depth(tmp_path / "a.mp4", 5, 64, 96)
    assert np.corrcoef(by_ground.values.ravel(), nearness().ravel())[0, 1] > 0.97, "the floor tells"
    assert by_ground.recipe["kind"] == "inverted" and values[0, -1, 0] < values[0, 0, 0]


def test_distances_in_colors_are_refused(tmp_path):
    media.write_video(tmp_path / "a.mp4", colored(nearness(), "turbo"))
    with pytest.raises(UserError, match="'a.mp4' is colored by turbo.*'disparity' if its red end is near"):
        load_depth(tmp_path / "a.mp4", 5, 64, 96, "depth")


def test_black_places_are_unknown():
    images = colored(nearness(), "jet")
    images[:, :10, :30] = 0
    values, *_ = decode_images(images, "auto", "the clip")
    assert np.isnan(values[:, :10, :30]).all() and np.isfinite(values).sum() == values.size - 5 * 300


def test_gray_depth_stays_gray(tmp_path):
    gray = np.repeat(nearness()[..., None], 3, -1)
    tinted = (gray + [0.02, 0, -0.02]).clip(0, 1).astype(np.float32)
    for images in (gray, tinted):
        values, _, warnings = decode_images(images, "auto", "the clip")
        assert np.array_equal(values, images.mean(-1)) and not warnings


def test_procedural_scenes_are_not_taken_for_colored_depth():
    pytest.importorskip("torch")
    from comfyui_fulldit.scenes import render
    from comfyui_fulldit.scenes.world import WorldOptions

    for family in ("seen", "unseen"):
        video = render(range(30), 1, 48, 72, options=WorldOptions(family=family)).video.numpy()
        for image in np.moveaxis(video[:, :, 0], 1, -1):
            assert image.shape == (48, 72, 3)
            assert recognize([image], "auto", "the clip")[0] is None


def test_pictures_of_other_colors_are_taken_by_brightness_and_that_is_said(tmp_path):
    rng = np.random.default_rng(3)
    for _ in range(40):
        picture = cv2.resize(rng.uniform(0, 1, (4, 6, 3)).astype(np.float32), (96, 64)).clip(0, 1)
        colormap, warnings = recognize([picture], "auto", "the clip")
        assert colormap is None and "no colormap that is known" in warnings[0]
    values, _, warnings = decode_images(picture[None], "auto", "the clip")
    assert np.array_equal(values, picture[None].mean(-1)) and len(warnings) == 1


def test_a_narrow_piece_of_a_colormap_is_not_enough():
    """A sunset is orange and violet as inferno's middle is, but not all of it."""
    images = colored(0.5 + 0.2 * nearness(), "inferno")
    assert recognize(list(images), "auto", "the clip")[0] is None


def test_tables_hold_the_colors_that_the_maps_are_known_by():
    tables = {one.name: np.round(one.table * 255).astype(int).tolist() for one in colormaps()}
    assert set(tables) == set(MAPS)
    assert tables["viridis"][0] == [68, 1, 84] and tables["viridis"][-1] == [253, 231, 37]
    assert tables["Spectral"][0] == [94, 79, 162] and tables["Spectral"][-1] == [158, 1, 66]
    assert tables["inferno"][-1] == [252, 255, 164] and tables["turbo"][-1] == [122, 4, 3]
