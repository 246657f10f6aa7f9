"""Camera movement as a condition."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .annotated_clip import AnnotatedClip
from .camera import CameraTrajectory
from .camera.presets import PRESETS
from .camera.trajectory import UNIT
from .condition import Condition, VideoSize, check_frames, digest_of, register
from .errors import UserError
from .fit import SAME_ASPECT, Fit, SpaceFit, TimeFit, fit_indices
from .load import read_camera_path

FAR = 2.0  # distances of the subject beyond which a path is probably in another unit
AWAY = 90.0  # degrees beyond which nothing of the first frame is in view


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class CameraCondition(Condition):
    """A camera path, one pose per frame of the video."""

    name: ClassVar[str] = "camera"
    order: ClassVar[int] = 10
    metavar: ClassVar[str] = "PRESET[:AMOUNT]|FILE"
    help: ClassVar[str] = (
        "a camera file (of several cameras FILE,camera=NAME, if mirrored FILE,mirror=x|y|z), or a preset"
        f" ({', '.join(PRESETS)}); amounts in degrees or subject distances; several with the"
        " part of the clip they take: 'pan_right:20@0-0.5 + dolly_in:0.3@0.25-1'"
    )

    trajectory: CameraTrajectory

    @property
    def fps(self) -> float:
        """Frames per second of the path."""
        return self.trajectory.fps

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless there is one pose per frame."""
        super().validate(video)
        if not isinstance(self.trajectory, CameraTrajectory):
            raise UserError(f"the camera is a {type(self.trajectory).__name__}; a CameraTrajectory was expected")
        check_frames(self.trajectory.frames, video, "the camera path")

    def fit(self, video: VideoSize, fit: Fit) -> tuple[CameraCondition, list[str]]:
        """Bring the path to the video's length, and its lens to the video's proportions."""
        path = self.trajectory
        warnings: list[str] = []
        if path.frames != video.frames:
            indices, warnings = fit_indices(path.frames, video.frames, fit.time, "the camera path")
            if fit.time is TimeFit.RESAMPLE:
                path = path.resample(video.frames)
            else:
                path = path.replace(c2w=path.c2w[indices], intrinsics=path.intrinsics[indices])
        path, more = fit_lens(path, video, fit.space)
        return dataclasses.replace(self, trajectory=path), warnings + more

    def digest(self) -> str:
        """Return the hash of poses, lens and time."""
        path = self.trajectory
        return digest_of(self.strength, self.start, self.end, path.fps, path.pixel_aspect, path.c2w, path.intrinsics)

    def warnings(self) -> list[str]:
        """Return what its file left open, and sentences about another unit, and turning away from the first frame."""
        warnings = [*super().warnings(), *self.trajectory.notes]
        path = self.trajectory.relative()
        distance = np.linalg.norm(path.c2w[:, :, 3], axis=1).max()
        angle = np.degrees(np.arccos(np.clip(path.c2w[:, 2, 2], -1, 1)).max())
        if distance > FAR:
            moves = (
                f"{distance:.1f} times the {UNIT}" if path.unit == UNIT else f"by {distance:.1f} in {path.unit_name}"
            )
            warnings.append(
                f"The camera moves {moves}; if this was not meant, the path is in another unit and needs scaling."
            )
        if distance > 1e-6 and path.unit != UNIT:
            warnings.append(
                f"The camera's lengths are in {path.unit_name}; FullDiT models take them in units of the {UNIT}."
            )
        if angle > AWAY:
            warnings.append(f"The camera turns by {angle:.0f} degrees, away from everything in the first frame.")
        return warnings

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> CameraCondition:
        """Return the clip's own path."""
        return cls(trajectory=clip.camera)

    @classmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[CameraCondition, list[str]]:
        """Read a camera file, or make the path of a text of presets."""
        path, warnings = read_camera_path(specs[-1], video.frames, video.fps, video.aspect, fit)
        return cls(trajectory=path, strength=strength), warnings


def fit_lens(path: CameraTrajectory, video: VideoSize, fit: SpaceFit) -> tuple[CameraTrajectory, list[str]]:
    """Return a path whose lens sees the proportions of `video`, and what was done for that.

    The lens of a path has proportions of its own: fy / fx. `crop` cuts what the video does not show (as
    CameraCtrl and core's Wan Fun nodes crop), `pad` shows more than the lens saw, `stretch` takes the numbers as they
    are.
    """
    ratio = path.intrinsics[:, 1] / path.intrinsics[:, 0] / video.aspect
    if np.abs(ratio - 1).max() <= SAME_ASPECT or fit is SpaceFit.STRETCH:
        return path, []
    proportions = f"{np.median(ratio) * video.aspect:.3g}:1"
    if fit is SpaceFit.REFUSE:
        raise UserError(
            f"the camera's lens sees {proportions}, the video is {video.aspect:.3g}:1: give the same proportions, or"
            f" set `fit_space` to crop, pad or stretch"
        )
    scale = np.stack([np.maximum(ratio, 1), np.maximum(1 / ratio, 1)], 1)
    if fit is SpaceFit.PAD:
        scale = np.stack([np.minimum(ratio, 1), np.minimum(1 / ratio, 1)], 1)
    intrinsics = path.intrinsics.copy()
    # Focal lengths count in widths and heights: a side that is cut gets shorter, so its focal length grows.
    intrinsics[:, :2] *= scale
    intrinsics[:, 2:] = 0.5 + (intrinsics[:, 2:] - 0.5) * scale
    verb = "cropped" if fit is SpaceFit.CROP else "padded"
    said = f"The camera's lens sees {proportions} and was {verb} to {video.aspect:.3g}:1."
    return path.replace(intrinsics=intrinsics, pixel_aspect=1.0), [said]
