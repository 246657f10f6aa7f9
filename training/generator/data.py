"""What the generator is shown: micro-batches of encoded clips, with the noise and the times at which it sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...dataset.latents import EncodedClips, write_held_out
from ...dataset.loss_weights import blank_map, channel_weights
from ...models.config import FullDiTConfig
from ...models.vae.autoencoder import VAE
from ...models.vae.vae_file import fingerprint
from .batches import Batch, Batches, draw_times
from .held_out import HeldOut
from .settings import GeneratorSettings


class TrainingData:
    """The clips of a folder as one process draws them; all that is random comes from its own generators.

    channel_weights (C,) and blank_map (1, C, T, h, w), or None, are what the loss needs of the VAE (learner.py).
    """

    def __init__(self, settings: GeneratorSettings, config: FullDiTConfig, vae: VAE, folder: Path, process: int = 0):
        self.settings, self.config = settings, config
        self.clips = EncodedClips(folder, fingerprint(vae))
        self.batches = Batches(
            self.clips,
            settings.schedule(),
            config,
            settings.seed + process,
            settings.plain_captions,
            settings.plain_with_conditions,
            settings.map_dropped,
        )
        self.generator = torch.Generator().manual_seed(settings.seed + 1 + process)
        self.channel_weights = channel_weights(vae, self.clips, settings.channel_power)
        self.blank_map = blank_map(vae, config) if settings.object_weight != 1 else None

    def draw(self, progress: float) -> tuple[Batch, Tensor, Tensor]:
        """Return the next micro-batch at this progress of the run, its noise, and its times (B,) or (B, T)."""
        s = self.settings
        size = s.batch // s.micro_batches
        batch = self.batches.draw(size, progress)
        t = draw_times(size, self.config.latent_size[0], s.shift, s.clean_first_frame_prob, self.generator)
        noise = torch.randn(batch.video.shape, generator=self.generator)
        return batch, noise, t

    def state(self) -> dict[str, Any]:
        """Return the random state of this process: what `load` needs to draw the same from here on."""
        return {
            "batches": self.batches.state(),
            "generator": self.generator.get_state(),
            "global": torch.get_rng_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on drawing where `state` was taken."""
        self.batches.load(state["batches"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["global"])

    def reseed(self, seed: int) -> None:
        """Draw otherwise from here on: another process has loaded the same state."""
        self.batches.generator.manual_seed(seed)
        self.generator.manual_seed(seed + 1)


def held_out_data(
    settings: GeneratorSettings, config: FullDiTConfig, vae: VAE, folder: Path, device: torch.device
) -> HeldOut:
    """Return the clips that are never trained on, beside the folder of those that are; encoded where they are not."""
    clips = write_held_out(vae, Path(folder).parent / "held_out", settings.held_out_clips, config, device)
    return HeldOut(clips, vae, config, settings.held_out_time, device)
