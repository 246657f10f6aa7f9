"""Where a manifest is written, for its readers: paths relative to it, ids, and files that are converted for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ...control.camera.formats import write_camera
from ...control.camera.formats.source import Source
from ...control.camera.trajectory import CameraTrajectory
from ...control.errors import UserError
from ...control.files import existing
from ..manifest import CameraFile, safe_id

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


@dataclass(frozen=True)
class Skipped:
    """Something in a dataset that is not a clip of the manifest, and why."""

    id: str
    reason: str


@dataclass
class Place:
    """The folder of the manifest. fps: frames per second of videos whose dataset does not say it."""

    folder: Path
    fps: float | None = None
    _taken: set[str] = field(default_factory=set)

    def name(self, path: Path) -> str:
        """Return a path as a manifest has it: relative to its folder, with slashes."""
        try:
            return Path(os.path.relpath(path, self.folder)).as_posix()
        except ValueError:  # on another drive of Windows
            return path.resolve().as_posix()

    def id(self, text: str) -> str:
        """Return an id made of a text that no clip has yet."""
        plain = safe_id(text)
        result, number = plain, 2
        while result in self._taken:
            result, number = f"{plain}-{number}", number + 1
        self._taken.add(result)
        return result

    def converted(self, name: str) -> Path:
        """Return the path of a file that is made for the manifest."""
        return self.folder / "converted" / name

    def camera(self, id: str, path: CameraTrajectory) -> CameraFile:
        """Write a camera with a pose per frame of the span, in this pack's JSON, which loses nothing."""
        file = self.converted(f"{id}.camera.json")
        write_camera(path, file)
        return CameraFile(self.name(file))


def read_text(path: Path) -> str:
    """Return a text file in UTF-8, UTF-16, UTF-32, GBK or Latin-1, without blanks around it.

    Raises UserError, naming the file, where it is missing, empty or no text.
    """
    try:
        return Source(existing(path, "text")).text.strip()
    except UserError as error:
        raise UserError(f"the text '{path}' cannot be read: {error.clause}") from error


def videos_below(root: Path) -> list[Path]:
    """Return the video files below a folder, sorted."""
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEOS and path.is_file())
