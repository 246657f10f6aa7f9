"""The path of the camera from a clip: a network over neighboring frames and their motion, mixed over time.

Each pair of frames gives a small step (rotation and translation); the steps are composed to poses relative to the
first frame, in units of its median depth. The depth that perception estimates for a few frames is an input, since flow
means translation only together with depth. So is the focal length of the first frame, as evaluation with structure from
motion fixes the intrinsics (CamI2V): a narrow lens that turns a little and a wide one that turns more look alike.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .layers import SIZE, Conv, Residual, at_size, coordinates
from .motion import dis_flow

HALF = (SIZE[0] // 2, SIZE[1] // 2)
USUAL_FOCAL = 0.98  # in image widths; the middle of the procedural world's
STILLS = 5  # evenly spaced frames whose depth is estimated
STEP = 0.05  # size of a usual step, in radians or median depths


def rotation_matrix(vector: Tensor) -> Tensor:
    """Return rotation matrices (..., 3, 3) of axis times angle (..., 3) in radians, by Rodrigues' formula."""
    angle = vector.square().sum(-1, keepdim=True).add(1e-12).sqrt()
    x, y, z = (vector / angle).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape, 3)
    angle = angle[..., None]
    eye = torch.eye(3, device=vector.device, dtype=vector.dtype)
    rotation: Tensor = eye + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)
    return rotation


def compose(steps: Tensor) -> Tensor:
    """Return poses c2w (B, T, 3, 4), the first the identity, of steps (B, T-1, 6) in the axes of the frame before."""
    rotations, translations = rotation_matrix(steps[..., :3]), steps[..., 3:, None]
    rotation = torch.eye(3, device=steps.device, dtype=steps.dtype).expand(len(steps), 3, 3)
    position = steps.new_zeros(len(steps), 3, 1)
    poses = [torch.cat([rotation, position], -1)]
    for step_rotation, translation in zip(rotations.unbind(1), translations.unbind(1), strict=True):
        position = position + rotation @ translation
        rotation = rotation @ step_rotation
        poses.append(torch.cat([rotation, position], -1))
    return torch.stack(poses, 1)


def camera_input(frames: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return half-size images (F, 3, 32, 48) and optical flow (F-1, 2, 32, 48) of a clip (F, H, W, 3) in [0, 1].

    The flow is in shares of the image's width, on both axes.
    """
    images = at_size(rearrange(torch.from_numpy(np.ascontiguousarray(frames)).float(), "f h w c -> f c h w"))
    pixels = dis_flow(rearrange(images, "f c h w -> f h w c").numpy())
    flow = rearrange(torch.from_numpy(pixels), "f h w xy -> f xy h w") / SIZE[1]
    return F.interpolate(images, size=HALF, mode="area"), F.interpolate(flow, size=HALF, mode="area")


def still_frames(frames: int) -> Tensor:
    """Return the indices of the frames, of a clip of `frames`, whose depth is estimated."""
    return torch.linspace(0, frames - 1, min(STILLS, frames)).round().long()


@torch.no_grad()
def still_disparity(perception: nn.Module, images: Tensor) -> Tensor:
    """Return the disparity (stills, 32, 48) that `perception` estimates for the stills of images (F, 3, 32, 48)."""
    stills = F.interpolate(images[still_frames(len(images))], size=SIZE, mode="bilinear", align_corners=False)
    return F.interpolate(perception(stills).disparity[:, None], size=HALF, mode="area")[:, 0]


class TimeMixer(nn.Module):
    """A residual convolution over time, of (B, T, width)."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.conv(rearrange(self.norm(x), "b t c -> b c t"))
        out: Tensor = x + self.out(F.silu(rearrange(mixed, "b c t -> b t c")))
        return out


class CameraNet(nn.Module):
    """The steps (B, T-1, 6) between the frames of a clip.

    Reads images (B, T, 3, 32, 48), flow (B, T-1, 2, 32, 48), the disparity of the stills (B, stills, 32, 48) in any
    unit, and the focal length (B,) in image widths.
    """

    def __init__(self, widths: tuple[int, int, int] = (40, 64, 96), dim: int = 256):
        super().__init__()
        a, b, c = widths
        self.body = nn.Sequential(
            Conv(9 * 4 + 2, a), Conv(a, b, 2), Residual(b), Conv(b, c, 2), Residual(c), Conv(c, 32, 1, 1)
        )
        self.flatten = nn.Linear(32 * (HALF[0] // 8) * (HALF[1] // 8), dim)
        self.focal = nn.Linear(1, dim)
        self.overview = nn.Linear(2 * dim, dim)
        self.mix = nn.ModuleList(TimeMixer(dim, dilation) for dilation in (1, 2, 4, 8, 1))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 6)

    def forward(self, images: Tensor, flow: Tensor, disparity: Tensor, focal: Tensor) -> Tensor:
        batch, pairs = flow.shape[:2]
        # In units of the first frame's median, which is the unit of the result; every pair takes the nearest still.
        unit = disparity[:, 0].flatten(1).median(1).values.clamp(min=1e-3)[:, None, None, None]
        nearest = (torch.arange(pairs)[:, None] - still_frames(pairs + 1)).abs().argmin(1).to(disparity.device)
        depth = (disparity / unit).clamp(max=6)[:, nearest, None] - 1
        # The flow of a usual step is a hundredth of the width; images are around one half.
        joined = torch.cat([flow * 30, depth, images[:, :-1] * 2 - 1, images[:, 1:] * 2 - 1], 2).flatten(0, 1)
        joined = F.pixel_unshuffle(joined, 2)
        joined = torch.cat([joined, coordinates(joined)], 1).contiguous(memory_format=torch.channels_last)
        x = self.flatten(self.body(joined).float().flatten(1)).float().unflatten(0, (batch, pairs))
        x = x + self.focal((focal / USUAL_FOCAL).log()[:, None, None] * 5)
        # Every step sees the first frame and the whole clip: the unit of length is the first frame's depth.
        x = x + self.overview(torch.cat([x[:, :1], x.mean(1, keepdim=True)], -1))
        for mix in self.mix:
            x = mix(x)
        steps: Tensor = self.head(self.norm(x)).float() * STEP
        return steps
