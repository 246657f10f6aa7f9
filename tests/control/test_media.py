"""Files: what is written comes back, whole or not at all; what is broken is refused."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.camera.formats import write_camera
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import (
    CameraCondition,
    DepthCondition,
    IdentityCondition,
    VideoSize,
    load_conditions,
)
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.files import atomic_path, write_json
from comfyui_fulldit.control.fit import Fit


def clip(frames=17, height=32, width=48) -> np.ndarray:
    """A ramp over the image and one over time."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([np.stack([x / width, y / height, 0 * x + f / frames], -1) for f in range(frames)])


def test_a_written_video_is_read_back(tmp_path):
    frames = clip()
    media.write_video(tmp_path / "v.mp4", frames, fps=12)
    again = media.read_video(tmp_path / "v.mp4")
    assert again.shape == frames.shape and again.dtype == np.float32
    assert np.abs(again - frames).mean() < 0.012
    assert media.count_frames(tmp_path / "v.mp4") == 17
    assert [p.name for p in tmp_path.iterdir()] == ["v.mp4"]


def test_equal_frames_become_equal_files(tmp_path):
    """x264 has ways that differ from run to run on some CPUs; the memory around it is used differently each time."""
    numbers = np.random.default_rng(0)
    frames = np.kron(numbers.random((12, 20, 1)), np.ones((8, 8, 1)))[None] * numbers.random((9, 1, 1, 3))
    written = set()
    for _ in range(20):
        around = [np.ones(numbers.integers(1, 10**6)) for _ in range(5)]
        media.write_video(tmp_path / "a.mp4", frames.astype(np.float32), 8.0)
        written.add((tmp_path / "a.mp4").read_bytes())
        del around
    assert len(written) == 1


def test_a_video_is_what_players_expect(tmp_path):
    import av

    media.write_video(tmp_path / "v.mp4", (frame for frame in media.to_bytes(clip(5))), fps=7.5)
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 7.5


def test_some_frames_are_spread_over_the_whole_video(tmp_path):
    media.write_video(tmp_path / "v.mp4", clip())
    some = media.read_video(tmp_path / "v.mp4", frames=3, size=(16, 24))
    assert some.shape == (3, 16, 24, 3)
    assert some[:, 8, 12, 2] == pytest.approx([0, 8 / 17, 16 / 17], abs=0.04)
    assert len(media.read_video(tmp_path / "v.mp4", frames=40)) == 40


def test_gray_videos_of_odd_sides_become_even_and_rgb(tmp_path):
    media.write_video(tmp_path / "v.mp4", np.full((3, 15, 21), 0.5))
    again = media.read_video(tmp_path / "v.mp4")
    assert again.shape == (3, 16, 22, 3) and again == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_a_written_image_is_read_back(tmp_path, ending):
    image = clip(1)[0]
    media.write_image(tmp_path / f"a.{ending}", image)
    assert np.abs(media.read_image(tmp_path / f"a.{ending}") - image).mean() < 0.02


def test_alpha_and_sixteen_bits_are_read(tmp_path):
    import cv2

    rgba = np.concatenate([clip(1)[0], clip(1)[0][..., :1]], 2)
    media.write_image(tmp_path / "a.png", rgba)
    assert media.read_image(tmp_path / "a.png") == pytest.approx(rgba, abs=0.003)
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 4), 32768, np.uint16))
    assert media.read_image(tmp_path / "b.png") == pytest.approx(0.5, abs=1e-4)


def test_a_folder_of_images_is_a_video(tmp_path):
    for number in range(5):
        media.write_image(tmp_path / f"{number:03}.png", clip(5)[number])
    assert media.read_video(tmp_path) == pytest.approx(clip(5), abs=0.003)


