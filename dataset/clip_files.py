"""A clip's files as arrays: the frames of its span, a camera pose for each, and depth and masks of those asked for.

Shapes: F frames of the span, N chosen ones, H height, W width.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from ..control.camera.formats import read_camera
from ..control.camera.trajectory import CameraTrajectory
from ..control.clip_files import ClipFile, choose_reader, pick_frames
from ..control.depth.readers import open_depth_clip
from ..control.errors import UserError
from ..control.files import existing
from ..control.identity.labels import split_choice
from ..control.identity.mask_files import MASK_READERS
from ..control.media import count_frames, iterate_video, video_rate
from .manifest import Clip

MOST_UNPACKED = 2**33  # bytes of one archive: an hour of depth


class ClipFiles:
    """The files of a clip, whose paths are relative to `folder`. Nothing is read before it is asked for."""

    def __init__(self, clip: Clip, folder: Path):
        self.clip, self.folder = clip, folder

    def path(self, name: str) -> Path:
        """Return the path of a file that the manifest names."""
        return self.folder / name

    @cached_property
    def total(self) -> int:
        """The frames of the whole video. Raises UserError where it is missing, truncated or damaged."""
        return count_frames(self.path(self.clip.video))

    @cached_property
    def span(self) -> tuple[int, int]:
        """The first frame, and the one behind the last. Raises UserError for a span that the video does not have."""
        first, end = self.clip.span or (0, self.total)
        if end > self.total:
            raise UserError(
                f"the span ends at frame {end}, but '{self.clip.video}' has {self.total}: it is not downloaded whole,"
                " or is another video"
            )
        return first, end

    @property
    def count(self) -> int:
        """The frames of the span."""
        return self.span[1] - self.span[0]

    @cached_property
    def fps(self) -> float:
        """Frames per second: the manifest's, else the file's."""
        return self.clip.fps or video_rate(self.path(self.clip.video))

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames (H, W, 3), 0..1, of the span, cropped."""
        first, end = self.span
        for frame in islice(iterate_video(self.path(self.clip.video)), first, end):
            yield self._cropped(frame)

    def chosen(self, places: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the frames at ascending places of the span."""
        return pick_frames(self.frames(), places)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames, cropped."""
        height, width = next(self.frames()).shape[:2]
        return height, width

    def _cropped(self, image: np.ndarray) -> np.ndarray:
        if self.clip.crop is None:
            return image
        left, top, right, bottom = self.clip.crop
        if bottom > image.shape[0] or right > image.shape[1]:
            raise UserError(f"'crop' goes to {right}x{bottom}, but the video is {image.shape[1]}x{image.shape[0]}")
        return image[top:bottom, left:right]

    def camera(self) -> CameraTrajectory | None:
        """Return a pose for each frame of the span, as the file has them; None where there is no camera."""
        entry = self.clip.camera
        if entry is None:
            return None
        height, width = self.size
        path = read_camera(
            self.path(entry.file),
            default_frames=self.count,
            aspect=width / height,
            camera=entry.camera,
            mirror=entry.mirror,
        )
        places = self._places(path.frames, f"the camera '{entry.file}'")
        intrinsics = path.intrinsics[places]
        if entry.focal is not None:
            intrinsics = np.array([entry.focal, entry.focal * width / height, 0.5, 0.5])
        return path.replace(c2w=path.c2w[places], intrinsics=intrinsics, fps=self.fps)

    def _places(self, count: int, what: str) -> np.ndarray:
        """Return which of `count` entries belong to the frames of the span. Raises UserError for another count."""
        if count == self.count:
            return np.arange(count)
        if count == self.total:
            return np.arange(*self.span)
        raise UserError(
            f"{what} has {count} entries, but the clip has {self.count} frames, of {self.total} of its video: give one"
            " per frame"
        )

    def depth(self, places: np.ndarray | None = None) -> tuple[np.ndarray, str] | None:
        """Return depth (N, H, W) at ascending places of the span, and what its numbers are; None without depth."""
        entry = self.clip.depth
        if entry is None:
            return None
        with unpacked(self.path(entry.file)) as path:
            opened = open_depth_clip(path, entry.kind, entry.convention, entry.channel or None)
            return self._read(opened, places, f"the depth '{entry.file}'", entry.frames), opened.kind

    def masks(self, name: str, places: np.ndarray | None = None) -> np.ndarray:
        """Return the masks (N, H, W), 0..1, of a file at ascending places of the span."""
        plain, choice = split_choice(name)
        with unpacked(self.path(str(plain))) as path:
            opened = choose_reader(MASK_READERS, path).open(path, choice)
            return self._read(opened, places, f"the masks '{name}'")

    def _read(self, opened: ClipFile, places: np.ndarray | None, what: str, known: tuple[int, ...] = ()) -> np.ndarray:
        """Return the chosen frames of an opened clip; known: the frames of the video that it has."""
        places = np.arange(self.count) if places is None else places
        if opened.still:
            own = np.zeros(len(places), int)
        elif known:
            if len(known) != len(opened.frames):
                raise UserError(f"{what} has {len(opened.frames)} frames, but the manifest names {len(known)}")
            own = np.abs(np.array(known)[None] - (self.span[0] + places)[:, None]).argmin(1)
        else:
            own = self._places(len(opened.frames), what)[places]
        frames = [np.asarray(frame, np.float32) for frame in pick_frames(opened.frames, own)]
        if len({frame.shape for frame in frames}) > 1:
            raise UserError(f"{what} has frames of several sizes: give frames of one size")
        return np.stack(frames)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Yield a folder with the files of a .zip, which is removed at the end; any other path as it is.

    Raises UserError for an archive that is cut short, and for one that unpacks to more than an hour of depth.
    """
    if path.suffix.lower() != ".zip":
        yield path
        return
    existing(path, "archive")
    with tempfile.TemporaryDirectory(prefix="fulldit-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, [info for info in archive.infolist() if not info.is_dir()], Path(folder))
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
            raise UserError(f"the archive '{path}' cannot be read ({error}): download it again") from error
        yield Path(folder)


def _unpack(archive: zipfile.ZipFile, files: Sequence[zipfile.ZipInfo], folder: Path) -> None:
    """Write the files into a folder by their names alone. Raises UserError for two of one name, and for too much."""
    names = [PurePosixPath(info.filename.replace("\\", "/")).name for info in files]
    if len(set(names)) < len(names):
        raise UserError(f"the archive '{archive.filename}' holds two files of one name: unpack it, and name a folder")
    if sum(info.file_size for info in files) > MOST_UNPACKED:
        raise UserError(f"the archive '{archive.filename}' unpacks to over {MOST_UNPACKED >> 30} GiB: unpack it")
    for info, name in zip(files, names, strict=True):
        (folder / name).write_bytes(archive.read(info))
