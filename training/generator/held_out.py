"""How the generator does on clips it never saw: losses per subset of conditions at one time, and sheets of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ...control.errors import UserError
from ...dataset.clip_source import ClipSource
from ...models.config import FullDiTConfig
from ...models.sampling.sampler import sample
from ...models.vae import VAE
from ...models.vae.latent import denormalize_latent
from ..common.log import write_sheet
from .batches import Batch, check_clips, make_batch, noise_of
from .learner import Learner

EXCHANGED = "exchanged"  # `identity` with the references of the first two slots exchanged
ALL = "all"
GROUP = 16  # clips at a time


def held_out_subsets(config: FullDiTConfig) -> dict[str, tuple[str, ...]]:
    """Return which conditions each held-out loss is measured under, by its name."""
    subsets: dict[str, tuple[str, ...]] = {"none": ()}
    for name in config.conditions:
        subsets[name] = (name,)
        if name == "identity":
            subsets[EXCHANGED] = (name,)
    return {**subsets, ALL: config.conditions}


class HeldOut:
    """Held-out clips with fixed noise, so that two measurements differ by the weights alone."""

    def __init__(
        self, clips: ClipSource, vae: VAE, config: FullDiTConfig, t: float, device: torch.device | str, most: int
    ):
        """Take at most so many of the clips, from all over them. Raises UserError where they cannot be measured."""
        self.clips, self.vae, self.config, self.t, self.device = clips, vae, config, t, device
        count = min(most, len(clips))
        self.numbers = [place * len(clips) // count for place in range(count)]
        self._check()

    def _check(self) -> None:
        """Raise UserError for no clips, for clips of another size than the model's, and as `check_clips` does."""
        if not self.numbers:
            raise UserError(f"There are no clips in '{self.clips.folder}' to measure the model on: encode some.")
        for number in self.numbers:
            size = tuple(self.clips.get("video", [number]).shape[1:])
            if size != (self.config.in_dim, *self.config.latent_size):
                raise UserError(
                    f"The clips in '{self.clips.folder}' have latents of {size}, but the model's are "
                    f"{(self.config.in_dim, *self.config.latent_size)} (channels, frames, height, width). Encode them "
                    f"at its size."
                )
        check_clips(self.clips, self.numbers, self.config)

    def groups(self, names: tuple[str, ...]) -> list[list[int]]:
        """Return the clips that have these conditions, in groups of one pattern of streams, as micro-batches need them.

        Without names these are all clips.
        """
        if not names:
            return [self.numbers]
        patterns = self.clips.patterns(names)[self.numbers]
        groups = [(patterns == p).nonzero()[:, 0].tolist() for p in torch.unique(patterns).tolist() if p]
        return [[self.numbers[place] for place in group] for group in groups]

    def batches(self, names: tuple[str, ...], exchanged: bool = False) -> list[tuple[list[int], Batch]]:
        """Return the clips that have these conditions under them, with their numbers.

        Captions are plain: words cannot stand in for a condition.
        """
        batches = []
        for group in self.groups(names):
            for at in range(0, len(group), GROUP):
                some = group[at : at + GROUP]
                batch = make_batch(self.clips, some, names, self.config, [True] * len(some))
                streams = batch.conditions
                if exchanged and streams is not None and any(stream.slot == 1 for stream in streams.streams):
                    batch = replace(batch, conditions=streams.exchange_slots())
                batches.append((some, batch))
        return batches

    @torch.no_grad()
    def losses(self, learner: Learner, bf16: bool = True) -> dict[str, float]:
        """Return the mean loss per subset that any clip has; of a clip always with the same noise and time.

        A condition that not all clips have is measured on those that have it. Where `exchanged` is no worse than
        `identity`, references are not bound to their slots.
        """
        losses = {}
        for subset, names in held_out_subsets(self.config).items():
            total, count = 0.0, 0
            for numbers, batch in self.batches(names, subset == EXCHANGED):
                noise = torch.stack([noise_of(batch.video.shape[1:], number) for number in numbers])
                t = torch.full((len(noise),), self.t)
                with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bf16):
                    loss = learner(batch.to(self.device), noise.to(self.device), t.to(self.device))
                total += float(loss.sum())
                count += len(noise)
            if count:
                losses[subset] = total / count
        return losses

    @torch.no_grad()
    def sheet(self, path: Path, learner: Learner, clips: int, steps: int, bf16: bool = True) -> None:
        """Write, for each of the first clips, the truth and samples of one seed: all conditions, the first, none."""
        rows = []
        first = self.config.conditions[:1]
        chosen = sorted(i for group in self.groups(first) for i in group)[:clips]
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bf16):
            for number, index in enumerate(chosen):
                every = tuple(name for name in self.config.conditions if self.clips.patterns((name,))[index])
                nothing = make_batch(self.clips, [index], None, self.config, [True]).to(self.device)
                rows.append(self.decode(nothing.video))
                for names in (every, first, ()):
                    batch = make_batch(self.clips, [index], names, self.config, [True]).to(self.device)
                    rows.append(self.decode(self._sample(learner, batch, nothing, number, steps)))
        write_sheet(path, rows)

    def _sample(self, learner: Learner, batch: Batch, nothing: Batch, seed: int, steps: int) -> torch.Tensor:
        shape = (1, self.config.in_dim, *self.config.latent_size)
        noise = noise_of(shape, seed).to(self.device)
        return sample(
            learner.model,
            noise,
            learner.encode(batch.tokens),
            learner.encode(nothing.tokens),
            batch.conditions,
            steps=steps,
            guidance=self.config.guidance,
            shift=self.config.shift,
        )

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Return (3, F, H, W) in [0, 1] of a normalized latent (1, C, T, h, w)."""
        weight = next(self.vae.parameters())
        return self.vae.decode(denormalize_latent(latent).to(weight.dtype))[0].float() / 2 + 0.5
