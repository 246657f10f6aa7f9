"""Images and videos in and out of files, always as float32 in 0..1.

Images go through OpenCV, videos through PyAV; both are imported where used. Shapes: F frames, H height, W width.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from einops import repeat

from .errors import UserError
from .files import atomic_path, existing, is_folder
from .frame_order import list_frames, missing_frames
from .image_header import is_cut_short, png_transparent_gray, read_header
from .images import indices, resize
from .libraries import opencv, pyav
from .limits import MOST_BYTES, check_pixels, check_rate
from .video_file import open_video

# Options of libx264 with which equal frames become equal bytes: with its macroblock tree they differ from run to run on
# CPUs with AVX-512.
X264 = {"preset": "veryfast", "x264-params": "mbtree=0"}

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".mov", ".mkv")  # that are written
PURPOSE = "reading and writing images"


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Return an image (H, W, 3), or (H, W, 4) where it has an alpha channel, float32 0..1, RGB.

    8 and 16 bits and float; gray becomes RGB; a camera's orientation mark is followed. Raises UserError for a missing,
    truncated or foreign file, and for one whose header says that it has too many pixels.
    """
    path = existing(path, "image")
    image = decode_image(path)
    if image.dtype.kind == "u":
        image = image.astype(np.float32) / np.iinfo(image.dtype).max
    image = image.astype(np.float32)
    if not np.isfinite(image).all():
        raise UserError(f"the image '{path}' holds NaN or infinity")
    return _to_rgb(image)


def decode_image(path: Path) -> np.ndarray:
    """Return the upright pixels of an image file, as OpenCV has them, measured before they are decoded.

    Raises UserError for a truncated or foreign file, and for one that is too large.
    """
    cv2 = opencv(PURPOSE)
    data = path.read_bytes()
    if is_cut_short(data):  # of which OpenCV reports nothing
        raise UserError(f"the image '{path}' is truncated: write or download it again")
    header, image = read_header(data), None
    if header is not None:
        check_pixels(header.height, header.width, f"the image '{path}'")
        with suppress(cv2.error):
            # With its alpha channel and all its bits; this mode leaves the orientation to us.
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if header is None or image is None:
        raise UserError(f"'{path}' is not an image that can be read: {', '.join(IMAGES)} were expected")
    level = png_transparent_gray(data)
    if level is not None and image.ndim == 2:
        # Of fewer than 8 bits a pixel is spread over all levels, as the decoder does.
        bits = min(data[24], 8 * image.dtype.itemsize)
        level = level * np.iinfo(image.dtype).max // (2**bits - 1)
        alpha = np.where(image == level, 0, np.iinfo(image.dtype).max).astype(image.dtype)
        image = np.stack([image, image, image, alpha], -1)
    return header.upright(image)


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """Return OpenCV's pixels (gray, gray and alpha, BGR or BGRA) as (H, W, 3) or (H, W, 4)."""
    image = image.reshape(*image.shape[:2], -1)
    channels = image.shape[2]
    color = image[..., 2::-1] if channels > 2 else repeat(image[..., 0], "h w -> h w c", c=3)
    alpha = image[..., 3:] if channels > 2 else image[..., 1:]
    return np.ascontiguousarray(np.concatenate([color, alpha], 2))


def to_gray(image: np.ndarray) -> np.ndarray:
    """Return the brightness (..., H, W) of images (..., H, W, 3 or more): the mean of the first three channels."""
    gray: np.ndarray = image[..., :3].mean(-1)
    return gray


