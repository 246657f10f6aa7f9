"""The two tokenizers that all conditions share, and the features of a camera path.

Letters: B batch, F frames, T latent frames, n tokens, C channels, t h w frames and sides of a stream's latent, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .streams import CAMERA_FEATURES, PACKED_POSES, POSE_FEATURES

# Mean and deviation of the packed features (R - I row by row, translation, fx fy cx cy, seconds) over 400 clips of the
# procedural world, rounded. Without them the rotations are several times weaker than the constant intrinsics, and a
# short training never gets to use the camera. They are part of the format of a checkpoint: never change them.
CAMERA_MEAN = (0.0,) * 12 + (1.0, 1.5, 0.5, 0.5, 1.0)
CAMERA_SCALE = (0.05, 0.09, 0.165, 0.09, 0.05, 0.09, 0.165, 0.09, 0.05, 0.14, 0.08, 0.1, 0.15, 0.225, 0.1, 0.1, 0.6)


def _standards(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(CAMERA_MEAN, device=like.device), torch.tensor(CAMERA_SCALE, device=like.device)


def _pack(poses: torch.Tensor) -> torch.Tensor:
    """(B, F, 17) -> (B, T, 68): latent frame k gets the poses of frames 4k-3 .. 4k, frame 0 standing in before it."""
    frames = poses.shape[1]
    latent = (frames - 1) // 4 + 1
    index = (torch.arange(latent)[:, None] * 4 + torch.arange(-PACKED_POSES + 1, 1)).clamp(min=0)
    return poses[:, index.to(poses.device)].flatten(2)


def camera_features(c2w: torch.Tensor, intrinsics: torch.Tensor, fps: float) -> torch.Tensor:
    """Camera path -> one vector per latent frame (B, T, 68), float32.

    c2w (B, F, 3, 4) relative to the first frame, in units of that frame's median depth (OpenCV axes); intrinsics
    (B, F, 4) normalized by width and height; fps frames per second. Latent frame k of the causal VAE holds the frames
    4k-3 .. 4k, so its vector packs their four poses: R - I, translation, intrinsics and time, standardized.
    """
    b, f = c2w.shape[:2]
    c2w, intrinsics = c2w.float(), intrinsics.float()
    rotation = (c2w[..., :3] - torch.eye(3, device=c2w.device)).flatten(2)
    seconds = (torch.arange(f, device=c2w.device) / fps).expand(b, f)[..., None]
    poses = torch.cat([rotation, c2w[..., 3], intrinsics.expand(b, f, 4), seconds], -1)
    mean, scale = _standards(poses)
    return _pack((poses - mean) / scale)


def rebase_camera(features: torch.Tensor) -> torch.Tensor:
    """Camera features of a piece of a longer path, made relative to the piece's first frame.

    features (B, T, 68). The last pose of the first vector becomes the identity at time 0, and it stands for that whole
    latent frame, as the first frame of a clip does. The unit of length stays that of the whole path.
    """
    b, t = features.shape[:2]
    mean, scale = _standards(features)
    poses = features.unflatten(2, (PACKED_POSES, POSE_FEATURES)) * scale + mean
    poses = torch.cat([poses[:, :1, -1:].expand(-1, -1, PACKED_POSES, -1), poses[:, 1:]], 1)
    rotation = poses[..., :9].unflatten(-1, (3, 3)) + torch.eye(3, device=features.device)
    back = rotation[:, :1, -1:].transpose(-1, -2)
    moved = (back @ (poses[..., 9:12] - poses[:, :1, -1:, 9:12])[..., None])[..., 0]
    turned = (back @ rotation - torch.eye(3, device=features.device)).flatten(-2)
    seconds = poses[..., 16:] - poses[:, :1, -1:, 16:]
    poses = torch.cat([turned, moved, poses[..., 12:16], seconds], -1)
    return ((poses - mean) / scale).flatten(2).view(b, t, CAMERA_FEATURES)


def weight_dtype(layer: nn.Module) -> torch.dtype:
    """The format that a layer computes in: its weight's, or float32 where that is a format for storage only (fp8)."""
    dtype = layer.weight.dtype
    return dtype if dtype.is_floating_point and dtype.itemsize > 1 else torch.float32


