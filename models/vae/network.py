"""Encoder and decoder of Wan 2.1's VAE at any width, with the keys of `Wan2.1_VAE.pth`.

8x8 in space and 4x in time: (B, 3, 4k+1, 8h, 8w) <-> (B, 16, k+1, h, w). The structure is fixed (multipliers 1, 2, 4,
4; two residual blocks a level, three in the decoder), because ComfyUI's loader reads only the width from a file.
"""

from __future__ import annotations

from torch import Tensor, nn

from .layers import AttentionBlock, CausalConv3d, Downsample, Head, Past, ResidualBlock, Upsample

MULTIPLIERS = (1, 2, 4, 4)
TIME_DOWN = (False, True, True)
BLOCKS = 2


def _middle(width: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(width, width), AttentionBlock(width), ResidualBlock(width, width))


class Encoder(nn.Module):
    """(B, C, 4k+1, 8h, 8w) -> (B, out, k+1, h, w)."""

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
        return self.head(x, past)


class Decoder(nn.Module):
    """(B, z, k+1, h, w) -> (B, channels, 4k+1, 8h, 8w)."""

    def __init__(self, dim: int, z: int, channels: int = 3) -> None:
        super().__init__()
        width = dim * MULTIPLIERS[-1]
        self.conv1 = CausalConv3d(z, width, 3)
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
        return self.head(x, past)
