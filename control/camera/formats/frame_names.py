"""Which frame of a video an image is, by the number in its file's name."""

from __future__ import annotations

import re

import numpy as np

from ..even_times import spread_by_numbers, spread_by_seconds
from ..trajectory import CameraTrajectory

_STAMP = re.compile(r"\d{9,10}\.\d+")


def spread_by_names(path: CameraTrajectory, names: list[str]) -> CameraTrajectory:
    """Return the path at even steps of time; its frames are of the images with these file names.

    The number that differs from name to name is the frame's; a name of seconds (1305031102.175304.png) is a time stamp.
    Names that do not agree on one number say nothing about time.
    """
    stems = [name.replace("\\", "/").rpartition("/")[2] for name in names]
    stamps = [_STAMP.match(stem) for stem in stems]
    if all(stamps):
        return spread_by_seconds(path, np.array([float(stamp[0]) for stamp in stamps if stamp]))
    numbers = frame_numbers(names)
    return path if numbers is None else spread_by_numbers(path, numbers)


def frame_numbers(names: list[str]) -> np.ndarray | None:
    """Return the frame number in each name, the only one that differs; None where there is no such number."""
    texts = [re.sub(r"\d+", "#", name) for name in names]
    if len(set(texts)) != 1:
        return None
    groups = [[group[:15] for group in re.findall(r"\d+", name)] for name in names]
    varying = [column for column in zip(*groups, strict=True) if len(set(column)) > 1]
    return np.array(varying[0], np.float64) if len(varying) == 1 else None
