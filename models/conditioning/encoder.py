"""From frames to latents for the condition entries: by a VAE, or by shape alone to count tokens.

Letters: F frames, H W image sides, C channels, T h w latent frames and sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from einops import rearrange, reduce

from ...control.condition import VideoSize
from ..geometry import LatentGeometry
from ..vae.latent import normalize_latent


class Frames(Protocol):
    """Frames (F, H, W, C): an array, or what makes the frames of a piece as they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, piece: slice, /) -> np.ndarray: ...


Render = Callable[[], np.ndarray]
RenderFrames = Callable[[], Frames]
_FRAMES_AT_ONCE = 4  # on the VAE's device, beside those that it is encoding


class VideoEncoder(Protocol):
    """What is asked of a VAE: the miniature's, or a host's in a wrapper.

    One that also has `encode_stream`, as the miniature's has, is given a clip piece by piece.
    """

    def parameters(self) -> Iterator[torch.Tensor]:
        """Yield weights; the first says on which device and in which format frames are wanted."""

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the raw latent (B, C, T, h, w) of frames (B, 3, F, H, W) in [-1, 1]."""


@torch.no_grad()
def encode_frames(vae: VideoEncoder, frames: torch.Tensor) -> torch.Tensor:
    """Return the normalized latent (B, C, T, h, w) float32 of frames (B, 3, F, H, W) in [0, 1], F as the VAE takes."""
    return encode_pieces(vae, torch.split(frames, _FRAMES_AT_ONCE, dim=2))


@torch.no_grad()
def encode_pieces(vae: VideoEncoder, pieces: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return what `encode_frames` does of a clip that comes in pieces (B, 3, any, H, W); of a VAE that takes pieces
    memory does not grow with the clip."""
    weight = next(iter(vae.parameters()))
    stream: Callable[[Iterable[torch.Tensor]], Iterator[torch.Tensor]] | None = getattr(vae, "encode_stream", None)
    inputs = ((piece * 2 - 1).to(weight.device, weight.dtype) for piece in pieces)
    if stream is None:
        return normalize_latent(vae.encode(torch.cat(list(inputs), 2)).float())
    return normalize_latent(torch.cat([latent.float() for latent in stream(inputs)], 2))


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

    def encode_video(self, render: RenderFrames) -> torch.Tensor:
        """Return the latent (1, C, T, h, w) of the frames (F, H, W, 3) or gray (F, H, W, 1), 0..1, of `render`."""
        clip = render()

        def piece(start: int) -> torch.Tensor:
            frames = torch.from_numpy(np.array(clip[start : start + _FRAMES_AT_ONCE])).float()
            return rearrange(frames, "f h w c -> 1 c f h w").expand(-1, 3, -1, -1, -1)

        pieces = map(piece, range(0, len(clip), _FRAMES_AT_ONCE))
        return encode_pieces(self.vae, pieces).to(self.device, self.dtype)

    def encode_image(self, render: Render) -> torch.Tensor:
        """Return the latent (1, C, 1, h, w) of the image (H, W, 3), 0..1, that `render` gives."""
        image = torch.from_numpy(np.array(render()[None])).float()
        return encode_frames(self.vae, rearrange(image, "b h w c -> b c h w")[:, :, None]).to(self.device, self.dtype)

    def encode_mask(self, render: Render) -> torch.Tensor:
        """Return the mask (F, H, W), 0..1, of `render` at the latent's size, in no VAE: (1, N, T, h, w).

        The N channels are the frames that a latent frame holds; the first holds one frame, which stands in all of them.
        A pixel of the latent has the mean of the mask's pixels that it covers (Wan's image-to-video has the mask so).
        """
        step, side = self.geometry.temporal, self.geometry.spatial
        mask = torch.from_numpy(np.array(render())).float()
        mask = torch.cat([mask[:1].expand(step - 1, -1, -1), mask])
        packed = reduce(mask, "(t n) (h a) (w b) -> 1 n t h w", "mean", n=step, a=side, b=side)
        return packed.to(self.device, self.dtype)

    def vector(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (1, n, D) where the network wants them; they stay float32."""
        return features.to(self.device)


class TokenCounter(Encoder):
    """An encoder whose latents have shapes and no content: nothing is rendered, no VAE is needed."""

    def __init__(self, geometry: LatentGeometry, video: VideoSize):
        super().__init__(None, geometry, video, device="meta")  # type: ignore[arg-type]  # no VAE is asked for

    def encode_video(self, render: RenderFrames) -> torch.Tensor:
        """Return an empty latent of the video's shape."""
        size = self.geometry.latent_size(self.video.frames, self.video.height, self.video.width)
        return torch.empty(1, self.geometry.channels, *size, device="meta")

    def encode_image(self, render: Render) -> torch.Tensor:
        """Return an empty latent of one frame."""
        return self.encode_video(render)[:, :, :1]

    def encode_mask(self, render: Render) -> torch.Tensor:
        """Return an empty mask of the latent's size."""
        return self.encode_video(render)[:, :1].expand(-1, self.geometry.temporal, -1, -1, -1)
