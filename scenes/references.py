"""The reference image of an object: seen from another side than in the clip, lit from the front, fitted to the
frame, on gray 0.5."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .cameras import CameraPath, axis_rotation, look_at
from .trace import Tracer
from .world import SceneSpec, Thing

# The share of the frame's height or width that the object fills: what `control.identity.reference_image` leaves
# with its margin of 6 %, so that a reference looks the same in training and from a user's image.
FILL = 0.88
# Side of the small image from which the object's extent is read.
_LOOK = 48
_SUN = np.array([-0.45, -0.70, -0.55])


def reference(
    scene: SceneSpec, thing: Thing, height: int, width: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Image (3,H,W) in [0,1] and mask (H,W) in [0,1] (its edge is soft)."""
    size = float(np.linalg.norm(thing.half_size))
    distance = 5.0 * size
    e = thing.reference_elevation
    eye = np.array([[0.0, -np.sin(e), -np.cos(e)]]) * distance
    target = np.zeros((1, 3))
    f = 0.4 * distance / size
    c2w = np.concatenate([look_at(eye, target), eye[..., None]], -1)
    still = replace(thing, center=target, rotation=axis_rotation(1, np.array([thing.reference_turn])))
    surroundings = replace(scene.surroundings, sun=_SUN / np.linalg.norm(_SUN))

    def look(intrinsics: list[float], h: int, w: int) -> tuple[Tensor, Tensor]:
        path = CameraPath("static", 1, c2w, np.array([intrinsics]))
        tracer = Tracer(SceneSpec(scene.seed, 1, (still,), surroundings, path), device)
        color, _, slot = tracer.cast(tracer.camera_rays(h, w), h, backdrop=False)
        return color.view(3, h, w), (slot >= 0).view(h, w).float()

    aspect = width / height
    _, mask = look([f / aspect, f, 0.5, 0.5], _LOOK, _LOOK)
    rows, columns = mask.amax(1).nonzero().squeeze(1).tolist(), mask.amax(0).nonzero().squeeze(1).tolist()
    top, bottom, left, right = (v / _LOOK for v in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    scale = FILL / max(bottom - top, right - left)
    intrinsics = [
        scale * f / aspect,
        scale * f,
        0.5 - scale * ((left + right) / 2 - 0.5),
        0.5 - scale * ((top + bottom) / 2 - 0.5),
    ]
    color, mask = look(intrinsics, 2 * height, 2 * width)
    return F.avg_pool2d(color.clamp(0, 1)[None], 2)[0], F.avg_pool2d(mask[None, None], 2)[0, 0]
