"""Holds the autoencoder's trunk at a size where its branches count."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...models.vae import layers
from ...models.vae.autoencoder import VAE


class ActivationLimiter:
    """Keeps the outputs of the inner convolutions from growing: weights whose output passes a limit shrink a little.

    The norms before the branches and the head make the network blind to the size of its trunk. Left alone the trunk
    grew to 10,000 within 500 steps, the branches drowned in it and what remained was a linear model.
    """

    def __init__(self, vae: VAE, trunk: float = 1.0, branch: float = 0.5) -> None:
        self.size: dict[nn.Module, Tensor] = {}
        self.limit: dict[nn.Module, float] = {}
        for module in vae.modules():
            if isinstance(module, layers.ResidualBlock):
                self.hold(module.residual[2], trunk)
                self.hold(module.residual[6], branch)
                if isinstance(module.shortcut, layers.CausalConv3d):
                    self.hold(module.shortcut, trunk)
            elif isinstance(module, layers.Downsample | layers.Upsample):
                self.hold(module.resample[1], trunk)
                if isinstance(module, layers.Upsample) and module.time:
                    self.hold(module.time_conv, trunk)
                elif module.time:  # Its convolution in time makes the last frame of a clip.
                    self.hold(module.time_conv, trunk, watched=module)
        self.hold(vae.encoder.conv1, trunk)
        self.hold(vae.decoder.conv1, trunk)

    def hold(self, conv: nn.Module, limit: float, watched: nn.Module | None = None) -> None:
        """Limit the root mean square of what comes out of `conv`, or of the module `watched` that it is part of."""

        def measure(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            if torch.is_grad_enabled() and (watched is None or output.shape[2] > 1):
                self.size[conv] = output.detach()[:, :, -1].float().square().mean()

        self.limit[conv] = limit
        (watched or conv).register_forward_hook(measure)

    @torch.no_grad()
    def pull(self) -> None:
        """Shrink what passed its limit in the last forward pass, by at most a tenth of the way."""
        for conv, square in self.size.items():
            factor = (self.limit[conv] / square.sqrt().clamp_min(self.limit[conv])) ** 0.1
            for p in conv.parameters():
                if p.requires_grad:  # a frozen encoder stays as it is
                    p.mul_(factor)
        self.size.clear()
