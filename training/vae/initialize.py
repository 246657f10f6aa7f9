"""What the autoencoder starts from: weights that already carry mean colors, and layouts that CPUs are fast with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...models.vae import layers
from ...models.vae.autoencoder import VAE


def initialize(vae: VAE) -> None:
    """Starts as an autoencoder of mean colors: the trunk passes color and its negative on, branches start small.

    From plain random weights the first thousand steps went into finding that.
    """
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, layers.ResidualBlock):
                module.residual[6].weight.mul_(0.3)
                if isinstance(module.shortcut, layers.CausalConv3d):
                    _pass(module.shortcut.weight[:, :, 0, 0, 0])
            elif isinstance(module, layers.AttentionBlock):
                module.proj.weight.zero_()
            elif isinstance(module, layers.Downsample):
                _pass(module.resample[1].weight[:, :, :2, :2], share=0.25)
                if module.time:
                    _pass(module.time_conv.weight[:, :, 1:, 0, 0], share=0.5)
            elif isinstance(module, layers.Upsample):
                _pass(module.resample[1].weight[:, :, 1, 1])
                if module.time:
                    for half in module.time_conv.weight.chunk(2):
                        _pass(half[:, :, -1, 0, 0])
        # Color in channels 0..2, its negative in 3..5: SiLU(x) - SiLU(-x) = x.
        signs = torch.cat((torch.eye(3), -torch.eye(3)))
        vae.encoder.conv1.weight[:6, :, -1, 1, 1] += signs
        vae.encoder.conv1.bias[6:8] += 1.0  # Constants, so that the norms do not take the brightness away.
        vae.encoder.head[2].weight[:3, :6, -1, 1, 1] += signs.T
        vae.decoder.conv1.weight[:6, :3, -1, 1, 1] += signs
        vae.decoder.conv1.bias[6:8] += 1.0
        vae.decoder.head[2].weight.mul_(0.3)
        vae.decoder.head[2].weight[:, :6, -1, 1, 1] += 0.4 * signs.T
        # Nearly no noise in the latents at first: the posterior's log-variance starts at -6.
        _pass(vae.conv1.weight[: vae.z_dim, : vae.z_dim, 0, 0, 0])
        _pass(vae.conv2.weight[:, :, 0, 0, 0])
        vae.conv1.weight[vae.z_dim :].mul_(0.1)
        vae.conv1.bias[vae.z_dim :] = -6


def _pass(weight: Tensor, share: float = 1.0) -> None:
    """Adds, to a tenth of the first channels' weights, the map of each of them to itself at every place given."""
    out, into = weight.shape[:2]
    keep = min(out, into, 16)
    weight[:keep].mul_(0.1)
    weight[range(keep), range(keep)] += share


def lay_out(vae: VAE) -> None:
    """Lays out the 3D weights channels last: on CPUs the bfloat16 kernels are twice as fast so."""
    for p in vae.parameters():
        if p.dim() == 5:
            p.data = p.data.contiguous(memory_format=torch.channels_last_3d)


def compiled_rms_silu() -> Callable[[Tensor, Tensor], Tensor]:
    """`layers.rms_silu` fused by the compiler, over (positions, channels): one program per width, whatever the size."""

    torch._dynamo.config.recompile_limit = 64

    def flat(x: Tensor, gamma: Tensor) -> Tensor:
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(1, keepdim=True).clamp_min(1e-12)) * gamma
        return (y * torch.sigmoid(y)).to(x.dtype)

    fused = torch.compile(flat)

    def rms_silu(x: Tensor, gamma: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 4, 1)
        table = rows.reshape(-1, rows.shape[-1]).contiguous()
        torch._dynamo.mark_dynamic(table, 0)
        return fused(table, gamma.flatten()).view(rows.shape).permute(0, 4, 1, 2, 3)

    return rms_silu
