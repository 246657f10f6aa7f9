"""How large what a user gives may be: measured in a file's header, before anything of it is decoded."""

from __future__ import annotations

from .errors import UserError

# Of an image, a mask or a frame: 134 million, more than any camera has. A small file can claim any size.
MOST_PIXELS = 2**27
# Of a clip in memory. More is a mistake in the input rather than a wish.
MOST_BYTES = 4 * 2**30


def check_pixels(height: int, width: int, what: str) -> None:
    """Raise UserError, naming `what`, unless an image of this size is neither empty nor too large."""
    if not (height > 0 and width > 0 and height * width <= MOST_PIXELS):
        raise UserError(
            f"{what} says that it has {width} x {height} pixels; at most {MOST_PIXELS / 1e6:.0f} million are read:"
            " shrink it"
        )


def check_clip(frames: int, height: int, width: int, what: str = "a clip") -> None:
    """Raise UserError, naming `what`, where a clip of this size does not fit into what a clip may take in memory."""
    check_pixels(height, width, "a frame")
    taken = frames * height * width * 12  # three numbers of four bytes
    if taken > MOST_BYTES:
        raise UserError(
            f"{what} of {frames} frames of {width}x{height} takes {taken / 2**30:.3g} GiB, over"
            f" {MOST_BYTES / 2**30:.3g}: cut or shrink it"
        )
