"""The autoencoder as callers use it: whole clips, or streams of chunks in constant memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ...control.errors import UserError
from .latent import LATENT_MEAN
from .layers import CausalConv3d, Past
from .network import SPATIAL_COMPRESSION, TEMPORAL_COMPRESSION, Decoder, Encoder

# Pixels that a stream takes at once, where the caller does not say: four frames of 480x832 and no more, since at Wan's
# width they need 3.5 GiB; and all that saves time of smaller ones.
PIXELS_AT_ONCE = 2**21
MOST_LATENTS_AT_ONCE = 4


class VAE(nn.Module):
    """Wan 2.1's VAE at width `dim` (96 in Wan, 16 in the miniature), with latents of `z_dim` channels.

    Images are in [-1, 1], (B, 3, 4k+1, 8h, 8w); latents are raw, (B, z_dim, k+1, h, w): `latent.normalize_latent` turns
    them into what the generator reads. The stream forms return the same numbers as the whole ones.
    """

    def __init__(self, dim: int = 16, z_dim: int = len(LATENT_MEAN), channels: int = 3) -> None:
        super().__init__()
        self.dim, self.z_dim, self.channels = dim, z_dim, channels
        self.encoder = Encoder(dim, z_dim * 2, channels)
        self.conv1 = CausalConv3d(z_dim * 2, z_dim * 2, 1)
        self.conv2 = CausalConv3d(z_dim, z_dim, 1)
        self.decoder = Decoder(dim, z_dim, channels)

    @property
    def spatial_compression(self) -> int:
        """Return how many pixels of height and of width make one of the latent."""
        return SPATIAL_COMPRESSION

    @property
    def temporal_compression(self) -> int:
        """Return how many frames after the first make one latent frame."""
        return TEMPORAL_COMPRESSION

    def posterior(self, x: Tensor, past: Past | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, each (B, z_dim, k+1, h, w), of images (B, 3, 4k+1, 8h, 8w).

        With `past` the images are the next piece of a stream (layers.py). Raises UserError as `check_images` does.
        """
        self.check_images(x, first=not past)
        mean, log_variance = self.conv1(self.encoder(_channels_last(x), past)).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Tensor) -> Tensor:
        """Return the raw latent (B, z_dim, k+1, h, w), the posterior's mean, of a whole clip (B, 3, 4k+1, 8h, 8w)."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor, past: Past | None = None) -> Tensor:
        """Return images (B, 3, 4k+1, 8h, 8w), about [-1, 1] and not clamped, of a raw latent (B, z_dim, k+1, h, w).

        With `past` the latent is the next piece of a stream. Raises UserError for another shape.
        """
        if z.dim() != 5 or z.shape[1] != self.z_dim:
            raise UserError(
                f"The VAE decodes latents of shape (B, {self.z_dim}, T, h, w); this one is {tuple(z.shape)}."
            )
        images: Tensor = self.decoder(self.conv2(_channels_last(z)), past)
        return images

    def encode_stream(self, images: Iterable[Tensor], chunk: int | None = None) -> Iterator[Tensor]:
        """Yield the latents of a clip that comes in pieces (B, 3, any, 8h, 8w), each as soon as it is known.

        `chunk` frames (a multiple of the temporal compression) are encoded at once, and the first frame with the first
        of them, or alone where the chunk is the smallest; None: as many as save time and fit into `PIXELS_AT_ONCE`.
        Memory does not grow with the clip. Raises UserError for another chunk, and as `check_images` does.
        """
        step = self.temporal_compression
        if chunk is not None and (chunk < step or chunk % step):
            raise UserError(f"The VAE encodes chunks of a multiple of {step} frames; {chunk} is not one.")
        pieces = iter(images)
        first = next(pieces, None)
        if first is None:
            return
        if chunk is None:
            chunk = step * self._latents_at_once(*(side // self.spatial_compression for side in first.shape[3:]))
        past: Past = {}
        # On CPUs a frame alone takes as long as many: the kernels for it are others.
        for piece in _rechunk(itertools.chain([first], pieces), 1 if chunk == step else 1 + chunk, chunk):
            yield self.posterior(piece, past)[0]

    def decode_stream(self, latents: Iterable[Tensor], chunk: int | None = None) -> Iterator[Tensor]:
        """Yield the images of latents that come in pieces (B, z_dim, any, h, w), `chunk` latent frames at once.

        None: as many as save time and fit into `PIXELS_AT_ONCE`.
        """
        past: Past = {}
        for piece in latents:
            size = chunk or self._latents_at_once(*piece.shape[3:])
            for start in range(0, piece.shape[2], size):
                yield self.decode(piece[:, :, start : start + size], past)

    def _latents_at_once(self, height: int, width: int) -> int:
        """Return how many frames of a latent with these sides a stream takes at once."""
        pixels = self.temporal_compression * height * width * self.spatial_compression**2
        return max(1, min(MOST_LATENTS_AT_ONCE, PIXELS_AT_ONCE // pixels))

    def check_images(self, x: Tensor, first: bool = True) -> None:
        """Raise UserError unless the network can encode images x exactly. first: they begin a clip."""
        if x.dim() != 5 or x.shape[1] != self.channels:
            raise UserError(
                f"The VAE encodes images of shape (B, {self.channels}, T, H, W); these are {tuple(x.shape)}."
            )
        frames, height, width = x.shape[2:]
        side, step = self.spatial_compression, self.temporal_compression
        if height % side or width % side:
            raise UserError(
                f"The VAE needs height and width in multiples of {side}; these images are {height}x{width}."
                " Resize or crop them."
            )
        if (frames - int(first)) % step or frames == 0:
            examples = ", ".join(str(k * step + 1) for k in range(5))
            raise UserError(
                f"The VAE needs {step}k+1 frames ({examples}, ...); this clip has {frames}. Drop or repeat frames."
                if first
                else f"After its first frame a stream continues in multiples of {step} frames; {frames} came."
            )


def _channels_last(x: Tensor) -> Tensor:
    """Return x with channels last in memory on CPUs, where the bfloat16 kernels are twice as fast so."""
    return x.contiguous(memory_format=torch.channels_last_3d) if x.device.type == "cpu" else x


def _rechunk(images: Iterable[Tensor], first: int, chunk: int) -> Iterator[Tensor]:
    """Yield a stream of frames (B, C, any, H, W) cut again: `first` frames, then `chunk` at a time, then the rest."""
    held: Tensor | None = None
    size = first
    for piece in images:
        held = piece if held is None else torch.cat((held, piece), dim=2)
        while held.shape[2] >= size:
            yield held[:, :, :size]
            held = held[:, :, size:]
            size = chunk
    if held is not None and held.shape[2]:
        yield held
