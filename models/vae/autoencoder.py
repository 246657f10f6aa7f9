"""The autoencoder as callers use it: whole clips, or streams of chunks in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ...control.errors import UserError
from .layers import CausalConv3d, Past
from .network import Decoder, Encoder

SPATIAL, TEMPORAL, CHANNELS = 8, 4, 16


class VAE(nn.Module):
    """Wan 2.1's VAE at width `dim` (96 in Wan, 16 in the miniature).

    Images are in [-1, 1], (B, 3, 4k+1, 8h, 8w); latents are raw, (B, 16, k+1, h, w): `latent.normalize_latent` makes
    them what the generator sees. The stream forms give the same numbers as the whole ones.
    """

    def __init__(self, dim: int = 16, z: int = CHANNELS, channels: int = 3) -> None:
        super().__init__()
        self.dim, self.z, self.channels = dim, z, channels
        self.encoder = Encoder(dim, z * 2, channels)
        self.conv1 = CausalConv3d(z * 2, z * 2, 1)
        self.conv2 = CausalConv3d(z, z, 1)
        self.decoder = Decoder(dim, z, channels)

    def posterior(self, x: Tensor, past: Past | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each (B, z, k+1, h, w), of images (B, 3, 4k+1, 8h, 8w)."""
        self.check_images(x, first=past is None or not past)
        mean, log_variance = self.conv1(self.encoder(_laid_out(x), past)).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Tensor) -> Tensor:
        """The raw latent (the posterior's mean) of a whole clip."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor, past: Past | None = None) -> Tensor:
        """Images, about [-1, 1] and not clamped, of a raw latent (B, z, k+1, h, w)."""
        if z.dim() != 5 or z.shape[1] != self.z:
            raise UserError(f"The VAE decodes latents of shape (B, {self.z}, T, h, w); this one is {tuple(z.shape)}.")
        return self.decoder(self.conv2(_laid_out(z)), past)

    def encode_stream(self, images: Iterable[Tensor], chunk: int = 4) -> Iterator[Tensor]:
        """Latents of a clip that comes in pieces (B, 3, any, 8h, 8w); each latent is yielded as soon as it is known.

        `chunk` frames (a multiple of 4) are encoded at once after the first. Memory does not grow with the clip.
        """
        if chunk < TEMPORAL or chunk % TEMPORAL:
            raise UserError(f"The VAE encodes chunks of a multiple of {TEMPORAL} frames; {chunk} is none.")
        past: Past = {}
        for piece in _pieces(images, chunk):
            yield self.posterior(piece, past)[0]

    def decode_stream(self, latents: Iterable[Tensor], chunk: int = 1) -> Iterator[Tensor]:
        """Images of latents that come in pieces (B, z, any, h, w), `chunk` latent frames at once."""
        past: Past = {}
        for piece in latents:
            for part in piece.split(chunk, dim=2):
                yield self.decode(part, past)

    def check_images(self, x: Tensor, first: bool = True) -> None:
        """Refuses images that the network cannot encode exactly."""
        if x.dim() != 5 or x.shape[1] != self.channels:
            raise UserError(
                f"The VAE encodes images of shape (B, {self.channels}, T, H, W); these are {tuple(x.shape)}."
            )
        frames, height, width = x.shape[2:]
        if height % SPATIAL or width % SPATIAL:
            raise UserError(
                f"The VAE needs height and width in multiples of {SPATIAL}; these images are {height}x{width}."
                " Resize or crop them."
            )
        if (frames - int(first)) % TEMPORAL or frames == 0:
            raise UserError(
                f"The VAE needs 4k+1 frames (1, 5, 9, 13, 17, ...); this clip has {frames}. Drop or repeat frames."
                if first
                else f"After the first frame a stream goes on in multiples of {TEMPORAL} frames; {frames} came."
            )


def _laid_out(x: Tensor) -> Tensor:
    """Channels last on CPUs: the bfloat16 kernels are twice as fast so."""
    return x.contiguous(memory_format=torch.channels_last_3d) if x.device.type == "cpu" else x


def _pieces(images: Iterable[Tensor], chunk: int) -> Iterator[Tensor]:
    """Cuts a stream of frames anew: one frame first, then `chunk` at a time, and what is left."""
    held: Tensor | None = None
    size = 1
    for piece in images:
        held = piece if held is None else torch.cat((held, piece), dim=2)
        while held.shape[2] >= size:
            yield held[:, :, :size]
            held = held[:, :, size:]
            size = chunk
    if held is not None and held.shape[2]:
        yield held
