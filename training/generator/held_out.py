"""How the generator does on clips it never saw: losses per subset of conditions at one time, and sheets of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ...dataset.latents import EncodedClips
from ...evaluation.control.benchmark import exchange
from ...models.config import FullDiTConfig
from ...models.sampling.sampler import sample
from ...models.vae.latent import denormalize_latent
from ..common.log import write_sheet
from .batches import Batch, make_batch, parse_subset

SUBSETS = ("none", "camera", "identity", "exchanged", "depth", "camera+identity+depth")


class HeldOut:
    """Held-out clips with fixed noise, so that two measurements differ by the weights alone."""

    def __init__(self, clips: EncodedClips, vae, config: FullDiTConfig, t: float, device):
        self.clips, self.vae, self.config, self.t, self.device = clips, vae, config, t, device
        patterns = clips.patterns()
        # Clips in groups of one pattern of slots, as a micro-batch needs them; clips without identities are left out.
        self.groups = [(patterns == p).nonzero()[:, 0].tolist() for p in patterns.unique().tolist() if p]

    def batches(self, subset: str) -> list[Batch]:
        """All clips under one subset, with plain captions: words cannot stand in for a control.

        `exchanged` is `identity` with the references of the first two slots exchanged where there are two.
        """
        names = parse_subset("identity" if subset == "exchanged" else subset)
        found = []
        for group in self.groups:
            for at in range(0, len(group), 16):
                some = group[at : at + 16]
                batch = make_batch(self.clips, some, names, self.config, [True] * len(some))
                if subset == "exchanged" and any(stream.slot == 1 for stream in batch.conditions.streams):
                    batch = replace(batch, conditions=exchange(batch.conditions))
                found.append(batch)
        return found

    @torch.no_grad()
    def losses(self, learner, bf16: bool = True) -> dict[str, float]:
        """Mean loss per subset; the same clips, noise and time for each. Where `exchanged` is no worse than `identity`,
        references are not bound to their slots."""
        found = {}
        for subset in SUBSETS:
            generator = torch.Generator().manual_seed(0)
            total, count = 0.0, 0
            for batch in self.batches(subset):
                noise = torch.randn(batch.video.shape, generator=generator)
                t = torch.full((len(noise),), self.t)
                with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bf16):
                    loss = learner(batch.to(self.device), noise.to(self.device), t.to(self.device))
                total += float(loss.sum())
                count += len(noise)
            found["all" if subset == SUBSETS[-1] else subset] = total / max(1, count)
        return found

    @torch.no_grad()
    def sheet(self, path: Path, learner, clips: int, steps: int, bf16: bool = True) -> None:
        """For each of the first clips: the truth, then samples of one seed under all conditions, camera alone, none."""
        rows = []
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bf16):
            for number, index in enumerate(sorted(i for group in self.groups for i in group)[:clips]):
                generator = torch.Generator().manual_seed(number)
                noise = torch.randn(1, 16, *self.config.geometry, generator=generator).to(self.device)
                nothing = make_batch(self.clips, [index], None, self.config, [True]).to(self.device)
                rows.append(self.decode(nothing.video))
                for subset in ("camera+identity+depth", "camera", "none"):
                    batch = make_batch(self.clips, [index], parse_subset(subset), self.config, [True])
                    batch = batch.to(self.device)
                    context, null = learner.text(batch.tokens), learner.text(nothing.tokens)
                    latent = sample(
                        learner.model,
                        noise,
                        context,
                        null,
                        batch.conditions,
                        steps=steps,
                        guidance=self.config.guidance,
                        shift=self.config.shift,
                    )
                    rows.append(self.decode(latent))
        write_sheet(path, rows)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """(1, 16, T, h, w) normalized -> (3, F, H, W) in [0, 1]."""
        weight = next(self.vae.parameters())
        return self.vae.decode(denormalize_latent(latent).to(weight.dtype))[0].float() / 2 + 0.5
