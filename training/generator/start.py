"""What the generator's training begins with: a preset with fresh weights, or a checkpoint to go on from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...control.errors import UserError
from ...models.backbone.initialize import initialize
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.text import TextEncoder
from ...models.config import FullDiTConfig
from ...models.families.presets import PRESETS
from ...models.weights.checkpoint import embedded_path, load_model, read_config


def checkpoint_of(model: str) -> Path | None:
    """Return the file that the entry `model` of a config names, or None for a preset.

    It is the name of a preset, the name of a checkpoint in the repository's checkpoints/, or a .safetensors file.
    Raises UserError for anything else.
    """
    if model in PRESETS:
        return None
    path = Path(model) if Path(model).suffix == ".safetensors" else Path(embedded_path(model))
    if not path.is_file():
        raise UserError(
            f"The config's model is {model!r}: expected one of the presets {', '.join(PRESETS)}, or a checkpoint to go "
            f"on from ({path} does not exist)."
        )
    return path


def config_of(model: str) -> FullDiTConfig:
    """Return the architecture that the entry `model` names, and the size of its clips."""
    path = checkpoint_of(model)
    return PRESETS[model] if path is None else read_config(path)


def networks(model: str, vae_fingerprint: str) -> tuple[FullDiT, TextEncoder, FullDiTConfig]:
    """Return network, text encoder and config, the weights in float32, for latents of the VAE that has the fingerprint.

    Raises UserError where a checkpoint was trained on latents of another VAE.
    """
    path = checkpoint_of(model)
    if path is None:
        config = replace(PRESETS[model], vae_fingerprint=vae_fingerprint)
        network = FullDiT(config)
        initialize(network)
        return network, TextEncoder(dim=config.text_dim), config
    network, text, config = load_model(path)
    if config.vae_fingerprint != vae_fingerprint:
        raise UserError(
            f"{path.name} was trained on latents of the VAE {config.vae_fingerprint}, but the VAE at hand is "
            f"{vae_fingerprint}. Go on with the VAE that belongs to it, or start from a preset."
        )
    return network.train(), text.train(), config
