"""Known frames as a user types them: 'FILE[,frames=0-8][,take=last:9][,mask=FILE][,noise=0.05]'.

FILE is an image, a folder of images or a video. 'frames' says at which frames of the video they stand, 'take' which
frames of the file they are (all), 'mask' what of them is known (white). 'noise', 'strength', 'start' and 'end' hold for
all known frames of the video.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .clip_files import choose_reader, open_color_clip, pick_frames
from .errors import UserError
from .frame_spans import take_frames
from .identity.labels import split_choice
from .identity.mask_files import MASK_READERS
from .limits import check_clip

_TEXTS, _NUMBERS = ("frames", "take", "mask"), ("noise", "strength", "start", "end")
_OPTION = re.compile(rf",\s*({'|'.join((*_TEXTS, *_NUMBERS))})=")


@dataclass
class KnownSpec:
    """A specification in parts. frames, take: as `frame_spans.py` reads them; weights: numbers by their words."""

    file: str
    frames: str = "first"
    take: str = ""
    mask: str | None = None
    weights: dict[str, float] = field(default_factory=dict)


def parse_known(spec: str) -> KnownSpec:
    """Return the parts of a specification. Raises UserError for a number that is none."""
    file, *rest = _OPTION.split(spec)
    parsed = KnownSpec(file.strip())
    for key, value in zip(rest[::2], rest[1::2], strict=True):
        if key in _TEXTS:
            setattr(parsed, key, value.strip())
            continue
        try:
            parsed.weights[key] = float(value)
        except ValueError as error:
            raise UserError(f"the {key} of the known frames is '{value}'; a number was expected") from error
    return parsed


def join_weights(specs: Sequence[KnownSpec]) -> dict[str, float]:
    """Return the numbers of all specifications. Raises UserError where two of them differ."""
    joined: dict[str, float] = {}
    for spec in specs:
        for key, value in spec.weights.items():
            if joined.setdefault(key, value) != value:
                raise UserError(
                    f"the known frames have the {key} {joined[key]:g} and {value:g}: it holds for all of them, so give"
                    f" one"
                )
    return joined


def read_known(spec: KnownSpec) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Return images (N, H, W, 3), their mask (N or 1, H, W) or None, and warnings.

    Raises UserError, naming the file, for whatever cannot be used.
    """
    what = f"the known frames '{spec.file}'"
    clip = open_color_clip(Path(os.path.expanduser(spec.file)))
    count = len(clip.frames)
    taken = take_frames(spec.take, count, what)
    images = _stacked(pick_frames(clip.frames, taken), len(taken), what)
    if spec.mask is None:
        return images, None, list(clip.warnings)
    file, choice = split_choice(spec.mask)
    masks = choose_reader(MASK_READERS, file).open(file, choice)
    mask = _stacked(masks.frames, len(masks.frames), f"the mask of the known frames '{spec.mask}'")
    if len(mask) == count:
        mask = mask[taken]
    return images, mask, [*clip.warnings, *masks.warnings]


def _stacked(frames: Iterable[np.ndarray], count: int, what: str) -> np.ndarray:
    """Return `count` frames as one array. Raises UserError, calling them `what`, for several sizes and too much."""
    result: list[np.ndarray] = []
    for frame in frames:
        height, width = frame.shape[:2]
        if not result:
            check_clip(count, height, width, what)
        elif frame.shape != result[0].shape:
            raise UserError(f"{what} has frames of several sizes: give frames of one size")
        result.append(frame)
    return np.stack(result)
