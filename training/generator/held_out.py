"""How the generator does on clips it never saw: losses per subset of conditions at one time, and sheets of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ...dataset.latents import EncodedClips
from ...models.config import FullDiTConfig
from ...models.sampling.sampler import sample
from ...models.vae import VAE
from ...models.vae.latent import denormalize_latent
from ..common.log import write_sheet
from .batches import Batch, make_batch
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

    def __init__(self, clips: EncodedClips, vae: VAE, config: FullDiTConfig, t: float, device: torch.device | str):
        self.clips, self.vae, self.config, self.t, self.device = clips, vae, config, t, device
        patterns = clips.patterns(config.conditions)
        # Clips in groups of one pattern of streams, as a micro-batch needs them; clips that lack a condition stay out.
        self.groups = [(patterns == p).nonzero()[:, 0].tolist() for p in torch.unique(patterns).tolist() if p]

    def batches(self, names: tuple[str, ...], exchanged: bool = False) -> list[Batch]:
        """Return all clips under one set of conditions, with plain captions: words cannot stand in for a condition."""
        batches = []
        for group in self.groups:
            for at in range(0, len(group), GROUP):
                some = group[at : at + GROUP]
                batch = make_batch(self.clips, some, names, self.config, [True] * len(some))
                streams = batch.conditions
                if exchanged and streams is not None and any(stream.slot == 1 for stream in streams.streams):
                    batch = replace(batch, conditions=streams.exchange_slots())
                batches.append(batch)
        return batches

    @torch.no_grad()
    def losses(self, learner: Learner, bf16: bool = True) -> dict[str, float]:
        """Return the mean loss per subset; the same clips, noise and time for each.

        Where `exchanged` is no worse than `identity`, references are not bound to their slots.
        """
        losses = {}
        for subset, names in held_out_subsets(self.config).items():
            generator = torch.Generator().manual_seed(0)
            total, count = 0.0, 0
            for batch in self.batches(names, subset == EXCHANGED):
                noise = torch.randn(batch.video.shape, generator=generator)
                t = torch.full((len(noise),), self.t)
                with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bf16):
                    loss = learner(batch.to(self.device), noise.to(self.device), t.to(self.device))
                total += float(loss.sum())
                count += len(noise)
            losses[subset] = total / max(1, count)
        return losses

    @torch.no_grad()
    def sheet(self, path: Path, learner: Learner, clips: int, steps: int, bf16: bool = True) -> None:
        """Write, for each of the first clips, the truth and samples of one seed: all conditions, the first, none."""
        rows = []
        conditions = self.config.conditions
        chosen = sorted(i for group in self.groups for i in group)[:clips]
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bf16):
            for number, index in enumerate(chosen):
                nothing = make_batch(self.clips, [index], None, self.config, [True]).to(self.device)
                rows.append(self.decode(nothing.video))
                for names in (conditions, conditions[:1], ()):
                    batch = make_batch(self.clips, [index], names, self.config, [True]).to(self.device)
                    rows.append(self.decode(self._sample(learner, batch, nothing, number, steps)))
        write_sheet(path, rows)

    def _sample(self, learner: Learner, batch: Batch, nothing: Batch, seed: int, steps: int) -> torch.Tensor:
        shape = (1, self.config.in_dim, *self.config.latent_size)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(self.device)
        return sample(
            learner.model,
            noise,
            learner.text(batch.tokens),
            learner.text(nothing.tokens),
            batch.conditions,
            steps=steps,
            guidance=self.config.guidance,
            shift=self.config.shift,
        )

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Return (3, F, H, W) in [0, 1] of a normalized latent (1, C, T, h, w)."""
        weight = next(self.vae.parameters())
        return self.vae.decode(denormalize_latent(latent).to(weight.dtype))[0].float() / 2 + 0.5
