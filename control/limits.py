"""How large what a user gives may be: measured in a file's header, before anything of it is decoded."""

from __future__ import annotations

from .errors import UserError

# Of an image, a mask or a frame: 134 million, more than any camera has. A small file can claim any size.
MOST_PIXELS = 2**27
MOST_SIDE = 2**16
# Frames per second of a video: beyond these the number stands for something else.
RATES = (1e-3, 1e5)
# Of a clip in memory. More is a mistake in the input rather than a wish.
MOST_BYTES = 4 * 2**30


def is_readable(height: int, width: int) -> bool:
    """Return whether an image of this size is neither empty nor too large."""
    return 0 < height <= MOST_SIDE and 0 < width <= MOST_SIDE and height * width <= MOST_PIXELS


def check_pixels(height: int, width: int, what: str) -> None:
    """Raise UserError, naming `what`, unless an image of this size is neither empty nor too large."""
    if not is_readable(height, width):
        raise UserError(
            f"{what} says that it has {width} x {height} pixels; at most {MOST_PIXELS / 1e6:.0f} million are read, and"
            f" {MOST_SIDE:,} on a side: shrink it"
        )


def check_clip(frames: int, height: int, width: int, what: str = "a clip") -> None:
    """Raise UserError, naming `what`, where a clip of this size does not fit into what a clip may take in memory."""
    check_pixels(height, width, "a frame")
    taken = frames * height * width * 12  # three numbers of four bytes
    if taken > MOST_BYTES:
        raise UserError(
            f"{what} of {frames} frames of {width}x{height} takes {min(taken, 10**30) / 2**30:.3g} GiB, over"
            f" {MOST_BYTES / 2**30:.3g}: cut or shrink it"
        )


def check_rate(fps: float, what: str) -> None:
    """Raise UserError, naming `what`, unless a video can have so many frames per second."""
    if not RATES[0] <= fps <= RATES[1]:  # NaN is in no range
        raise UserError(
            f"{what} has {fps:g} frames per second; a number from {RATES[0]:g} to {RATES[1]:g} was expected"
        )
