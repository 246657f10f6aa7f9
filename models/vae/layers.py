"""The layers of Wan 2.1's VAE. Keys are those of `Wan2.1_VAE.pth` (Wan-Video/Wan2.1, wan/modules/vae.py).

Every layer that looks back in time takes `past`, a dictionary from layer to the frames it still needs. Without it a
clip starts and ends in one call, padded once with zeros; with it the clip may come in chunks, to the same numbers.

Shapes: B batch, C channels, T frames, H height, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Past = dict[nn.Module, Tensor]


def rms(x: Tensor, gamma: Tensor) -> Tensor:
    """Divides each position's channels (dimension 1) by their root mean square and scales them by `gamma`."""
    return F.normalize(x, dim=1) * (x.shape[1] ** 0.5 * gamma).to(x.dtype)


def rms_silu(x: Tensor, gamma: Tensor) -> Tensor:
    """RMS norm and SiLU together: a seam, so that the trainer can put a compiled form in its place."""
    return F.silu(rms(x, gamma))


def conv3d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple, padding: tuple) -> Tensor:
    """`F.conv3d` without padding in time, by the fastest way that the machine has.

    On CPUs the float32 kernels for few channels are ten times slower than one 2D convolution per slice of the kernel,
    over all frames as a batch; the bfloat16 ones are the fastest of all.
    """
    slow = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not slow:
        return F.conv3d(x, weight, bias, stride, padding)
    b, c, t, h, w = x.shape
    step, depth = stride[0], weight.shape[2]
    count = (t - depth) // step + 1
    frames = x.transpose(1, 2)  # (B, T, C, H, W)
    total = None
    for tap in range(depth):
        part = frames[:, tap : tap + (count - 1) * step + 1 : step].reshape(b * count, c, h, w)
        part = part.contiguous(memory_format=torch.channels_last)
        part = F.conv2d(part, weight[:, :, tap], bias if tap == 0 else None, stride[1:], padding[1:])
        total = part if total is None else total + part
    return total.reshape(b, count, *total.shape[1:]).transpose(1, 2)


class RMSNorm(nn.Module):
    """RMS norm over the channels; `gamma` has `spatial` trailing axes of one, as in Wan's file."""

    def __init__(self, channels: int, spatial: int = 3) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *([1] * spatial)))

    def forward(self, x: Tensor) -> Tensor:
        return rms(x, self.gamma)


