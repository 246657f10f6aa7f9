"""Clips as cameras and editors write them: what is read is what a player shows, at the time when it shows it."""

from __future__ import annotations

import gc
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.identity.mask_files import read_mask_video
from comfyui_fulldit.control.load import load_depth, read_source
from comfyui_fulldit.control.media import write_video
from comfyui_fulldit.control.video_file import even_order, open_video

av = pytest.importorskip("av")


def corner(height=32, width=48) -> np.ndarray:
    """A bright block at the upper left, a gray one at the upper right: each turn and mirror looks different."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = 255
    image[: height // 2, width // 2 :] = 120
    return image


def write(path, images, rate=10, times=None, codec="libx264", pix_fmt="yuv420p", source="rgb24", **context) -> Path:
    """Encode images; times: of each frame in thousandths of a second."""
    options = context.pop("options", {})
    with av.open(str(path), "w", options=context.pop("container", {})) as container:
        container.metadata["title"] = "TITLE"
        stream = container.add_stream(codec, rate=1000 if times is not None else rate)
        stream.height, stream.width, stream.pix_fmt, stream.options = *images[0].shape[:2], pix_fmt, options
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format=source)
            frame.pts = number if times is None else times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def rising(count: int) -> list[np.ndarray]:
    """Gray images, each brighter than the last."""
    return [np.full((32, 48, 3), 20 + 200 * number // count, np.uint8) for number in range(count)]


def patch(path: Path, at: bytes, offset: int, value: bytes) -> Path:
    data = bytearray(path.read_bytes())
    start = data.index(at) + offset
    data[start : start + len(value)] = value
    path.write_bytes(data)
    return path


TURNS = {
    "as stored": ((1, 0, 0, 1), lambda image: image),
    "clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "half": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "counterclockwise": ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down": ((1, 0, 0, -1), np.flipud),
    "transposed": ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    "transposed and turned": ((0, -1, -1, 0), lambda image: np.rot90(image, 2).swapaxes(0, 1)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_display_matrix_turns_the_clip(tmp_path, turn):
    (a, b, c, d), shown = TURNS[turn]
    path = write(tmp_path / "phone.mp4", [corner()] * 3)
    one = 2**16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 2**30)
    patch(path, b"tkhd", 44, matrix)
    want = shown(corner()) / 255
    assert np.abs(media.read_video(path)[1] - want).mean() < 0.03
    assert np.abs(read_mask_video(path, 3, *want.shape[:2], Fit())[0][1] - want.mean(-1)).mean() < 0.03


@pytest.mark.parametrize(("first", "count"), [(0, 8), (7, 12), (13, 17)])
def test_an_edit_list_is_followed(tmp_path, first, count):
    """An editor's cut: all frames are still in the file, and a list says which are shown."""
    path = write(tmp_path / "cut.mp4", rising(30), options={"g": "10"})
    (scale,) = struct.unpack_from(">I", path.read_bytes(), path.read_bytes().index(b"mdhd") + 16)
    entry = path.read_bytes().index(b"elst") + 12
    (began,) = struct.unpack_from(">I", path.read_bytes(), entry + 4)
    # Its duration in thousandths of a second, then where it begins in units of the stream.
    patch(path, b"elst", 12, struct.pack(">II", count * 100, began + first * scale // 10))
    frames = media.read_video(path)
    assert frames.mean((1, 2, 3)) == pytest.approx(
        [i.mean() / 255 for i in rising(30)[first : first + count]], abs=0.02
    )
    assert media.count_frames(path) == count


def test_a_cut_by_copying_hides_the_frames_before_it(tmp_path):
    """What `ffmpeg -ss -c copy` writes: frames from the last key frame on, of which those before 0 are not shown."""
    whole = write(tmp_path / "whole.mp4", rising(30), options={"g": "30"})
    with (
        av.open(str(whole)) as before,
        av.open(str(tmp_path / "cut.mp4"), "w", options={"avoid_negative_ts": "disabled"}) as after,
    ):
        old = before.streams.video[0]
        new = after.add_stream_from_template(old)
        for packet in before.demux(old):
            if packet.dts is not None:
                packet.pts -= int(1 / old.time_base)
                packet.dts -= int(1 / old.time_base)
                packet.stream = new
                after.mux(packet)
    assert media.read_video(tmp_path / "cut.mp4").mean((1, 2, 3)) == pytest.approx(
        [image.mean() / 255 for image in rising(30)[10:]], abs=0.02
    )


@pytest.mark.parametrize("name", ["v.mkv", "v.avi", "v.mov", "v.mp4"])
@pytest.mark.parametrize("kept", [0.5, 0.8])
def test_files_that_are_cut_short_are_refused_whatever_they_are(tmp_path, name, kept):
    noise = list(np.random.default_rng(0).integers(0, 255, (12, 32, 48, 3), np.uint8))
    fragmented = {"movflags": "frag_keyframe+empty_moov"} if name == "v.mov" else {}
    path = write(tmp_path / name, noise, container=fragmented, options={"g": "4"})
    assert len(media.read_video(path)) == 12
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(UserError, match=name):
        media.read_video(path)


@pytest.mark.parametrize("name", ["v.avi", "v.mkv", "v.mp4"])
def test_titles_in_any_encoding_do_no_harm(tmp_path, name):
    patch(write(tmp_path / name, rising(3)), b"TITLE", 0, b"B\xfccher"[:5])
    assert len(media.read_video(tmp_path / name)) == 3


def test_sixteen_bits_of_gray_are_kept(tmp_path):
    ramp = np.linspace(0, 65535, 48 * 32).astype(np.uint16).reshape(32, 48)
    path = write(tmp_path / "g.mkv", [ramp] * 2, codec="ffv1", pix_fmt="gray16le", source="gray16le")
    depth = load_depth(path, 2, 32, 48, "disparity")
    assert len(np.unique(depth.values[0])) > 1400 and "warnings" not in depth.recipe
    assert media.read_video(path)[0, ..., 1] == pytest.approx(ramp / 65535, abs=1e-5)


def test_ten_bits_interlaced_hdr_and_oblong_pixels_are_said(tmp_path):
    def notes(**how):
        return read_source(write(tmp_path / "v.mkv", images, source="rgb48le", **how), 2, 32, 48)[1]

    ramp = np.linspace(0, 65535, 48).astype(np.uint16)
    images = [np.broadcast_to(ramp[:, None], (32, 48, 3)).copy()] * 2
    assert "HDR (PQ)" in notes(pix_fmt="yuv420p10le", color_trc=16)[0]
    assert "HDR (HLG)" in notes(pix_fmt="yuv420p10le", color_trc=18)[0]
    assert "is interlaced" in notes(options={"x264-params": "tff=1"})[0]
    assert "pixels of 16/15" in notes(sample_aspect_ratio=Fraction(16, 15))[0]
    assert not notes() and not notes(sample_aspect_ratio=Fraction(1))
    assert notes(pix_fmt="gbrp10le", codec="ffv1") == [
        "The video 'v.mkv' has 10 bits per channel: all its levels were read."
    ]
    wide = [np.broadcast_to(np.linspace(0, 65535, 960).astype(np.uint16)[:, None], (8, 960, 3)).copy()]
    write(tmp_path / "w.mkv", wide, pix_fmt="gbrp10le", codec="ffv1", source="rgb48le")
    assert len(np.unique(media.read_video(tmp_path / "w.mkv"))) > 900


def test_frames_of_a_variable_rate_are_taken_at_their_times(tmp_path):
    """A phone in the dark: 20 frames in the first second, then 5 per second. Brightness is time."""
    times = [*range(0, 1000, 50), *range(1000, 4001, 200)]
    images = [np.full((32, 48, 3), 20 + 200 * time // 4000, np.uint8) for time in times]
    path = write(tmp_path / "phone.mp4", images, times=times)
    frames, warnings = read_source(path, len(times), 32, 48)
    shown = (frames.mean((1, 2, 3)) * 255 - 20) / 200
    assert np.abs(shown - np.linspace(0, 1, len(times))).max() < 0.06  # by index it would be off by 0.38
    assert len(warnings) == 1 and "'phone.mp4' stand at uneven times: they were taken at 8.75 per second" in warnings[0]


@pytest.mark.parametrize(
    "times",
    [
        [0.0, 0.1, 0.2, 0.3],
        [0.0, 0.033, 0.067, 0.1],
        [5.0, 5.12, 5.19, 5.3],
        [0.0, None, 9.0, 9.1],
        [0.0, 3.0, 1.0, 9.0],
        [0.0, 7.0],
        [1.0],
    ],
)
def test_even_and_unknown_times_change_nothing(times):
    assert even_order(times) is None


def test_a_pause_lasts_as_long_as_it_is_shown():
    assert even_order([0.0, 0.1, 0.2, 0.7, 0.8]).tolist() == [0, 2, 2, 2, 4]


def test_a_clip_is_measured_before_it_is_decoded(tmp_path):
    path = write(tmp_path / "bomb.avi", rising(2), codec="ffv1", pix_fmt="bgr0")
    patch(path, b"strf", 12, struct.pack("<ii", 16000, 16000))
    with pytest.raises(UserError, match=r"16000 x 16000 pixels; at most 134 million"):
        media.read_video(path)


def test_a_folder_that_lacks_frames_says_so(tmp_path):
    for number in (1, 2, 5):
        media.write_image(tmp_path / f"{number}.png", rising(3)[0])
    assert "lacks the frames 3, 4" in read_mask_video(tmp_path, 3, 32, 48, Fit())[1][0]


@pytest.mark.parametrize("start", [b"RIFF", b"RIFF\0\0", b"\x1aE\xdf\xa3", b"\0\0\0\x18ftyp", b"\0\0\0"])
def test_a_file_that_ends_in_its_first_bytes_is_one_sentence(tmp_path, start):
    (tmp_path / "a.avi").write_bytes(start)
    with pytest.raises(UserError, match="truncated"):
        media.count_frames(tmp_path / "a.avi")


def test_reading_holds_no_frames_until_the_next_collection(tmp_path):
    """Frames that wait for the garbage collector would make a long clip cost more memory than a short one."""
    left = []
    for frames in (4, 40):
        path = tmp_path / f"{frames}.mp4"
        write_video(path, np.zeros((frames, 16, 16, 3), np.float32))
        video = open_video(path)
        gc.collect()
        gc.disable()
        try:
            assert sum(1 for _ in video) == frames
            left.append(gc.collect())
        finally:
            gc.enable()
    assert left[0] == left[1]
