"""Trains the autoencoder's decoder further while its latents stay as they are, so every generator keeps fitting.

The encoder and `conv1` are frozen; the same data, loss and optimizers drive the rest. It can run while the generator
learns, or any time after.
"""

from __future__ import annotations

import json
from pathlib import Path

from ...control.files import write_json
from ...models.vae import layers
from ...models.vae.autoencoder import VAE
from ...models.vae.vae_file import fingerprint, load_vae, read_metadata, save_vae
from .initialize import compiled_rms_silu, lay_out
from .quality import errors, evaluate
from .train_vae import Trainer, load_config

FROZEN = ("encoder.", "conv1.")


class DecoderTrainer(Trainer):
    """A `Trainer` that starts from a finished autoencoder and leaves what makes latents alone."""

    def __init__(self, config: dict, out: Path, start: VAE, metadata: dict, **more) -> None:
        super().__init__(config, out, **more)
        self.metadata = metadata
        self.vae.load_state_dict(start.state_dict())
        lay_out(self.vae)
        for name, parameter in self.vae.named_parameters():
            parameter.requires_grad_(not name.startswith(FROZEN))
        self.ema = {name: p.detach().clone() for name, p in self.vae.named_parameters()}

    def finish(self) -> Path:
        """Writes `vae.safetensors` with the new decoder and `vae.json` with its figures; latents are bit-equal."""
        held_out = self.held_out()
        provenance = {"decoder_steps": self.step, "decoder_minutes": round(self.seconds / 60, 1)}
        metadata = {**self.metadata, "fulldit_vae": {**self.metadata.get("fulldit_vae", {}), **provenance}}
        path = save_vae(self.out / "vae.safetensors", self.averaged(), metadata)
        shipped = load_vae(path)
        figures = {"psnr": evaluate(shipped, held_out), "errors": errors(shipped, held_out["video"])}
        figures |= {"fingerprint": fingerprint(shipped), **provenance}
        write_json(self.out / "vae.json", figures)
        print(json.dumps(figures))
        return path


def train_decoder(config_path: str | Path, vae_path: str | Path, out_dir: str | Path, resume: bool = True) -> Path:
    """Goes on with the decoder of the VAE at `vae_path` as the config's `decoder` says; returns the new file's path."""
    config = load_config(config_path)
    config = {**config, **config["decoder"]}
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    if config.get("compile"):
        layers.rms_silu = compiled_rms_silu()
    trainer = DecoderTrainer(config, out, load_vae(vae_path), read_metadata(vae_path))
    if resume:
        trainer.load()
    trainer.run()
    return trainer.finish()