def write_image(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Write an image (H, W), (H, W, 3) or (H, W, 4), float 0..1 or uint8, in the format of the ending (.png, .jpg)."""
    cv2 = opencv(PURPOSE)
    path = Path(path)
    if path.suffix.lower() not in IMAGES:
        raise UserError(f"'{path.name}' does not end as an image does: use one of {', '.join(IMAGES)}")
    image = to_bytes(image)
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix.lower() in (".jpg", ".jpeg") else []
    with atomic_path(path) as temporary:
        done, data = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(image), options)
        if not done:
            raise UserError(f"an image of shape {image.shape} cannot be written as '{path.name}'")
        temporary.write_bytes(data.tobytes())


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Return float 0..1 (any shape) as uint8, rounded and clipped; uint8 unchanged. Raises UserError for NaN."""
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    if not np.isfinite(image).all():
        raise UserError("an image to be written holds NaN or infinity")
    result: np.ndarray = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return result


def read_video(
    path: str | os.PathLike[str], frames: int | None = None, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Return a video as (F, H, W, 3), float32 0..1: whatever ffmpeg reads (mp4, webm, gif), or a folder of images.

    frames: take this many, spread evenly over the whole video (nearest frame); None = all. size: (height, width) to
    resize each frame to while reading. A video is read as players show it (`video_file.py`). Raises UserError for a
    missing, truncated or foreign file, and for more than 4 GiB of images.
    """
    total = count_frames(path)
    chosen = np.arange(total) if frames is None else indices(total, frames)
    result: np.ndarray | None = None
    for number, image in enumerate(iterate_video(path)):
        if result is None:
            height, width = size or image.shape[:2]
            if len(chosen) * height * width * 12 > MOST_BYTES:
                raise UserError(
                    f"the video '{path}' has {len(chosen)} frames of {height}x{width}, over 4 GiB: cut or shrink it"
                )
            result = np.empty((len(chosen), height, width, 3), np.float32)
        if size is None and image.shape != result.shape[1:]:
            raise UserError(f"frame {number} of '{path}' has another size than the first: give frames of one size")
        places = np.flatnonzero(chosen == number)
        if len(places):
            result[places] = resize(image, *result.shape[1:3])
    if result is None:
        raise UserError(f"the video '{path}' has no frames: write or download it again")
    return result


def iterate_video(path: str | os.PathLike[str]) -> Iterator[np.ndarray]:
    """Yield each frame (H, W, 3), float32 0..1, of a video or a folder of images, in order.

    Raises UserError for a missing, truncated or foreign file.
    """
    if is_folder(path):
        for image in images_in(path):
            yield read_image(image)[..., :3]
        return
    for frame in open_video(Path(path)):
        color = frame if frame.ndim == 3 else repeat(frame, "h w -> h w c", c=3)
        yield color.astype(np.float32) / np.iinfo(frame.dtype).max


def count_frames(path: str | os.PathLike[str]) -> int:
    """Return how many frames a video or a folder of images has. Raises UserError for none or an unreadable file."""
    return len(images_in(path) if is_folder(path) else open_video(Path(path)))


def video_rate(path: str | os.PathLike[str]) -> float:
    """Return the mean frames per second of a video file. Raises UserError for a file that does not say them."""
    av = pyav()
    try:
        with av.open(str(existing(path, "video")), metadata_errors="replace") as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
    except av.error.FFmpegError as error:
        raise UserError(f"'{path}' cannot be read as a video ({error.__class__.__name__})") from error
    if not rate:
        raise UserError(f"'{path}' does not say its frames per second: give them")
    return float(rate)


def clip_notes(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return sentences about how a video or a folder of images is read. Raises UserError as `count_frames` does."""
    if not is_folder(path):
        return open_video(Path(path)).notes
    missing = missing_frames(images_in(path))
    said = f"The folder '{Path(path).name}' lacks the frames {missing}: those after them stand earlier."
    return (said,) if missing else ()


def images_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the image files of a folder in order. Raises UserError where there is none, or two of one number."""
    images = list_frames(folder, IMAGES)
    if not images:
        raise UserError(f"the folder '{folder}' holds no images: numbered frames ({', '.join(IMAGES)}) were expected")
    return images


def check_video_name(path: Path) -> None:
    """Raise UserError unless the ending is that of a video that is written."""
    if path.suffix.lower() not in VIDEOS:
        raise UserError(f"'{path.name}' does not end as a video does: use .mp4")


def write_video(path: str | os.PathLike[str], frames: np.ndarray | Iterable[np.ndarray], fps: float = 8.0) -> None:
    """Write frames (F, H, W, 3) or (F, H, W), float 0..1 or uint8, as H.264 in yuv420p (mp4), crf 12.

    `frames` may be an iterator, so a long video need not be in memory. Odd sides get one more line, a copy of the
    last, since the format has none. The file appears when it is complete. Raises UserError for no frames, NaN, or a
    build of ffmpeg without H.264.
    """
    av = pyav()
    path = Path(path)
    check_video_name(path)
    check_rate(fps, "the video that is to be written")
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w") as container:
                written = _write_frames(container, frames, fps)
        except (av.error.FFmpegError, ValueError, OSError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"the video '{path}' cannot be written ({error})") from error
        if not written:
            raise UserError(f"there are no frames to write to '{path}'")


def _write_frames(container: Any, frames: Iterable[np.ndarray], fps: float) -> int:
    """Encode all frames into an open container; return how many there were."""
    av, stream, count = pyav(), None, 0
    for frame in frames:
        image = _to_even(to_bytes(frame))
        if stream is None:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = image.shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "12", **X264}
            stream.codec_context.thread_count = 1
        elif image.shape[:2] != (stream.height, stream.width):
            raise UserError("the frames of a video to be written differ in size")
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        count += 1
    if stream is not None:
        container.mux(stream.encode())
    return count


def _to_even(image: np.ndarray) -> np.ndarray:
    """Return (H, W) or (H, W, 3) uint8 as a contiguous (even, even, 3)."""
    if image.ndim == 2:
        image = repeat(image, "h w -> h w c", c=3)
    if image.ndim != 3 or image.shape[2] != 3:
        raise UserError(f"a frame of a video has shape {image.shape}; (height, width, 3) was expected")
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(image)