@pytest.mark.parametrize("kept", [0, 10, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(tmp_path, kept):
    media.write_video(tmp_path / "v.mp4", clip())
    media.write_image(tmp_path / "a.png", clip(1)[0])
    media.write_image(tmp_path / "a.jpg", clip(1)[0])
    for name, read in (("v.mp4", media.read_video), ("a.png", media.read_image), ("a.jpg", media.read_image)):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
        with pytest.raises(UserError, match=name):
            read(tmp_path / name)


def test_a_video_cut_in_its_images_is_refused(tmp_path):
    """Here the index is in front and whole, so only the missing images tell."""
    import av

    with av.open(str(tmp_path / "v.mp4"), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=8)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for image in np.random.default_rng(0).integers(0, 255, (17, 32, 48, 3), np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    data = (tmp_path / "v.mp4").read_bytes()
    assert len(media.read_video(tmp_path / "v.mp4")) == 17
    (tmp_path / "v.mp4").write_bytes(data[: int(len(data) * 0.7)])
    with pytest.raises(UserError, match="truncated"):
        media.read_video(tmp_path / "v.mp4")


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"\x80\x04pickle" * 50)
    (tmp_path / "a.png").write_bytes(b"\x80\x04pickle" * 50)
    media.write_image(tmp_path / "empty" / "x.png", clip(1)[0])
    (tmp_path / "empty" / "x.png").unlink()
    for read, name in (
        (media.read_video, "v.mp4"),
        (media.read_image, "a.png"),
        (media.read_image, "none.png"),
        (media.read_video, "none.mp4"),
        (media.read_video, "empty"),
        (media.read_image, "empty"),
    ):
        with pytest.raises(UserError, match=name):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        (clip() * np.nan, "v.mp4"),
        ([], "v.mp4"),
        (clip(), "v.avi"),
        (np.zeros((3, 8, 8, 4)), "v.mp4"),
        ([*clip(1), *clip(1, 16)], "v.mp4"),
    ],
)
def test_nothing_half_written_is_left(tmp_path, frames, name):
    with pytest.raises(UserError):
        media.write_video(tmp_path / name, frames)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_keeps_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UserError, match="folder"), atomic_path(tmp_path):
        pass


@pytest.fixture
def files(tmp_path):
    """A user's own files, each of another size and length than the video."""
    mask = np.zeros((40, 30), np.float32)
    mask[10:30, 10:20] = 1
    media.write_image(tmp_path / "cup.png", np.random.default_rng(0).random((40, 30, 3)))
    media.write_image(tmp_path / "mask.png", mask)
    media.write_video(tmp_path / "track.mp4", np.repeat(mask[None], 17, 0))
    media.write_video(tmp_path / "depth.mp4", clip()[..., :1].repeat(3, -1))
    np.save(tmp_path / "depth.npy", 1 / (0.1 + clip(30)[..., 0]))
    write_camera(preset("truck_left", frames=40), tmp_path / "camera.json")
    return tmp_path


def load(frames, height, width, camera=None, identities=(), depth=None, fit=None):
    """The conditions of these files."""
    specs = {
        "camera": [] if camera is None else [str(camera)],
        "identity": list(identities),
        "depth": [] if depth is None else [str(depth)],
    }
    return load_conditions(VideoSize(frames, height, width), specs, fit)


def camera_of(conditions):
    return conditions.get(CameraCondition).trajectory


def identities_of(conditions):
    return conditions.get(IdentityCondition).identities


def depth_of(conditions):
    return conditions.get(DepthCondition).clip


def test_all_conditions_are_loaded_from_files(files):
    conditions = load(
        17,
        32,
        48,
        camera="orbit_right:15,ease=linear,fov=60",
        identities=[f"cup={files}/cup.png,{files}/mask.png,{files}/track.mp4,strength=0.5", f"{files}/cup.png"],
        depth=files / "depth.mp4",
    )
    assert conditions.names == ("camera", "identity", "depth")
    assert camera_of(conditions).fov()[0, 0] == pytest.approx(60)
    cup, plain = identities_of(conditions)
    assert cup.name == "cup" and cup.strength == 0.5 and cup.mask.sum() == 200 and cup.mask_video.shape == (17, 32, 48)
    assert cup.mask_video[0, 16, 24] > 0.9 and cup.mask_video[0, 0, 0] < 0.1
    assert plain.name == "identity 2" and plain.mask is None and plain.mask_video is None
    assert (
        depth_of(conditions).values[0, 16, 40] > depth_of(conditions).values[0, 16, 8]
        and depth_of(conditions).recipe["kind"] == "disparity"
    )


def test_files_of_an_identity_by_place_or_by_name(files):
    def read(spec):
        return identities_of(load(17, 32, 48, identities=[spec.replace("@", f"{files}/")]))[0]

    by_place = read("cup=@cup.png,@mask.png,@track.mp4")
    by_name = read("cup=@cup.png,track=@track.mp4,strength=2,mask=@mask.png")
    assert np.array_equal(by_place.mask_video, by_name.mask_video) and np.array_equal(by_place.mask, by_name.mask)
    assert by_place.strength == 1 and by_name.strength == 2
    no_mask = read("cup=@cup.png,track=@track.mp4")
    assert no_mask.mask is None and np.array_equal(no_mask.mask_video, read("cup=@cup.png,,@track.mp4").mask_video)


