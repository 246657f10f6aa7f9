"""What the autoencoder starts from: weights that already carry mean colors, and layouts that CPUs are fast with."""

from __future__ import annotations

from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor, nn

from ...models.vae import layers
from ...models.vae.autoencoder import VAE


def initialize(vae: VAE) -> None:
    """Make it an autoencoder of mean colors: the trunk passes color and its negative on, branches start small.

    From plain random weights the first thousand steps went into finding that.
    """
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, layers.ResidualBlock):
                weight_of(module.residual[6]).mul_(0.3)
                if isinstance(module.shortcut, layers.CausalConv3d):
                    _pass(module.shortcut.weight[:, :, 0, 0, 0])
            elif isinstance(module, layers.AttentionBlock):
                module.proj.weight.zero_()
            elif isinstance(module, layers.Downsample):
                _pass(weight_of(module.resample[1])[:, :, :2, :2], share=0.25)
                if module.time:
                    _pass(module.time_conv.weight[:, :, 1:, 0, 0], share=0.5)
            elif isinstance(module, layers.Upsample):
                _pass(weight_of(module.resample[1])[:, :, 1, 1])
                if module.time:
                    for half in torch.chunk(module.time_conv.weight, 2):
                        _pass(half[:, :, -1, 0, 0])
        _initialize_ends(vae)


def _initialize_ends(vae: VAE) -> None:
    """Let color in, into the latents and out again."""
    # Color in channels 0..2, its negative in 3..5: SiLU(x) - SiLU(-x) = x.
    signs = torch.cat((torch.eye(3), -torch.eye(3)))
    for first in (vae.encoder.conv1, vae.decoder.conv1):
        weight_of(first)[:6, :3, -1, 1, 1] += signs
        bias_of(first)[6:8] += 1.0  # Constants, so that the norms do not take the brightness away.
    weight_of(vae.encoder.head[2])[:3, :6, -1, 1, 1] += signs.T
    last = weight_of(vae.decoder.head[2])
    last.mul_(0.3)
    last[:, :6, -1, 1, 1] += 0.4 * signs.T
    # Nearly no noise in the latents at first: the posterior's log-variance starts at -6.
    _pass(vae.conv1.weight[: vae.z_dim, : vae.z_dim, 0, 0, 0])
    _pass(vae.conv2.weight[:, :, 0, 0, 0])
    vae.conv1.weight[vae.z_dim :].mul_(0.1)
    bias_of(vae.conv1)[vae.z_dim :] = -6


def _pass(weight: Tensor, share: float = 1.0) -> None:
    """Add, to a tenth of the first channels' weights, the map of each of them to itself at every tap of `weight`."""
    out, into = weight.shape[:2]
    keep = min(out, into, 16)
    weight[:keep].mul_(0.1)
    weight[range(keep), range(keep)] += share


def weight_of(module: nn.Module) -> Tensor:
    """Return the weight of a layer that has one."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def bias_of(module: nn.Module) -> Tensor:
    """Return the bias of a layer that has one."""
    bias = module.bias
    assert isinstance(bias, Tensor)
    return bias


def lay_out(vae: VAE) -> None:
    """Lay out the 3D weights channels last: on CPUs the bfloat16 kernels are twice as fast so."""
    for p in vae.parameters():
        if p.dim() == 5:
            p.data = p.data.contiguous(memory_format=torch.channels_last_3d)


class RmsSilu(Protocol):
    """The seam in models/vae/layers.py: x (B, C, T, H, W) and gamma (C, 1, 1, 1) to the shape of x."""

    def __call__(self, x: Tensor, gamma: Tensor) -> Tensor: ...


def compile_norms() -> None:
    """Let every autoencoder of this process compute its norms by a program that the compiler fuses."""
    layers.rms_silu = compiled_rms_silu()


def compiled_rms_silu() -> RmsSilu:
    """Return `layers.rms_silu` compiled over (positions, channels): one program per width, whatever the size."""

    torch._dynamo.config.recompile_limit = 64

    def flat(x: Tensor, gamma: Tensor) -> Tensor:
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(1, keepdim=True).clamp_min(1e-12)) * gamma
        return (y * torch.sigmoid(y)).to(x.dtype)

    fused = torch.compile(flat)

    def rms_silu(x: Tensor, gamma: Tensor) -> Tensor:
        b, _, t, h, w = x.shape
        table = rearrange(x, "b c t h w -> (b t h w) c").contiguous()
        torch._dynamo.mark_dynamic(table, 0)
        return rearrange(fused(table, gamma.flatten()), "(b t h w) c -> b c t h w", b=b, t=t, h=h, w=w)

    return rms_silu