class Tokenizer(nn.Module):
    """What both kinds share: a learned vector for the type, and one per slot where the stream has slots.

    The vector of the type starts at zero, so that a stream begins as what its embedding says; those of the slots start
    as directions of their own, long enough to be seen beside what the embeddings say (`initialize_tokenizers`).
    """

    def __init__(self, dim: int, slots: int = 0, device: Any = None, dtype: torch.dtype | None = None):
        super().__init__()
        self.type_vector = nn.Parameter(torch.zeros(dim, device=device, dtype=dtype))
        self.slot_vectors = nn.Parameter(torch.zeros(slots, dim, device=device, dtype=dtype)) if slots else None

    def mark(self, tokens: torch.Tensor, slot: int | None) -> torch.Tensor:
        """Add the vectors to tokens (B, n, D)."""
        tokens = tokens + self.type_vector.to(tokens)
        if self.slot_vectors is not None:
            tokens = tokens + self.slot_vectors.to(tokens)[slot]
        return tokens


class VectorTokenizer(Tokenizer):
    """(B, n, features) float32 -> (B, n, D) by an MLP that computes in float32 whatever the rest does: small
    differences of poses are what the camera is about."""

    def __init__(self, dim, features, slots=0, operations=nn, device=None, dtype=None):
        super().__init__(dim, slots, device, dtype)
        self.net = nn.Sequential(
            operations.Linear(features, dim, device=device, dtype=torch.float32),
            nn.SiLU(),
            operations.Linear(dim, dim, device=device, dtype=torch.float32),
        )

    def forward(self, data: torch.Tensor, dtype: torch.dtype, slot: int | None = None) -> torch.Tensor:
        with torch.autocast(data.device.type, enabled=False):
            tokens = self.net(data.to(weight_dtype(self.net[0])))
        return self.mark(tokens.to(dtype), slot)


class PatchTokenizer(Tokenizer):
    """(B, C, t, h, w) -> (B, n, D) by a patch embedding of its own. Sides that the patch does not divide are padded
    by repeating the edge."""

    def __init__(self, dim, channels, patch: Sequence[int], slots=0, operations=nn, device=None, dtype=None):
        super().__init__(dim, slots, device, dtype)
        self.patch = tuple(patch)
        self.patch_embedding = operations.Conv3d(
            channels, dim, kernel_size=self.patch, stride=self.patch, device=device, dtype=torch.float32
        )

    def forward(self, data: torch.Tensor, dtype: torch.dtype, slot: int | None = None) -> torch.Tensor:
        data = pad_to_patch(data, self.patch)
        tokens = self.patch_embedding(data.to(weight_dtype(self.patch_embedding))).to(dtype).flatten(2).transpose(1, 2)
        return self.mark(tokens, slot)


def pad_to_patch(x: torch.Tensor, patch: Sequence[int]) -> torch.Tensor:
    """Repeat the far edges of (B, C, t, h, w) until `patch` divides the sides."""
    pads = [-side % p for side, p in zip(x.shape[2:], patch, strict=True)]
    if any(pads):
        x = functional.pad(x, (0, pads[2], 0, pads[1], 0, pads[0]), mode="replicate")
    return x


def widen_patch(weight: torch.Tensor, patch: Sequence[int]) -> torch.Tensor:
    """A patch embedding's weight (D, C, t, h, w) for another patch size: on a larger patch it gives the mean of what
    the original gives on the pieces; for a smaller one the kernel is averaged."""
    old = weight.shape[2:]
    if all(new % o == 0 for new, o in zip(patch, old, strict=True)):
        times = [new // o for new, o in zip(patch, old, strict=True)]
        return weight.repeat(1, 1, *times) / (times[0] * times[1] * times[2])
    return functional.interpolate(weight.float(), tuple(patch), mode="area").to(weight.dtype)
