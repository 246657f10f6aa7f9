"""The layers of Wan 2.1's VAE. Keys are those of `Wan2.1_VAE.pth` (Wan-Video/Wan2.1, wan/modules/vae.py).

Every layer that looks back in time takes `past`, a dictionary from layer to the frames that it still needs. Without it
a clip starts and ends in one call, padded once with zeros; with it the clip may come in chunks, to the same numbers.

Letters: B batch, C channels, T frames, H height, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..devices import autocast_dtype

Sizes = tuple[int, ...]
Past = dict[nn.Module, Tensor]


def rms(x: Tensor, gamma: Tensor) -> Tensor:
    """Divide the channels (dimension 1) of each position by their root mean square and scale them by `gamma`."""
    scale: Tensor = x.shape[1] ** 0.5 * gamma
    return F.normalize(x, dim=1) * scale.to(x.dtype)


def rms_silu(x: Tensor, gamma: Tensor) -> Tensor:
    """Apply RMS norm and SiLU together: a seam, so that the trainer can replace the function by a compiled one."""
    return F.silu(rms(x, gamma))


def conv3d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes, padding: Sizes) -> Tensor:
    """Apply `F.conv3d` without padding in time, by the fastest way that the machine has.

    On CPUs the float32 kernels for few channels are ten times slower than one 2D convolution per slice of the kernel,
    over all frames as a batch; the bfloat16 ones are the fastest of all, but for kernels of one frame: torch 2.13's
    write beyond their memory when they make the weight's gradient (on CPUs with AMX).
    """
    if x.device.type != "cpu":
        return F.conv3d(x, weight, bias, stride, padding)
    is_slow = x.dtype == torch.float32 and autocast_dtype(x.device) is None
    by_slices = is_slow or weight.shape[2] == 1
    return (
        conv3d_by_slices(x, weight, bias, stride, padding) if by_slices else F.conv3d(x, weight, bias, stride, padding)
    )


def conv3d_by_slices(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes, padding: Sizes) -> Tensor:
    """Apply `F.conv3d` without padding in time as the sum of one 2D convolution for each time slice of the kernel."""
    step, depth = stride[0], weight.shape[2]
    count = (x.shape[2] - depth) // step + 1

    def convolve_slice(time: int) -> Tensor:
        frames = rearrange(x[:, :, time : time + (count - 1) * step + 1 : step], "b c t h w -> (b t) c h w")
        frames = frames.contiguous(memory_format=torch.channels_last)
        return F.conv2d(frames, weight[:, :, time], bias if time == 0 else None, stride[1:], padding[1:])

    total = convolve_slice(0)
    for time in range(1, depth):
        total = total + convolve_slice(time)
    return rearrange(total, "(b t) c h w -> b c t h w", t=count)


class RMSNorm(nn.Module):
    """RMS norm over the channels; `gamma` has `spatial` trailing axes of one, as in Wan's file."""

    def __init__(self, channels: int, spatial: int = 3) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *([1] * spatial)))

    def forward(self, x: Tensor) -> Tensor:
        return rms(x, self.gamma)


def gamma(norm: nn.Module) -> Tensor:
    """Return the scales of an RMSNorm."""
    assert isinstance(norm, RMSNorm)
    return norm.gamma