def test_other_lengths_are_refused_or_spread(files):
    with pytest.raises(UserError, match="40 frames, the video 17.*fit"):
        load(17, 32, 48, camera=files / "camera.json")
    with pytest.raises(UserError, match="30 frames, the video 17.*fit"):
        load(17, 32, 48, depth=files / "depth.npy")
    with pytest.raises(UserError, match="'cup'.*17 frames, the video 13.*fit"):
        load(13, 32, 48, identities=[f"cup={files}/cup.png,,{files}/track.mp4"])
    conditions = load(
        13,
        32,
        48,
        camera=files / "camera.json",
        depth=files / "depth.npy",
        identities=[f"cup={files}/cup.png,,{files}/track.mp4"],
        fit=Fit.of(time="resample"),
    )
    assert (
        camera_of(conditions).frames == 13
        and camera_of(conditions).fps == 8
        and depth_of(conditions).recipe["kind"] == "depth"
    )


def test_one_mask_or_depth_image_holds_for_all_frames(files):
    conditions = load(5, 32, 48, identities=[f"{files}/cup.png,,{files}/mask.png"], depth=files / "cup.png")
    assert np.ptp(identities_of(conditions)[0].mask_video, axis=0).max() == 0 and depth_of(conditions).frames == 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"camera": "fly_away"}, "preset 'fly_away' is unknown"),
        ({"camera": "none.json"}, "does not exist"),
        ({"camera": "pan_left:fast"}, "a number was expected"),
        ({"camera": "pan_left:20,speed=3"}, "'speed' is not an option"),
        ({"camera": "pan_left:500"}, "-360 to 360"),
        ({"identities": ["cup="]}, "no image"),
        ({"identities": ["cup=none.png"]}, "does not exist"),
        ({"identities": ["cup=a,b,c,d"]}, "'d' is too much for identity 'cup'"),
        ({"identities": ["cup=mask=a.png"]}, "no image"),
        ({"identities": ["cup=a.png,strength=much"]}, "a number was expected"),
        ({"depth": "none.mp4"}, "does not exist"),
        ({"depth": "none.npy"}, "does not exist"),
    ],
)
def test_what_cannot_be_loaded_is_refused(arguments, says):
    with pytest.raises(UserError, match=says):
        load(**{"frames": 17, "height": 32, "width": 48, **arguments})


def test_bad_arrays_are_refused(tmp_path):
    np.save(tmp_path / "flat.npy", np.ones(4))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "large.npy", np.full((5, 8, 8), 255.0))
    media.write_image(tmp_path / "cup.png", clip(1)[0])
    for name in ("flat.npy", "objects.npy", "large.npy"):
        with pytest.raises(UserError, match=name):
            load(5, 16, 16, depth=tmp_path / name)
        with pytest.raises(UserError, match=name):
            load(5, 16, 16, identities=[f"{tmp_path}/cup.png,,{tmp_path}/{name}"])


def test_frames_of_an_array_are_measured_before_they_are_read(tmp_path):
    """The file is one of holes, so it takes no room here."""
    array = np.lib.format.open_memmap(tmp_path / "bomb.npy", mode="w+", dtype=np.uint8, shape=(1, 20000, 20000))
    del array
    with pytest.raises(UserError, match="20000 x 20000 pixels; at most 134 million"):
        load(1, 16, 16, depth=tmp_path / "bomb.npy")


def test_no_files_give_no_conditions():
    assert load(17, 32, 48).names == ()


def test_a_gray_level_that_png_marks_as_transparent_is_alpha(tmp_path):
    """Decoders leave it to the reader; palettes and colors come with it already."""
    image = np.full((6, 8), 90, np.uint8)
    image[2:4] = 7
    media.write_image(tmp_path / "plain.png", image)
    data = (tmp_path / "plain.png").read_bytes()
    body = b"tRNS" + (7).to_bytes(2, "big")
    chunk = (2).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    at = data.index(b"IDAT") - 4
    (tmp_path / "marked.png").write_bytes(data[:at] + chunk + data[at:])
    read = media.read_image(tmp_path / "marked.png")
    assert read.shape == (6, 8, 4) and (read[..., 3] == (image != 7)).all()
    assert read[0, 0, :3] == pytest.approx(90 / 255)


def test_a_chunk_that_claims_more_than_the_file_is_refused_before_room_is_made(tmp_path):
    media.write_image(tmp_path / "a.png", np.zeros((16, 16, 3)))
    data = bytearray((tmp_path / "a.png").read_bytes())
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = (0xFF00006F).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UserError, match="truncated"):
        media.read_image(tmp_path / "a.png")
