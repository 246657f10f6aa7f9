"""Trains the miniature's autoencoder on rendered clips: Muon and AdamW, cosine to zero, resumable exactly.

The schedule follows whichever comes first of `steps` and `minutes`, so the learning rate is zero when time is up.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...control.errors import UserError
from ...models.geometry import LatentGeometry
from ...models.vae.autoencoder import VAE
from ...models.vae.vae_file import load_vae
from ...models.weights.checkpoint import named_path
from ...scenes import HELD_OUT_SEED
from ..common.ema import EMA, warmed_up_decay
from ..common.log import Log
from ..common.loop import Loop
from ..common.optimizers import Muon, learning_rate_share, set_learning_rate
from ..common.precision import autocast, compute_dtype
from ..common.state import TrainingState
from .activation_limiter import ActivationLimiter
from .finish import finish
from .initialize import compile_norms, initialize, lay_out
from .loss import loss_of
from .quality import channels_last, evaluate
from .settings import VAESettings, read_vae_settings
from .vae_clips import KINDS, ClipPool, Renderer, rendered

# Muon takes every convolution but these, which meet images or latents.
ENDS = ("encoder.conv1", "encoder.head", "decoder.head", "conv1", "conv2")


class Trainer:
    """One run in one folder: state.safetensors (all that resuming needs) and log.jsonl."""

    def __init__(self, settings: VAESettings, out: Path, make: Renderer | None = None) -> None:
        make = make or partial(rendered, world=settings.world)
        self.settings, self.out, self.make = settings, Path(out), make
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = compute_dtype(settings.precision, self.device)
        torch.manual_seed(settings.seed)
        self.vae = VAE(dim=settings.dim)
        if settings.start:
            self.vae.load_state_dict(load_vae(start_path(settings.start)).state_dict())
        else:
            initialize(self.vae)
        self.vae.to(self.device)
        lay_out(self.vae)
        self.optimizers = optimizers_of(self.vae, settings.lr, settings.adam)
        self.limiter = ActivationLimiter(self.vae)
        self.pool = ClipPool(settings.seed, *settings.size, mix=settings.mix, make=make)
        self.loop = Loop(settings.steps, settings.minutes)
        self.ema = EMA(self.vae, warmed_up_decay(settings.ema))

    @property
    def state(self) -> TrainingState:
        """What is saved and resumed."""
        return TrainingState(self.vae, self.ema, self.optimizers, self.loop)

    @property
    def state_path(self) -> Path:
        return self.out / "state.safetensors"

    def save(self) -> None:
        """Write the state, whole or not at all."""
        self.state.save(self.state_path)

    def load(self) -> bool:
        """Go on from the saved state; returns whether there is one."""
        if not self.state_path.exists():
            return False
        self.state.load(self.state_path)
        return True

    def rate_share(self) -> float:
        """Return the share of the learning rate that this step is made with."""
        return learning_rate_share(self.loop.progress, self.loop.step, self.settings.warmup, self.settings.cycles)

    def train_step(self) -> dict[str, Any]:
        """Make one step; returns what the log says of it."""
        x, noise = self.draw()
        with autocast(self.device, self.dtype):
            loss, parts = loss_of(self.vae, channels_last(x), self.settings, noise)
        torch.autograd.backward(loss)
        norm = float(nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0))
        share = self.rate_share()
        set_learning_rate(self.optimizers, share)
        for optimizer in self.optimizers:
            if math.isfinite(norm):
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.limiter.pull()
        self.loop.count(len(x))
        self.ema.update(self.vae, self.loop.step)
        rate = self.settings.lr * share
        return {"step": self.loop.step, "frames": x.shape[2], "lr": rate, "norm": norm, **parts}

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return the clips of this step and the noise of their latents, both functions of the seed and the step."""
        phase = next(p for p in self.settings.phases if self.loop.progress <= p.until)
        x = self.pool.batch(self.loop.step, phase)
        clips, _, frames, height, width = x.shape
        geometry = LatentGeometry(self.vae.z_dim, self.vae.temporal_compression, self.vae.spatial_compression)
        shape = (clips, geometry.channels, *geometry.latent_size(frames, height, width))
        generator = torch.Generator().manual_seed(self.settings.seed * 7919 + self.loop.step)
        return x.to(self.device), torch.randn(shape, generator=generator).to(self.device)

    def averaged(self) -> VAE:
        """Return the network with the averaged weights."""
        vae = VAE(dim=self.settings.dim).to(self.device)
        vae.load_state_dict({**self.vae.state_dict(), **self.ema.values})
        lay_out(vae)
        return vae.eval().requires_grad_(False)

    def held_out(self) -> dict[str, Tensor]:
        """Return clips of every kind whose scenes are never trained on."""
        seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + self.settings.evaluate_clips)
        clips = self.make(list(seeds), *self.settings.size)
        return {kind: clips[kind] for kind in KINDS}

    def run(self) -> None:
        """Train until time or steps are up. Raises UserError where SIGTERM came first; the state is saved then."""
        s, loop = self.settings, self.loop
        held_out = self.held_out()
        log = Log(self.out / "log.jsonl", loop.step)
        with loop.running():
            while loop.goes_on():
                entry = self.train_step()
                loop.tick()
                if loop.step % 10 == 0:
                    log.write(**entry, seconds=round(loop.seconds, 1))
                if loop.due("evaluate", s.evaluate_minutes) or loop.progress >= 1:
                    log.write(step=loop.step, psnr=evaluate(self.averaged(), held_out, self.dtype))
                if loop.due("save", s.save_minutes):
                    self.save()
        self.save()
        loop.raise_if_stopped()

    def finish(self) -> Path:
        """Fold the averaged weights to Wan 2.1's latent statistics and write the file; returns its path."""
        provenance = {
            "steps": self.loop.step,
            "minutes": round(self.loop.minutes, 1),
            "seed": self.settings.seed,
        }
        return finish(self.averaged(), self.make, self.settings, self.out, self.held_out(), provenance, self.dtype)


def start_path(start: str) -> Path:
    """Return the file that the entry `start` of a config names. Raises UserError where there is none."""
    path = named_path(start)
    if not path.is_file():
        raise UserError(f"The config's start is {start!r}, but {path} does not exist. Name a VAE to go on from.")
    return path


def optimizers_of(vae: VAE, lr: float, adam: float) -> list[torch.optim.Optimizer]:
    """Return Muon over the convolutions inside the network at `lr`, and AdamW over the rest at `adam` times it."""
    hidden: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, p in vae.named_parameters():
        inside = p.dim() >= 4 and "gamma" not in name and not name.startswith(ENDS)
        (hidden if inside else others).append(p)
    return [
        Muon(hidden, lr=lr, like_adam=True),
        torch.optim.AdamW(others, lr=lr * adam, betas=(0.9, 0.99), weight_decay=0.0),
    ]


def train_vae(config: str | Path, out: str | Path, resume: bool = True) -> Path:
    """Train by a config, finish, and write `vae.safetensors` into `out`; returns its path."""
    settings, _ = read_vae_settings(config)
    if settings.compile:
        compile_norms()
    trainer = Trainer(settings, Path(out))
    if resume:
        trainer.load()
    trainer.run()
    return trainer.finish()