class CausalConv3d(nn.Conv3d):
    """A 3D convolution that reads the present and the past frames only (zeros before the first)."""

    padding: tuple[int, ...]

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
    ) -> None:
        kernel = (kernel, kernel, kernel) if isinstance(kernel, int) else kernel
        super().__init__(channels, out, kernel, stride, (0, kernel[1] // 2, kernel[2] // 2))
        self.back = kernel[0] - 1  # how many past frames it reads

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        before = None
        if past is not None and self.back:
            before = past.get(self)
            known = x if before is None else torch.cat((before, x), dim=2)
            past[self] = known[:, :, -self.back :].clone()
        return self.convolve(x, before)

    def convolve(self, x: Tensor, before: Tensor | None = None) -> Tensor:
        """Convolve `x` after the frames `before`; where these are fewer than needed, zeros are put in front."""
        if before is None and x.shape[2] == 1:
            # A single first frame has only zeros before it: the last slice of the kernel does it all.
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
        # Entries 1, 4 and 5 are activation and dropout in Wan's network: the numbers are part of the keys.
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
        norm1, _, conv1, norm2, _, _, conv2 = self.residual
        y = conv1(rms_silu(x, gamma(norm1)), past)
        y = conv2(rms_silu(y, gamma(norm2)), past)
        out: Tensor = self.shortcut(x) + y
        return out


class AttentionBlock(nn.Module):
    """Single-head self-attention over the positions of each frame by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RMSNorm(channels, spatial=2)
        self.to_qkv = nn.Conv2d(channels, channels * 3, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        t, h = x.shape[2:4]
        frames = rearrange(x, "b c t h w -> (b t) c h w")
        q, k, v = rearrange(self.to_qkv(self.norm(frames)), "bt (qkv c) h w -> qkv bt 1 (h w) c", qkv=3)
        y = F.scaled_dot_product_attention(q, k, v)
        y = self.proj(rearrange(y, "bt 1 (h w) c -> bt c h w", h=h))
        out: Tensor = x + rearrange(y, "(b t) c h w -> b c t h w", t=t)
        return out


class Head(nn.Sequential):
    """Norm, SiLU and the last convolution of encoder or decoder."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(RMSNorm(channels), nn.SiLU(), CausalConv3d(channels, out, 3))

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        norm, _, conv = self
        out: Tensor = conv(rms_silu(x, gamma(norm)), past)
        return out


class FrameConv(nn.Conv2d):
    """A 2D convolution of every frame of (B, C, T, H, W), run as 3D so that the memory layout stays."""

    padding: tuple[int, ...]

    def forward(self, x: Tensor) -> Tensor:
        return conv3d(x, self.weight[:, :, None], self.bias, (1, *self.stride), (0, *self.padding))


class Downsample(nn.Module):
    """Half the height and width and, with `time`, half the frames after the first (2k+1 -> k+1)."""

    def __init__(self, channels: int, time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(nn.Identity(), FrameConv(channels, channels, 3, stride=2))
        if time:
            self.time_conv = CausalConv3d(channels, channels, (3, 1, 1), stride=(2, 1, 1))
        self.time = time

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        x = self.resample[1](F.pad(x, (0, 1, 0, 1)))
        return self.downsample_time(x, past) if self.time else x

    def downsample_time(self, x: Tensor, past: Past | None) -> Tensor:
        """Return every second of the frames after a clip's first, each convolved with the two before it."""
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
    """Twice the height and width, half the channels and, with `time`, twice the frames after the first."""

    def __init__(self, channels: int, time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(nn.Identity(), FrameConv(channels, channels // 2, 3, padding=1))
        if time:
            self.time_conv = CausalConv3d(channels, channels * 2, (3, 1, 1))
        self.time = time

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        if self.time:
            x = self.upsample_time(x, past)
        out: Tensor = self.resample[1](F.interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="nearest-exact"))
        return out

    def upsample_time(self, x: Tensor, past: Past | None) -> Tensor:
        """Return two frames for each of x; a clip's first frame stays one."""
        started = past is not None and self in past
        if past is not None:
            past[self] = x.new_empty(0)
        first, later = (x[:, :, :0], x) if started else (x[:, :, :1], x[:, :, 1:])
        if later.shape[2] == 0:
            return first
        # The channels hold the earlier of the two frames, then the later. The first frame is never in the past here.
        later = rearrange(self.time_conv(later, past), "b (two c) t h w -> b c (t two) h w", two=2)
        return later if started else torch.cat((first, later), dim=2)
