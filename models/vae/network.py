"""Encoder and decoder of Wan 2.1's VAE at any width, with the keys of `Wan2.1_VAE.pth`.

8x8 in space and 4x in time: (B, 3, 4k+1, 8h, 8w) <-> (B, z, k+1, h, w). The structure is fixed (multipliers 1, 2, 4,
4; two residual blocks a level, three in the decoder), because ComfyUI's loader reads only the width from a file.
"""

from __future__ import annotations

from torch import Tensor, nn

from .layers import AttentionBlock, CausalConv3d, Downsample, Head, Past, ResidualBlock, Upsample

MULTIPLIERS = (1, 2, 4, 4)  # of the width, one per level
TIME_DOWN = (False, True, True)  # whether the step between two levels halves the frames too; it always halves the sides
BLOCKS = 2  # residual blocks of a level of the encoder; the decoder has one more
SPATIAL_COMPRESSION: int = 2 ** len(TIME_DOWN)
TEMPORAL_COMPRESSION: int = 2 ** sum(TIME_DOWN)


def _middle(width: int) -> nn.Sequential:
    """Return the layers at the smallest resolution."""
    return nn.Sequential(ResidualBlock(width, width), AttentionBlock(width), ResidualBlock(width, width))


class Encoder(nn.Module):
    """Images (B, C, 4k+1, 8h, 8w) to features (B, out, k+1, h, w) at the latent's resolution."""

    def __init__(self, dim: int, out: int, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = CausalConv3d(channels, dim, 3)
        layers: list[nn.Module] = []
        width = dim
        for level, multiplier in enumerate(MULTIPLIERS):
            for _ in range(BLOCKS):
                layers.append(ResidualBlock(width, dim * multiplier))
                width = dim * multiplier
            if level < len(TIME_DOWN):
                layers.append(Downsample(width, TIME_DOWN[level]))
        self.downsamples = nn.Sequential(*layers)
        self.middle = _middle(width)
        self.head = Head(width, out)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        x = self.conv1(x, past)
        for layer in (*self.downsamples, *self.middle):
            x = layer(x, past)
        out: Tensor = self.head(x, past)
        return out


class Decoder(nn.Module):
    """Latents (B, z, k+1, h, w) to images (B, channels, 4k+1, 8h, 8w)."""

    def __init__(self, dim: int, z_dim: int, channels: int = 3) -> None:
        super().__init__()
        width = dim * MULTIPLIERS[-1]
        self.conv1 = CausalConv3d(z_dim, width, 3)
        self.middle = _middle(width)
        layers: list[nn.Module] = []
        for level, multiplier in enumerate(reversed(MULTIPLIERS)):
            for _ in range(BLOCKS + 1):
                layers.append(ResidualBlock(width, dim * multiplier))
                width = dim * multiplier
            if level < len(TIME_DOWN):
                layers.append(Upsample(width, TIME_DOWN[::-1][level]))
                width //= 2
        self.upsamples = nn.Sequential(*layers)
        self.head = Head(width, channels)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        x = self.conv1(x, past)
        for layer in (*self.middle, *self.upsamples):
            x = layer(x, past)
        out: Tensor = self.head(x, past)
        return out
