"""Depth that was shown in colors: which colormap it was, and the numbers back from it.

A colormap is a line through the cube of colors. An image is depth in colors when nearly all of its colors lie on one
of the lines that depth tools use, and on much of that line; a photograph's do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ..clip_files import Frames
from ..errors import UserError
from ..libraries import opencv

# A color that differs by more between its channels counts as one; less is gray, however a codec tinted it.
CHROMA = 0.12
LEAST_COLORED = 0.1  # share of an image's pixels
# Within this distance of a line (the cube's side is 1) a color lies on it: lossy video moves colors by half of it.
ON_LINE = 0.08
LEAST_ON_LINE = 0.8
# Of 16 pieces of the line, those that are seen at all hold so much of the image, and there are so many of them.
PIECES, LEAST_PIECE, LEAST_PIECES = 16, 0.004, 6
# Beyond this distance a pixel is not depth: the black or white of unknown places, or letters.
UNKNOWN = 0.3
SAMPLE = 20_000  # pixels of each frame that is looked at
LOOKED_AT, STRIDE = 64, 16  # frames
UNKNOWN_COLORS = (
    "in colors of no colormap that is known, and their brightness was taken for depth: give gray depth, or one colored"
    " by turbo, jet, Spectral, viridis, magma, inferno or plasma."
)
NEAR_ENDS = {
    "turbo": "red",
    "jet": "red",
    "viridis": "yellow",
    "magma": "bright",
    "inferno": "bright",
    "plasma": "yellow",
}
COARSE = 32  # steps a channel in the table of nearest places
NEARBY = 12  # places on the line around the one found there
SPECTRAL = "9e0142 d53e4f f46d43 fdae61 fee08b ffffbf e6f598 abdda4 66c2a5 3288bd 5e4fa2"  # ColorBrewer's, from red
# Jet as Matplotlib draws it (OpenCV's is MATLAB's): places and heights of red, green and blue.
JET = (
    ((0, 0.35, 0.66, 0.89, 1), (0, 0, 1, 1, 0.5)),
    ((0, 0.125, 0.375, 0.64, 0.91, 1), (0, 0, 1, 1, 0, 0)),
    ((0, 0.11, 0.34, 0.65, 1), (0.5, 1, 1, 0, 0)),
)


@dataclass(frozen=True, eq=False)
class Colormap:
    """A colormap of depth tools: near is what they show at its end `near`, in words. table: (256, 3), far to near."""

    name: str
    near: str
    table: np.ndarray = field(repr=False)


@cache
def colormaps() -> tuple[Colormap, ...]:
    """Return the colormaps that are recognized."""
    cv2 = opencv("reading depth in colors")
    steps = np.arange(256, dtype=np.uint8)[:, None]
    found = [
        Colormap(name, near, cv2.applyColorMap(steps, getattr(cv2, f"COLORMAP_{name.upper()}"))[:, 0, ::-1] / 255.0)
        for name, near in NEAR_ENDS.items()
    ]
    places = np.linspace(0, 1, 256)
    found.append(Colormap("jet", "red", np.stack([np.interp(places, *channel) for channel in JET], 1)))
    anchors = np.array([list(bytes.fromhex(color)) for color in SPECTRAL.split()[::-1]]) / 255
    knots = np.linspace(0, 1, len(anchors))
    found.append(Colormap("Spectral", "red", np.stack([np.interp(places, knots, c) for c in anchors.T], 1)))
    return tuple(Colormap(one.name, one.near, one.table.astype(np.float32)) for one in found)


def few_frames(frames: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Return the first frames of a clip, every sixteenth of them, which is enough to know its colors."""
    return [frame for number, frame in zip(range(LOOKED_AT), frames, strict=False) if not number % STRIDE]


def recognize(images: Sequence[np.ndarray], kind: str, what: str) -> tuple[Colormap | None, list[str]]:
    """Return the colormap that some frames (H, W, 3) of a clip, 0..1, are colored by, or None; and warnings.

    kind: what the user says that the numbers are. Raises UserError, calling the clip `what`, for distances in colors.
    """
    pixels = np.concatenate([_sample(image) for image in images])
    colored = pixels[pixels.max(-1) - pixels.min(-1) > CHROMA]
    if not len(colored) or len(colored) < LEAST_COLORED * len(pixels):
        return None, []
    found = _find(colored, LEAST_PIECE * len(pixels))
    if found is None:
        return None, [f"{what[:1].upper()}{what[1:]} is {UNKNOWN_COLORS}"]
    if kind == "depth":
        raise UserError(
            f"{what} is colored by {found.name}, and colors tell near from far but no distances: say 'disparity' if"
            f" its {found.near} end is near, or 'inverted' if that is far"
        )
    return found, [
        f"{what[:1].upper()}{what[1:]} is colored by {found.name}: the colors were read back, with the {found.near} end"
        " as near, as most depth tools have it. Say 'inverted' if that end is far, and give gray depth where you can:"
        " colors lose detail."
    ]


