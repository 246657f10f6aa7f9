"""All controls of one video together: any subset of camera, identities and depth."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .camera import CameraTrajectory
from .camera.trajectory import UNIT
from .depth import DepthClip
from .errors import UserError
from .identity import Identity, masklet_report
from .identity.slots import check_weight
from .images import indices, resize_clip

CONDITIONS = ("camera", "identity", "depth")


def check_size(frames: int, height: int, width: int, temporal: int = 4, spatial: int = 16) -> None:
    """Raise UserError unless frames is `temporal` * k + 1 and both sides are multiples of `spatial`.

    The VAE packs four frames after the first into one latent frame and 8x8 pixels into one; patches take 2x2 of those.
    """
    if frames < 1 or (frames - 1) % temporal:
        k = max(0, (frames - 1) // temporal)
        raise UserError(
            f"{frames} frames were asked for; {temporal}k+1 was expected: take {temporal * k + 1}"
            f" or {temporal * (k + 1) + 1}"
        )
    for side, name in ((height, "height"), (width, "width")):
        if side < spatial or side % spatial:
            near = max(spatial, round(side / spatial) * spatial)
            raise UserError(f"the {name} is {side}; a multiple of {spatial} was expected: take {near}")


@dataclass(frozen=True, eq=False)
class Controls:
    """What the user gave: each part may be absent.

    Strengths are 0..5 (an identity has its own). A range is the part of sampling (start, end) in which the condition
    holds, 0..1. `validate` checks everything against the video that is to be made.
    """

    camera: CameraTrajectory | None = None
    identities: tuple[Identity, ...] = ()
    depth: DepthClip | None = None
    camera_strength: float = 1.0
    camera_range: tuple[float, float] = (0.0, 1.0)
    depth_strength: float = 1.0
    depth_range: tuple[float, float] = (0.0, 1.0)

    def present(self) -> tuple[str, ...]:
        """The names of the conditions given, in the order of CONDITIONS."""
        given = {"camera": self.camera is not None, "identity": bool(self.identities), "depth": self.depth is not None}
        return tuple(name for name in CONDITIONS if given[name])

    def only(self, names: Iterable[str]) -> Controls:
        """The same controls with every condition not in `names` left out. Raises UserError for an unknown name."""
        names = [names] if isinstance(names, str) else list(names)
        for name in names:
            if name not in CONDITIONS:
                raise UserError(f"the condition '{name}' is unknown: choose among {', '.join(CONDITIONS)}")
        return dataclasses.replace(
            self,
            camera=self.camera if "camera" in names else None,
            identities=tuple(self.identities) if "identity" in names else (),
            depth=self.depth if "depth" in names else None,
        )

    def fitted(self, frames: int, height: int, width: int) -> Controls:
        """Every part spread over `frames` frames and resized: how controls of another length are used."""
        identities = tuple(
            identity
            if identity.track is None
            else dataclasses.replace(
                identity,
                track=np.clip(resize_clip(identity.track[indices(len(identity.track), frames)], height, width), 0, 1),
            )
            for identity in self.identities
        )
        depth = self.depth
        if depth is not None:
            depth = DepthClip(depth.values[indices(depth.frames, frames)], depth.recipe).resized(height, width)
        camera = self.camera
        if camera is not None and camera.frames != frames:
            camera = camera.resample(frames)
        return dataclasses.replace(self, camera=camera, identities=identities, depth=depth)

    def resized(self, height: int, width: int) -> Controls:
        """Tracks and depth resized to the video, lengths as they are."""
        identities = tuple(
            identity
            if identity.track is None
            else dataclasses.replace(identity, track=np.clip(resize_clip(identity.track, height, width), 0, 1))
            for identity in self.identities
        )
        depth = None if self.depth is None else self.depth.resized(height, width)
        return dataclasses.replace(self, identities=identities, depth=depth)

    def validate(self, frames: int, height: int, width: int, slots: int = 3) -> None:
        """Raise UserError unless all of this fits a video of `frames` frames of `height` x `width`.

        Refused: a size that the VAE cannot pack, a camera, track or depth clip of another length or size, more
        identities than `slots`, two of the same name, strengths and ranges out of bounds, and empty fields.
        """
        check_size(frames, height, width)
        if self.camera is not None:
            if not isinstance(self.camera, CameraTrajectory):
                raise UserError(f"the camera is a {type(self.camera).__name__}; a CameraTrajectory was expected")
            check_length(self.camera.frames, frames, "the camera path")
        if len(self.identities) > slots:
            raise UserError(
                f"{len(self.identities)} identities were given, but the model has {slots} slots:"
                f" leave {len(self.identities) - slots} out"
            )
        names = [identity.name for identity in self.identities]
        if len(set(names)) < len(names):
            raise UserError(f"two identities have the same name ({', '.join(names)}): give each its own")
        for identity in self.identities:
            if identity.track is not None:
                what = f"the track of identity '{identity.name}'"
                check_length(len(identity.track), frames, what)
                _check_sides(identity.track.shape[1:], (height, width), what)
        if self.depth is not None:
            if not isinstance(self.depth, DepthClip):
                raise UserError(
                    f"the depth is a {type(self.depth).__name__}; a DepthClip was expected: normalize it first"
                )
            check_length(self.depth.frames, frames, "the depth clip")
            _check_sides(self.depth.values.shape[1:], (height, width), "the depth clip")
        check_weight(self.camera_strength, *self.camera_range, "the camera")
        check_weight(self.depth_strength, *self.depth_range, "the depth")

    def warnings(self) -> list[str]:
        """Sentences about what is allowed but may not be meant: nothing given, still or huge camera, odd tracks."""
        warnings = []
        if not self.present():
            warnings.append("No condition is given, so the prompt alone decides.")
        if self.camera is not None:
            pose = self.camera.relative()
            moved = np.linalg.norm(pose.c2w[:, :, 3], axis=1).max()
            turned = np.degrees(np.arccos(np.clip(pose.c2w[:, 2, 2], -1, 1)).max())
            if moved > 2:
                warnings.append(
                    f"The camera moves {moved:.1f} times the {self.camera.unit}; if this was not meant,"
                    " the path is in another unit and needs scaling."
                )
            if moved > 1e-6 and self.camera.unit != UNIT:
                warnings.append(f"The camera's lengths are in {self.camera.unit} unit; the model takes the {UNIT}.")
            if turned > 90:
                warnings.append(f"The camera turns by {turned:.0f} degrees, away from everything in the first frame.")
        warnings += masklet_report(self.identities)
        if self.depth is not None:
            unknown = self.depth.recipe.get("unknown", 0)
            if unknown > 0.05:
                warnings.append(f"{unknown:.0%} of the depth clip is unknown and was taken as far away.")
            warnings += self.depth.recipe.get("warnings", [])
        weights = [("camera", self.camera is not None, self.camera_strength)]
        weights += [(f"identity '{identity.name}'", True, identity.strength) for identity in self.identities]
        weights += [("depth", self.depth is not None, self.depth_strength)]
        warnings += [
            f"The strength of the {what} is 0, so it does nothing." for what, given, s in weights if given and s == 0
        ]
        return warnings


def check_length(count: int, frames: int, what: str) -> None:
    """Raise UserError unless `what`, which has `count` frames, has exactly the video's `frames`."""
    if count != frames:
        raise UserError(
            f"{what} has {count} frames, the video {frames}: give one per frame, or spread it over the video (fit)"
        )


def _check_sides(given: tuple[int, ...], wanted: tuple[int, int], what: str) -> None:
    if tuple(given) != wanted:
        raise UserError(
            f"{what} is {given[0]}x{given[1]} (height x width), the video {wanted[0]}x{wanted[1]}: resize it first"
        )
