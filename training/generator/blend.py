"""Weights between those that a training began with and those that it came to (WiSE-FT, Wortsman et al., 2109.01903).

A short training on few clips learns its new conditions and forgets some of the old ones. On the straight line between
both ends most of the new is kept, and nearly all of the old.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...models.weights.checkpoint import load_model
from .learner import Learner
from .settings import GeneratorSettings
from .start import checkpoint_of


@torch.no_grad()
def blend(learner: Learner, settings: GeneratorSettings) -> None:
    """Give a learner the weights at the share `settings.blend` of the way from the checkpoint that its training began
    with. What the checkpoint lacks, or has in another shape, stays as it is; so do the tensors that it had before."""
    path = checkpoint_of(settings.model)
    if settings.blend == 1 or path is None:
        return
    model, text, _ = load_model(path)
    networks: list[tuple[nn.Module | None, nn.Module]] = [(learner.model, model), (learner.text, text)]
    for network, start in networks:
        if network is not None:
            network.load_state_dict(_between(start.state_dict(), network.state_dict(), settings.blend), assign=True)


def _between(start: dict[str, Tensor], end: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return the tensors of `end`, those that `start` has too at this share of the way from there."""
    both = {name for name, value in end.items() if name in start and start[name].shape == value.shape}
    return {
        name: torch.lerp(start[name].to(value), value, share) if name in both and value.is_floating_point() else value
        for name, value in end.items()
    }
