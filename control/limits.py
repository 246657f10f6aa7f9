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
