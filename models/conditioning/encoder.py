"""From frames to latents for the condition entries: by a VAE, or by shape alone to count tokens.

Letters: F frames, H W image sides, C channels, T h w latent frames and sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from einops import rearrange

from ...control.condition import VideoSize
from ..geometry import LatentGeometry
from ..vae.latent import normalize_latent

Render = Callable[[], np.ndarray]


class VideoEncoder(Protocol):
    """What is asked of a VAE: the miniature's, or a host's in a wrapper."""

    def parameters(self) -> Iterator[torch.Tensor]:
        """Yield weights; the first says on which device and in which format frames are wanted."""

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the raw latent (B, C, T, h, w) of frames (B, 3, F, H, W) in [-1, 1]."""


@torch.no_grad()
def encode_frames(vae: VideoEncoder, frames: torch.Tensor) -> torch.Tensor:
    """Return the normalized latent (B, C, T, h, w) float32 of frames (B, 3, F, H, W) in [0, 1], F as the VAE takes."""
    weight = next(iter(vae.parameters()))
    latent = vae.encode((frames * 2 - 1).to(weight.device, weight.dtype))
    return normalize_latent(latent.float())


class Encoder:
    """What a condition's entry makes its streams with, for one video.

    Latents come on `device` in `dtype`. What is encoded is given as a function that renders it, since counting tokens
    does not need the frames.
    """

    def __init__(
        self,
        vae: VideoEncoder,
        geometry: LatentGeometry,
        video: VideoSize,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ):
        self.vae, self.geometry, self.video, self.device, self.dtype = vae, geometry, video, device, dtype

    def encode_video(self, render: Render) -> torch.Tensor:
        """Return the latent (1, C, T, h, w) of the frames (F, H, W, 3) or gray (F, H, W, 1), 0..1, of `render`."""
        frames = rearrange(torch.from_numpy(np.array(render())).float(), "f h w c -> 1 c f h w")
        return encode_frames(self.vae, frames.expand(-1, 3, -1, -1, -1)).to(self.device, self.dtype)

    def encode_image(self, render: Render) -> torch.Tensor:
        """Return the latent (1, C, 1, h, w) of the image (H, W, 3), 0..1, that `render` gives."""
        image = torch.from_numpy(np.array(render()[None])).float()
        return encode_frames(self.vae, rearrange(image, "b h w c -> b c h w")[:, :, None]).to(self.device, self.dtype)

    def vector(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (1, n, D) where the network wants them; they stay float32."""
        return features.to(self.device)


class TokenCounter(Encoder):
    """An encoder whose latents have shapes and no content: nothing is rendered, no VAE is needed."""

    def __init__(self, geometry: LatentGeometry, video: VideoSize):
        super().__init__(None, geometry, video, device="meta")  # type: ignore[arg-type]  # no VAE is asked for

    def encode_video(self, render: Render) -> torch.Tensor:
        """Return an empty latent of the video's shape."""
        size = self.geometry.latent_size(self.video.frames, self.video.height, self.video.width)
        return torch.empty(1, self.geometry.channels, *size, device="meta")

    def encode_image(self, render: Render) -> torch.Tensor:
        """Return an empty latent of one frame."""
        return self.encode_video(render)[:, :, :1]
