"""The description of a camera file format, and what is assumed where a file leaves something open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..trajectory import CameraTrajectory
from .source import Source

# Files that do not state their unit of length get this one, and `Conditions.warnings` says so.
UNKNOWN_UNIT = "an unknown"
METER = "metre"
# The assumed lens and rate of poses without intrinsics: degrees across, width over height, frames per second.
DEFAULT_FOV, DEFAULT_ASPECT, DEFAULT_FPS = 50.0, 1.5, 8.0
DEFAULT_FRAMES = 17


@dataclass(frozen=True)
class ReadOptions:
    """What a file may leave open, and what is wanted of it.

    default_frames: the frames of a file of keyframes. aspect: of the image, width / height. camera: the name or number
    of one of several cameras, empty for the first. mirror: one of mirror.MIRRORS.
    """

    default_frames: int = DEFAULT_FRAMES
    aspect: float = DEFAULT_ASPECT
    camera: str = ""
    mirror: str = "none"


@dataclass(frozen=True)
class Format:
    """A camera file format.

    doc: a description in a few words. extensions: of its files, the usual one first ('' = a folder).
    preserves: which of 'poses', 'intrinsics' (focal lengths), 'principal point', 'fps', 'unit', 'pixel_aspect' survive.
    matches: whether the content of a file is of this format. read, write: None where the format cannot be read or
    written. requires: the library that reading or writing needs, if any. several: whether a file may hold more than one
    camera, of which `ReadOptions.camera` chooses.
    """

    doc: str
    extensions: tuple[str, ...]
    preserves: frozenset[str]
    matches: Callable[[Source], bool]
    read: Callable[[Source, ReadOptions], CameraTrajectory] | None = None
    write: Callable[[CameraTrajectory, Path], None] | None = None
    requires: str = ""
    several: bool = False

    @property
    def readable(self) -> bool:
        """Whether `read_camera` reads this format."""
        return self.read is not None

    @property
    def writable(self) -> bool:
        """Whether `write_camera` writes this format."""
        return self.write is not None
