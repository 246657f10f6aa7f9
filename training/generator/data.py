"""What the generator is shown: micro-batches of encoded clips, with the noise and the times at which it sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...control.errors import UserError
from ...dataset.clip_source import ClipSource
from ...dataset.hold_out import FOLDER
from ...dataset.latents import write_held_out
from ...dataset.loss_weights import blank_map, channel_weights
from ...dataset.open_clips import open_clips
from ...dataset.shards.tar_index import has_tars
from ...models.config import FullDiTConfig
from ...models.vae.autoencoder import VAE
from ...models.vae.vae_file import fingerprint
from .batches import Batch, Batches, Part, check_clips, draw_times, latent_size_of, noise_of
from .held_out import HeldOut
from .settings import GeneratorSettings


class TrainingData:
    """The clips of a folder as one process reads its part of them; all that is random comes from its own generators,
    which are the same in every process.

    The folder holds shards, or one folder of shards for each size of clips. channel_weights (C,) and blank_maps
    (1, C, T, h, w) by (T, h, w) are what the loss needs of the VAE (learner.py).
    Raises UserError for micro-batches that cannot be dealt evenly, and for clips that the model cannot read.
    """

    def __init__(
        self, settings: GeneratorSettings, config: FullDiTConfig, vae: VAE, folder: Path, part: Part | None = None
    ):
        self.settings, self.config, self.part = settings, config, part or Part()
        self.size = settings.batch // settings.micro_batches
        if settings.micro_tokens is None and self.size % self.part.count:
            raise UserError(
                f"A micro-batch of {self.size} clips cannot be dealt evenly to {self.part.count} processes. Set batch "
                f"to a multiple of {self.part.count * settings.micro_batches}, or start another number of processes."
            )
        sizes = sorted({path.parent for path in Path(folder).glob("*/shard_*.safetensors")})
        self.sources = [open_clips(path, fingerprint(vae), config) for path in sizes or [Path(folder)]]
        for source in self.sources:
            check_clips(source, range(min(1, len(source))), config)
        self.batches = Batches(
            self.sources,
            settings.schedule(),
            config,
            settings.seed,
            settings.plain_captions,
            settings.plain_with_conditions,
            settings.map_dropped,
            self.part,
            settings.micro_tokens,
        )
        self.generator = torch.Generator().manual_seed(settings.seed + 1)
        self.channel_weights = channel_weights(vae, self.sources[0], settings.channel_power)
        weighted = self.sources if settings.object_weight != 1 else ()
        self.blank_maps = {size: blank_map(vae, config.geometry, size) for size in map(latent_size_of, weighted)}

    @property
    def clips(self) -> ClipSource:
        """The clips of the first size."""
        return self.sources[0]

    def __len__(self) -> int:
        return sum(map(len, self.sources))

    def draw(self, progress: float) -> tuple[Batch, Tensor, Tensor]:
        """Return this process's part of the next micro-batch at this progress of the run, its noise, and its times
        (B,) or (B, T)."""
        batch = self.batches.draw(self.size, progress)
        size = len(batch.video) * self.part.count
        own = self.part.of(size)
        shift = self.shift(self.config.geometry.tokens(batch.video.shape[2:]))
        clean = self.settings.clean_first_frame_prob
        t = draw_times(size, batch.video.shape[2], shift, clean, self.generator, self.config.times)
        # A seed for each clip: no process makes the noise of all of them, and each clip's is the same however many
        # processes there are.
        seeds = torch.randint(2**62, (size,), generator=self.generator)
        noise = [noise_of(batch.video.shape[1:], int(seed)) for seed in seeds[own]]
        return batch, torch.stack(noise), t[own]

    def shift(self, tokens: int) -> float:
        """Return how far times of clips of so many video tokens are moved toward noise (Esser et al. 2403.03206, eq.
        23): the more there are, the more noise it takes to hide the same."""
        wanted = self.settings.shift_tokens
        return self.settings.shift if wanted is None else self.settings.shift * (tokens / wanted) ** 0.5

    def state(self) -> dict[str, Any]:
        """Return what `load` needs to draw the same from here on, in any number of processes."""
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


def held_out_data(
    settings: GeneratorSettings, config: FullDiTConfig, vae: VAE, folder: Path, device: torch.device
) -> HeldOut | None:
    """Return the clips that are never trained on, beside the folder of those that are; None where none are wanted.

    They are the WebDataset shards of that folder, or else clips of the world, encoded where they are not yet. Raises
    UserError where a model needs cached states of texts and there are no such shards, and for clips that cannot be
    measured.
    """
    if not settings.held_out_clips:
        return None
    place = Path(folder).parent / FOLDER
    if has_tars(place):
        clips = open_clips(place, fingerprint(vae), config)
    elif config.text == "bytes":
        clips = write_held_out(vae, place, settings.held_out_clips, config, device, settings.world)
    else:
        raise UserError(
            f"There are no clips in '{place}' to measure the model on, and the world's clips have no states of its "
            f"text encoder. Encode some that are not trained on, as `fulldit dataset encode --held-out` does."
        )
    return HeldOut(clips, vae, config, settings.held_out_time, device, settings.held_out_clips)
