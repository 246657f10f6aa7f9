"""The reference image of an object: seen from another side than in the clip, lit from the front, fitted to the
frame, on gray 0.5."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..control.camera.rotations import PAN_AXIS, about_axis, look_at_rotation
from ..control.camera.trajectory import make_poses
from .cameras import CameraPath
from .figures import pose
from .scene_object import SceneObject
from .trace import Tracer
from .world import SceneSpec

# The share of the frame's height or width that the object fills: what `control.identity.reference_image` leaves
# with its margin of 6 %, so that a reference looks the same in training and from a user's image.
FILL = 0.88
# Side of the small image in which the object's extent is measured.
_MEASURING_SIDE = 48
_SUN = np.array([-0.45, -0.70, -0.55])
# Distance of the camera in half diagonals of the object, and the focal length at which the object fits the image.
_DISTANCE, _FOCAL = 5.0, 2.0


def reference(
    scene: SceneSpec, item: SceneObject, height: int, width: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Return the image (3,H,W) in [0,1] and mask (H,W) in [0,1] (its edge is soft) of an object of the scene."""
    studio = _Studio(scene, item, device)
    aspect = width / height
    _, mask = studio.photograph([_FOCAL / aspect, _FOCAL, 0.5, 0.5], _MEASURING_SIDE, _MEASURING_SIDE)
    left, right = _extent(mask.amax(0))
    top, bottom = _extent(mask.amax(1))
    scale = FILL / max(bottom - top, right - left)
    intrinsics = [
        scale * _FOCAL / aspect,
        scale * _FOCAL,
        0.5 - scale * ((left + right) / 2 - 0.5),
        0.5 - scale * ((top + bottom) / 2 - 0.5),
    ]
    # Twice the size, averaged: smooth edges.
    color, mask = studio.photograph(intrinsics, 2 * height, 2 * width)
    return F.avg_pool2d(color.clamp(0, 1)[None], 2)[0], F.avg_pool2d(mask[None, None], 2)[0, 0]


def _extent(occupied: Tensor) -> tuple[float, float]:
    """Return where the positive values of (N,) begin and end, 0..1."""
    indices = occupied.nonzero().squeeze(1).tolist()
    return indices[0] / len(occupied), (indices[-1] + 1) / len(occupied)


@dataclass
class _Studio:
    """An object alone before a gray background."""

    scene: SceneSpec
    item: SceneObject
    device: torch.device | str

    def photograph(self, intrinsics: list[float], height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return the image (3,H,W) and the mask (H,W) of the object with a lens fx fy cx cy, normalized."""
        angle = self.item.reference_elevation
        eye = np.array([[0.0, -np.sin(angle), -np.cos(angle)]]) * _DISTANCE * float(np.linalg.norm(self.item.half_size))
        path = CameraPath("static", 1, make_poses(look_at_rotation(-eye), eye), np.array([intrinsics]))
        rotation = about_axis(PAN_AXIS, np.array([self.item.reference_turn]))
        joints = None if self.item.joints is None else pose("", np.zeros(1))
        still = replace(self.item, center=np.zeros((1, 3)), rotation=rotation, joints=joints)
        surroundings = replace(self.scene.surroundings, sun=_SUN / np.linalg.norm(_SUN))
        tracer = Tracer(SceneSpec(self.scene.seed, 1, (still,), surroundings, path), self.device)
        color, _, slot = tracer.cast(tracer.camera_rays(height, width), height, with_background=False)
        return color.view(3, height, width), (slot >= 0).view(height, width).float()
