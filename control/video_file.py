"""Video files as players show them: without hidden frames, turned as they are marked, at even steps of time.

A file is examined once, by decoding it: only that tells which frames a player shows and when. H: height, W: width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UserError
from .files import existing
from .libraries import pyav
from .limits import check_pixels
from .video_container import is_cut_short

# By so much of a step may frames stand off even times: what rounding and a camera's clock do.
UNEVEN = 0.5
Orientation = tuple[bool, int, int]  # whether rows and columns change places, then the steps along both: 1 or -1
# By quarters of a turn, counterclockwise.
_QUARTERS: tuple[Orientation, ...] = ((False, 1, 1), (True, -1, 1), (False, -1, -1), (True, 1, -1))
# The transfer curves of HDR (ITU-T H.273).
_HDR = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True, eq=False)
class VideoFile:
    """A video file: iterating gives its frames (H, W, 3) or, where gray has more than 8 bits, (H, W), whole numbers.

    order: which decoded frame stands at each place, ascending. notes: sentences about what was done to them.
    """

    path: Path
    order: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[np.ndarray]:
        times = np.bincount(self.order)
        seen, orientation = 0, None
        for frame, _ in _decode(self.path):
            # Of the first frame: PyAV keeps a frame that was asked for what lies beside it until the next collection.
            orientation = orientation or _orientation(frame)
            repeats = int(times[seen]) if seen < len(times) else 0
            seen += 1
            if repeats:
                image = _upright(_pixels(frame), orientation)
                for _ in range(repeats):
                    yield image
        if seen < len(times):
            raise UserError(f"the video '{self.path}' has fewer frames than before: read it again when it is complete")


def open_video(path: Path) -> VideoFile:
    """Examine a video file. Raises UserError for a missing, truncated or foreign file, and for frames too large."""
    path = existing(path, "video")
    found = path.stat()
    return _examined(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=16)
def _examined(path: Path, modified: int, size: int) -> VideoFile:
    """Examine a file in this state: that it is read anew is what `modified` and `size` are for."""
    if is_cut_short(path):
        raise UserError(f"the video '{path}' is truncated: write or download it again")
    times: list[float | None] = []
    notes: list[str] = []
    for frame, pixel in _decode(path):
        if not times:
            notes = _notes(frame, pixel, f"The video '{path.name}'")
        times.append(frame.time)
    if not times:
        raise UserError(f"the video '{path}' has no frames: write or download it again")
    order = even_order(times)
    if order is None:
        return VideoFile(path, np.arange(len(times)), tuple(notes))
    span = _sorted_times(times)
    rate = (len(span) - 1) / (span[-1] - span[0])
    said = (
        f"The frames of '{path.name}' stand at uneven times: they were taken at {rate:.4g} per second, which shows some"
        " twice and others not at all."
    )
    return VideoFile(path, order, (*notes, said))


def even_order(times: list[float | None]) -> np.ndarray | None:
    """Return which frame is shown at each of as many even steps from the first to the last time.

    times: seconds. None where they are even already, or are not known for every frame.
    """
    span = _sorted_times(times)
    if len(span) < 3 or not span[-1] > span[0]:
        return None
    even = np.linspace(span[0], span[-1], len(span))
    step = even[1] - even[0]
    if np.abs(span - even).max() <= UNEVEN * step:
        return None
    # A frame is shown until the next; what the clock is off by counts as on time.
    slack = min(step, float(np.median(np.diff(span)))) / 2
    order: np.ndarray = np.searchsorted(span, even + slack, "right") - 1
    return order


def _sorted_times(times: list[float | None]) -> np.ndarray:
    """Return the times as an array, which is empty where one is not known or they do not rise."""
    span = np.array([np.nan if time is None else time for time in times], np.float64)
    return span if np.isfinite(span).all() and (np.diff(span) > 0).all() else span[:0]


def _decode(path: Path) -> Iterator[tuple[Any, Fraction | None]]:
    """Yield the frames that a player shows, as PyAV has them, each with how wide a pixel is by its height, if known."""
    av = pyav()
    try:
        # Titles are in whatever encoding their writer had.
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise UserError(f"'{path}' has no images in it: a video was expected")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            codec = stream.codec_context
            if codec is None:
                raise UserError(f"the video '{path}' is of a codec that cannot be read: convert it to H.264")
            height, width = codec.height, codec.width
            if height and width:  # else the decoder is what finds out
                check_pixels(height, width, f"the video '{path}'")
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    raise UserError(f"the video '{path}' is truncated or damaged: write or download it again")
                for frame in packet.decode():
                    yield frame, stream.sample_aspect_ratio
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(
            f"'{path}' cannot be read as a video ({error.__class__.__name__}): it is truncated or not a video"
        ) from error


def _bits(frame: Any) -> int:
    return max((int(component.bits) for component in frame.format.components), default=8)


def _pixels(frame: Any) -> np.ndarray:
    """Return a frame with all its levels: (H, W) uint16 for fine gray, else (H, W, 3) uint8 or uint16."""
    if _bits(frame) <= 8:
        kind = "rgb24"
    else:
        kind = "gray16le" if frame.format.name.startswith("gray") else "rgb48le"
    pixels: np.ndarray = frame.to_ndarray(format=kind)
    return pixels


def _orientation(frame: Any) -> Orientation:
    """Return how frames of a video are turned upright, as the display matrix of one says."""
    try:
        marks = [bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
    except ValueError:  # PyAV has no name for some data beside it, such as EXIF
        return _QUARTERS[round(getattr(frame, "rotation", 0) / 90) % len(_QUARTERS)]
    if not marks:
        return _QUARTERS[0]
    (a, b, _), (c, d, _), _ = np.frombuffer(marks[0][:36], np.int32).reshape(3, 3)
    # A pixel at (x, y) is shown at (a x + c y, b x + d y).
    swaps = abs(int(a)) + abs(int(d)) < abs(int(b)) + abs(int(c))
    down, right = (b, c) if swaps else (d, a)
    return swaps, -1 if down < 0 else 1, -1 if right < 0 else 1


def _upright(image: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Return pixels (H, W, ...) turned by quarters of a turn and mirrors."""
    swaps, down, right = orientation
    return (image.swapaxes(0, 1) if swaps else image)[::down, ::right]


def _notes(frame: Any, pixel: Fraction | None, what: str) -> list[str]:
    """Return what is to be said about the frames of a video, told by its first; `what` names it."""
    notes = []
    bits = _bits(frame)
    curve = _HDR.get(int(getattr(frame, "color_trc", 0) or 0))
    if curve:
        notes.append(f"{what} is HDR ({curve}), read without tone mapping: convert it to SDR where it looks pale.")
    elif bits > 8 and not frame.format.name.startswith("gray"):
        notes.append(f"{what} has {bits} bits per channel: all its levels were read.")
    if frame.interlaced_frame:
        notes.append(f"{what} is interlaced, and both fields were read as one frame: deinterlace it where edges comb.")
    if pixel not in (None, 0, 1):
        notes.append(
            f"{what} has pixels of {pixel} (width by height), read as squares: resize it where it looks narrow."
        )
    return notes
