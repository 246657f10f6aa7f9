"""Annotation as a work of the engine: what a clip lacks is estimated, what it has stays.

What cannot be estimated is left out and said in a note: a clip with some of its conditions is still one to train on. A
clip fails where its video cannot be read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...control.camera.formats import write_camera
from ...control.camera.from_video import METHODS
from ...control.camera.trajectory import UNIT
from ...control.errors import UserError
from ...control.files import DiskFullError, atomic_path
from ..clip_conditions import median_depth
from ..clip_files import ClipFiles
from ..engine.strips import stack_strips, strip
from ..engine.work import Done, Process
from ..manifest import CameraFile, Clip, DepthFile, IdentityFiles
from .camera import camera_from_video, median_depth_by_video
from .captions import Captioner, caption_clip
from .depth import Estimator, open_depth_estimator
from .endpoint import Endpoint
from .local_model import open_local_model
from .masks import find_masks

FILES = "files"
MOST_BYTES = 2**31  # of a clip's frames in memory


@dataclass(frozen=True)
class AnnotateWork:
    """camera: a method of `from_video`, '' for none. depth: an estimator of depth.py. masks: 'small' or ''. captions:
    an endpoint, or the name of a local model. units: whether cameras of an unknown unit are compared with the video.
    doubtful: the share of its frames from which on an estimated camera that says to doubt them is left out.
    """

    camera: str = ""
    depth: str = ""
    masks: str = ""
    captions: Endpoint | str | None = None
    units: bool = False
    doubtful: float = 0.5
    title: str = "annotate clips"

    def __post_init__(self) -> None:
        if self.camera and self.camera not in METHODS:
            raise UserError(f"the camera estimator '{self.camera}' is unknown: choose one of {', '.join(METHODS)}")
        if self.masks not in ("", "small"):
            raise UserError(f"the mask estimator '{self.masks}' is unknown: 'small' is the one that there is")

    def settings(self) -> dict[str, object]:
        """Return what the results depend on."""
        captions = self.captions.model if isinstance(self.captions, Endpoint) else self.captions or ""
        return {
            "camera": self.camera,
            "depth": self.depth,
            "masks": self.masks,
            "captions": captions,
            "units": self.units,
            "share of doubtful frames": self.doubtful,
        }

    def open(self, folder: Path, out: Path) -> Process:
        """Load the estimators; return what annotates a clip."""
        depth = open_depth_estimator(self.depth) if self.depth else None
        captioner: Captioner | None = None
        if isinstance(self.captions, Endpoint):
            captioner = self.captions
        elif self.captions:
            captioner = open_local_model(self.captions)
        place = out / FILES

        def annotate(clip: Clip) -> Done:
            one = _Annotation(clip, folder, place, self)
            one.add_masks()
            one.add_depth(depth)
            one.add_camera()
            one.add_unit()
            one.add_captions(captioner)
            return Done(one.clip, tuple(one.notes), stack_strips(one.rows))

        return annotate


class _Annotation:
    """The annotation of one clip; each step replaces `clip`."""

    def __init__(self, clip: Clip, folder: Path, place: Path, work: AnnotateWork):
        self.clip, self.folder, self.place, self.work = clip, folder, place, work
        files = ClipFiles(clip, folder)
        height, width = files.size
        if files.count * height * width * 12 > MOST_BYTES:
            raise UserError(f"{files.count} frames of {width}x{height} are over 2 GiB: cut the video into shots first")
        self.frames = np.stack(list(files.frames()))
        self.fps = files.fps
        self.notes: list[str] = []
        self.rows = [strip(self.frames)]

    @property
    def files(self) -> ClipFiles:
        """The files of the clip as it is now."""
        return ClipFiles(self.clip, self.folder)

    def _path(self, ending: str) -> Path:
        return self.place / f"{self.clip.id}.{ending}"

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _replace(self, **changes: object) -> None:
        self.clip = dataclasses.replace(self.clip, **changes)  # type: ignore[arg-type]  # names of fields

    def _figures(self, figures: Mapping[str, float]) -> None:
        self._replace(figures={**self.clip.figures, **figures})

    def _save(self, path: Path, **arrays: np.ndarray) -> None:
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]  # arrays by name

    def _failed(self, what: str, error: UserError) -> None:
        if isinstance(error, DiskFullError):
            raise error
        self.notes.append(f"No {what}: {error.clause}.")

    def add_masks(self) -> None:
        """Find objects and carry their masks along, where the clip has no identities."""
        if not self.work.masks or self.clip.identities:
            return
        try:
            videos, trusts, warnings = find_masks(self.frames)
        except UserError as error:
            return self._failed("masks", error)
        self.notes += warnings
        if not videos:
            self.notes.append("No masks: no object is seen in the middle of the clip.")
            return
        identities = []
        for number, video in enumerate(videos):
            path = self._path(f"{number}.masks.npz")
            self._save(path, masks=(video > 0.5).astype(np.uint8))
            identities.append(IdentityFiles(f"object {number + 1}", mask_video=self._name(path)))
            self.rows.append(strip(video))
        self._replace(identities=tuple(identities))
        self._figures({"masks_trust": min(trusts)})

    def add_depth(self, estimator: Estimator | None) -> None:
        """Estimate depth, where the clip has none; and take the camera too where the estimator sees both."""
        if estimator is None or self.clip.depth is not None:
            return
        try:
            found = estimator(self.frames)
        except UserError as error:
            return self._failed("depth", error)
        path = self._path("depth.npz")
        self._save(path, depth=found.values.astype(np.float16))
        self._replace(depth=DepthFile(self._name(path), found.kind))
        near = 1 / np.maximum(found.values, 1e-6) if found.kind == "depth" else found.values
        self.rows.append(strip((near - near.min()) / max(float(np.ptp(near)), 1e-6)))
        if found.camera is not None and self.clip.camera is None:
            write_camera(found.camera.replace(fps=self.fps), self._path("camera.json"))
            self._replace(camera=CameraFile(self._name(self._path("camera.json"))))

    def _moving(self) -> np.ndarray | None:
        """What moves by itself, where that is known: it says nothing about the camera."""
        if self.clip.masks:
            return self.files.masks(self.clip.masks)
        tracks = [self.files.masks(one.mask_video) for one in self.clip.identities if one.mask_video]
        same = [track for track in tracks if track.shape == self.frames.shape[:3]]
        return np.max(same, 0) if same else None

    def add_camera(self) -> None:
        """Estimate the camera, where the clip has none."""
        if not self.work.camera or self.clip.camera is not None:
            return
        try:
            path, figures, warnings = camera_from_video(self.frames, self._moving(), self.fps, self.work.camera)
        except UserError as error:
            return self._failed("camera", error)
        self._figures(figures)
        self.notes += warnings
        if figures["camera_doubtful"] > self.work.doubtful:
            self.notes.append(f"No camera: it says to doubt {figures['camera_doubtful']:.0%} of the frames.")
            return
        write_camera(path, self._path("camera.json"))
        self._replace(camera=CameraFile(self._name(self._path("camera.json"))))

    def add_unit(self) -> None:
        """Say how far away the scene is in the unit of a camera whose unit nothing else says."""
        if not self.work.units or self.clip.camera is None or self.clip.camera.median_depth is not None:
            return
        try:
            path = self.files.camera()
            if path is None or path.unit == UNIT or median_depth(self.files, path) is not None:
                return
            median = median_depth_by_video(path, self.frames, self._moving())
        except UserError as error:
            return self._failed("unit of the camera", error)
        self._replace(camera=dataclasses.replace(self.clip.camera, median_depth=median))

    def add_captions(self, captioner: Captioner | None) -> None:
        """Ask for captions, where the clip has none."""
        if captioner is None or self.clip.captions:
            return
        # A server that is away fails the clip, so that the next run asks again.
        self._replace(captions=caption_clip(captioner, list(self.frames), len(self.frames) / self.fps))
