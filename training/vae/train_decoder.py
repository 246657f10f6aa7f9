"""Trains the autoencoder's decoder further while its latents stay as they are, so every generator keeps fitting.

The encoder and `conv1` are frozen; the same data, loss and optimizers drive the rest. It can run while the generator
learns, or any time after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...control.files import write_json
from ...models.vae.autoencoder import VAE
from ...models.vae.vae_file import fingerprint, load_vae, read_metadata, save_vae
from ..common.ema import EMA, warmed_up_decay
from .initialize import compile_norms, lay_out
from .quality import errors, evaluate
from .settings import VAESettings
from .train_vae import Trainer

FROZEN = ("encoder.", "conv1.")


class DecoderTrainer(Trainer):
    """A `Trainer` that starts from a finished autoencoder and leaves alone what makes latents."""

    def __init__(self, settings: VAESettings, out: Path, start: VAE, metadata: Mapping[str, Any]) -> None:
        super().__init__(settings, out)
        self.metadata = metadata
        self.vae.load_state_dict(start.state_dict())
        lay_out(self.vae)
        for name, parameter in self.vae.named_parameters():
            parameter.requires_grad_(not name.startswith(FROZEN))
        self.ema = EMA(self.vae, warmed_up_decay(settings.ema))

    def finish(self) -> Path:
        """Write `vae.safetensors` with the new decoder and `vae.json` with its figures; latents are bit-equal."""
        held_out = self.held_out()
        provenance = {"decoder_steps": self.loop.step, "decoder_minutes": round(self.loop.minutes, 1)}
        metadata = {**self.metadata, "fulldit_vae": {**self.metadata.get("fulldit_vae", {}), **provenance}}
        path = save_vae(self.out / "vae.safetensors", self.averaged(), metadata)
        shipped = load_vae(path)
        figures = {
            "psnr": evaluate(shipped, held_out, self.dtype),
            "errors": errors(shipped, held_out["video"], self.dtype),
            "fingerprint": fingerprint(shipped),
            **provenance,
        }
        write_json(self.out / "vae.json", figures)
        print(json.dumps(figures))
        return path


def train_decoder(settings: VAESettings, vae_path: str | Path, out: str | Path, resume: bool = True) -> Path:
    """Train the decoder of the VAE at `vae_path`; returns the new file's path."""
    if settings.compile:
        compile_norms()
    trainer = DecoderTrainer(settings, Path(out), load_vae(vae_path), read_metadata(vae_path))
    if resume:
        trainer.load()
    trainer.run()
    return trainer.finish()
