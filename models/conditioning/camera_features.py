"""A camera path as numbers: what one camera token carries.

Letters: B batch, F frames, T latent frames, N numbers of a token.
"""

from __future__ import annotations

import torch
from einops import rearrange, repeat

from ..geometry import WAN_2_1

# Of one pose: 3x3 rotation, translation, fx fy cx cy, time.
POSE_FEATURES = 9 + 3 + 4 + 1

# Mean and deviation of a pose's features (R - I row by row, translation, fx fy cx cy, seconds) over 400 clips of the
# procedural world, rounded. Without them the rotations are several times weaker than the constant intrinsics, and a
# short training never gets to use the camera. They are part of the format of a checkpoint: never change them.
CAMERA_MEAN = (0.0,) * 12 + (1.0, 1.5, 0.5, 0.5, 1.0)
CAMERA_SCALE = (0.05, 0.09, 0.165, 0.09, 0.05, 0.09, 0.165, 0.09, 0.05, 0.14, 0.08, 0.1, 0.15, 0.225, 0.1, 0.1, 0.6)


def camera_features(
    c2w: torch.Tensor, intrinsics: torch.Tensor, fps: float, temporal: int = WAN_2_1.temporal
) -> torch.Tensor:
    """Return one vector per latent frame (B, T, N) of a camera path, float32; N = 17 `temporal`.

    c2w (B, F, 3, 4) relative to the first frame, in units of that frame's median depth (OpenCV axes); intrinsics
    (B, F, 4) normalized by width and height; fps frames per second. Latent frame k of a causal VAE of temporal
    compression 4 holds the frames 4k-3 .. 4k, so its vector packs their poses (frame 0 stands in for those before it):
    R - I, translation, intrinsics and time, standardized.
    """
    batch, frames = c2w.shape[:2]
    c2w, intrinsics = c2w.float(), intrinsics.float()
    rotation = rearrange(c2w[..., :3] - torch.eye(3, device=c2w.device), "b f i j -> b f (i j)")
    seconds = (torch.arange(frames, device=c2w.device) / fps).expand(batch, frames)[..., None]
    poses = torch.cat([rotation, c2w[..., 3], intrinsics.expand(batch, frames, 4), seconds], -1)
    mean, scale = _standards(poses)
    ends = temporal * torch.arange((frames - 1) // temporal + 1)
    index = (ends[:, None] + torch.arange(1 - temporal, 1)).clamp(min=0)
    return rearrange(((poses - mean) / scale)[:, index.to(poses.device)], "b t p n -> b t (p n)")


def rebase_camera(features: torch.Tensor) -> torch.Tensor:
    """Return the features (B, T, N) of a part of a longer path relative to the part's first frame.

    The last pose of the first vector becomes the identity at time 0, and it stands for that whole latent frame, as the
    first frame of a clip does. The unit of length stays that of the whole path.
    """
    mean, scale = _standards(features)
    poses = rearrange(features, "b t (p n) -> b t p n", n=POSE_FEATURES) * scale + mean
    first = poses[:, :1, -1:]
    poses = torch.cat([repeat(first, "b 1 1 n -> b 1 p n", p=poses.shape[2]), poses[:, 1:]], 1)
    identity = torch.eye(3, device=features.device)
    rotation = rearrange(poses[..., :9], "b t p (i j) -> b t p i j", i=3) + identity
    w2c = rearrange(rotation[:, :1, -1:], "b t p i j -> b t p j i")
    position = (w2c @ (poses[..., 9:12] - first[..., 9:12])[..., None])[..., 0]
    turned = rearrange(w2c @ rotation - identity, "b t p i j -> b t p (i j)")
    seconds = poses[..., 16:] - first[..., 16:]
    poses = torch.cat([turned, position, poses[..., 12:16], seconds], -1)
    return rearrange((poses - mean) / scale, "b t p n -> b t (p n)")


def _standards(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(CAMERA_MEAN, device=like.device), torch.tensor(CAMERA_SCALE, device=like.device)