class CausalConv3d(nn.Conv3d):
    """A 3D convolution that sees the present and the past frames only (zeros before the first)."""

    def __init__(self, channels: int, out: int, kernel: int | tuple[int, int, int], stride: int | tuple = 1) -> None:
        kernel = (kernel,) * 3 if isinstance(kernel, int) else kernel
        super().__init__(channels, out, kernel, stride, (0, kernel[1] // 2, kernel[2] // 2))
        self.back = kernel[0] - 1

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        before = None
        if past is not None and self.back:
            before = past.get(self)
            kept = x if before is None else torch.cat((before, x), dim=2)
            past[self] = kept[:, :, -self.back :].clone()
        return self.convolve(x, before)

    def convolve(self, x: Tensor, before: Tensor | None = None) -> Tensor:
        """Convolves `x` after the frames `before` (fewer than needed are filled up with zeros in front)."""
        if before is None and x.shape[2] == 1:
            # A single first frame meets only zeros in the past: the last slice of the kernel does it all.
            return conv3d(x, self.weight[:, :, -1:], self.bias, self.stride, self.padding)
        if before is not None:
            x = torch.cat((before, x), dim=2)
        missing = self.back - (0 if before is None else before.shape[2])
        if missing:
            x = F.pad(x, (0, 0, 0, 0, missing, 0))
        return conv3d(x, self.weight, self.bias, self.stride, self.padding)


class ResidualBlock(nn.Module):
    """Two (norm, SiLU, causal 3x3x3 convolution) with a shortcut. (B, C, T, H, W) -> (B, out, T, H, W)."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        # Places 1, 4 and 5 hold activation and dropout in Wan's file: the numbers are part of the keys.
        self.residual = nn.Sequential(
            RMSNorm(channels),
            nn.SiLU(),
            CausalConv3d(channels, out, 3),
            RMSNorm(out),
            nn.SiLU(),
            nn.Identity(),
            CausalConv3d(out, out, 3),
        )
        self.shortcut = CausalConv3d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        y = self.residual[2](rms_silu(x, self.residual[0].gamma), past)
        y = self.residual[6](rms_silu(y, self.residual[3].gamma), past)
        return self.shortcut(x) + y


class AttentionBlock(nn.Module):
    """Single-head self-attention over the positions of each frame by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RMSNorm(channels, spatial=2)
        self.to_qkv = nn.Conv2d(channels, channels * 3, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        b, c, t, h, w = x.shape
        frames = x.transpose(1, 2).reshape(b * t, c, h, w)
        q, k, v = self.to_qkv(self.norm(frames)).flatten(2).transpose(1, 2).chunk(3, dim=2)
        y = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        y = self.proj(y.transpose(1, 2).reshape(b * t, c, h, w))
        return x + y.reshape(b, t, c, h, w).transpose(1, 2)


class Head(nn.Sequential):
    """Norm, SiLU and the last convolution of encoder or decoder."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(RMSNorm(channels), nn.SiLU(), CausalConv3d(channels, out, 3))

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        return self[2](rms_silu(x, self[0].gamma), past)


class FrameConv(nn.Conv2d):
    """A 2D convolution of every frame of (B, C, T, H, W), run as 3D so that the memory layout stays."""

    def forward(self, x: Tensor) -> Tensor:
        return conv3d(x, self.weight[:, :, None], self.bias, (1, *self.stride), (0, *self.padding))


class Downsample(nn.Module):
    """Halves height and width and, with `time`, the frames after the first (2k+1 -> k+1)."""

    def __init__(self, channels: int, time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(nn.Identity(), FrameConv(channels, channels, 3, stride=2))
        if time:
            self.time_conv = CausalConv3d(channels, channels, (3, 1, 1), stride=(2, 1, 1))
        self.time = time

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        x = self.resample[1](F.pad(x, (0, 1, 0, 1)))
        if not self.time:
            return x
        before = None if past is None else past.get(self)
        if past is not None:
            past[self] = x[:, :, -1:].clone()
        # The clip's first frame passes as it is; each later output reads two new frames and the one before them.
        first = x[:, :, :1] if before is None else None
        joined = x if before is None else torch.cat((before, x), dim=2)
        if joined.shape[2] == 1:
            return x
        conv = self.time_conv
        later = conv3d(joined, conv.weight, conv.bias, conv.stride, conv.padding)
        return later if first is None else torch.cat((first, later), dim=2)


class Upsample(nn.Module):
    """Doubles height and width, halves the channels and, with `time`, doubles the frames after the first."""

    def __init__(self, channels: int, time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(nn.Identity(), FrameConv(channels, channels // 2, 3, padding=1))
        if time:
            self.time_conv = CausalConv3d(channels, channels * 2, (3, 1, 1))
        self.time = time

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        if self.time:
            x = self.in_time(x, past)
        return self.resample[1](F.interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="nearest-exact"))

    def in_time(self, x: Tensor, past: Past | None) -> Tensor:
        started = past is not None and self in past
        if past is not None:
            past[self] = x.new_empty(0)
        first, x = (None, x) if started else (x[:, :, :1], x[:, :, 1:])
        if x.shape[2] == 0:
            return first
        b, c, t, h, w = x.shape
        # Channels 0..C-1 are the earlier of the two frames made from one. The first frame is never in the past here.
        x = self.time_conv(x, past).reshape(b, 2, c, t, h, w).permute(0, 2, 3, 1, 4, 5).reshape(b, c, 2 * t, h, w)
        return x if first is None else torch.cat((first, x), dim=2)