def _find(colored: np.ndarray, least: float) -> Colormap | None:
    """Return the colormap on whose line colors (N, 3) lie, at least so many of them on each of several pieces."""
    best, least_distance = None, np.inf
    for candidate in colormaps():
        place, distance = _nearest(colored, candidate)
        on_line = distance < ON_LINE
        pieces = np.bincount((place[on_line] * PIECES).astype(int).clip(0, PIECES - 1), minlength=PIECES)
        fits = on_line.mean() >= LEAST_ON_LINE and (pieces >= least).sum() >= LEAST_PIECES
        if fits and distance.mean() < least_distance:
            best, least_distance = candidate, float(distance.mean())
    return best


def decode(image: np.ndarray, colormap: Colormap) -> np.ndarray:
    """Return an image (..., 3), 0..1, as its places on the colormap (...), far 0 to near 1; NaN for other colors."""
    result = np.empty(image.shape[:-1], np.float32)
    # Frame by frame, so that a long clip's differences are not in memory at once.
    for number in np.ndindex(image.shape[:-3]):
        # A frame has far fewer colors of 8 bits than pixels, and a colormap no more than these can tell apart.
        bytes_of = np.round(image[number] * 255).clip(0, 255).astype(np.uint32)
        packed = (bytes_of[..., 0] << 16) | (bytes_of[..., 1] << 8) | bytes_of[..., 2]
        known, where = np.unique(packed.ravel(), return_inverse=True)
        colors = np.stack([known >> 16, known >> 8 & 255, known & 255], -1).astype(np.float32) / 255
        place, distance = _nearest(colors, colormap)
        place[distance > UNKNOWN] = np.nan
        result[number] = place[where.ravel()].reshape(packed.shape)
    return result


@dataclass(frozen=True, eq=False)
class DecodedFrames:
    """Frames (H, W) of a clip in colors, read back as they come."""

    frames: Frames
    colormap: Colormap

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.frames:
            yield decode(frame[..., :3], self.colormap)


def decode_images(images: np.ndarray, kind: str, what: str) -> tuple[np.ndarray, Colormap | None, list[str]]:
    """Return depth images (F, H, W, 3) as numbers (F, H, W), read back if they are in a colormap's colors.

    Also returns the colormap and warnings. Raises UserError as `recognize` does.
    """
    colormap, warnings = recognize(few_frames(images), kind, what)
    return (images.mean(-1) if colormap is None else decode(images, colormap)), colormap, warnings


def _sample(image: np.ndarray) -> np.ndarray:
    pixels = image[..., :3].reshape(-1, 3)
    return pixels[:: max(1, len(pixels) // SAMPLE)].astype(np.float32, copy=False)


def _nearest(colors: np.ndarray, colormap: Colormap) -> tuple[np.ndarray, np.ndarray]:
    """Return the place on the line, 0..1, that is nearest to each color (N, 3), and the distance to it."""
    cells = (colors * COARSE).astype(np.int64).clip(0, COARSE - 1)
    coarse = _coarse_places(colormap)[cells[:, 0], cells[:, 1], cells[:, 2]]
    best = np.zeros(len(colors), np.int64)
    least = np.full(len(colors), np.inf, np.float32)
    for step in range(-NEARBY, NEARBY + 1):
        place = (coarse + step).clip(0, 255)
        distance = ((colors - colormap.table[place]) ** 2).sum(-1)
        nearer = distance < least
        best[nearer], least[nearer] = place[nearer], distance[nearer]
    return (best / 255).astype(np.float32), np.sqrt(least)


@cache
def _coarse_places(colormap: Colormap) -> np.ndarray:
    """Return the nearest place (0..255) on the line to the middle of each cell of the cube."""
    middle = ((np.arange(COARSE) + 0.5) / COARSE).astype(np.float32)
    table = colormap.table
    result = np.empty((COARSE,) * 3, np.int64)
    for number, red in enumerate(middle):
        cells = np.stack(np.broadcast_arrays(red, middle[:, None], middle[None]), -1).reshape(-1, 3)
        distance = (table**2).sum(-1)[None] - 2 * cells @ table.T
        result[number] = distance.argmin(-1).reshape(COARSE, COARSE)
    return result
