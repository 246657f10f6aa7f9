"""What a tuning begins with: a FullDiT checkpoint, a plain Wan with a condition file, or a plain Wan alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...control.errors import UserError
from ...models.backbone.initialize import initialize_tokenizers
from ...models.backbone.transformer import FullDiT
from ...models.config import FullDiTConfig
from ...models.families.detect import detect
from ...models.families.presets import PRESETS
from ...models.geometry import WAN_2_1
from ...models.vae.vae_file import fingerprint, load_vae
from ...models.weights.attach import check_base_shapes, check_vae, wan_sizes
from ...models.weights.checkpoint import read_config
from ...models.weights.condition_file import (
    OWN,
    ConditionFile,
    read_condition_config,
    read_condition_file,
    write_condition_file,
)
from ...models.weights.key_maps import to_wan
from ...models.weights.open_weights import check_plain
from ...models.weights.quantized import dequantize
from ...models.weights.tensor_file import parse_header, read_metadata, read_tensors
from ...models.weights.weight_sample import sample_vae, sample_wan

HEAD = 128  # the width of Wan's attention heads, by which ComfyUI tells their number too


@dataclass(frozen=True)
class Start:
    """The files that a tuning begins with.

    vae: what its latents are made with. checkpoint: a FullDiT checkpoint; with `wan`, the file of a plain Wan, a
    condition file for it, or None for new condition tokenizers.
    """

    vae: Path
    checkpoint: Path | None = None
    wan: Path | None = None

    def config(self) -> FullDiTConfig:
        """Return the config of the model. Raises UserError for files that are not what they should be."""
        if self.wan is None:
            if self.checkpoint is None:
                raise UserError("There is nothing to tune: choose a FullDiT checkpoint, or a plain Wan model.")
            return read_config(self.checkpoint)
        if self.checkpoint is not None:
            return read_condition_config(self.checkpoint)
        return config_of_wan(self.wan)

    def check(self, config: FullDiTConfig) -> None:
        """Raise UserError, before any work, where VAE and Wan are not those that the checkpoint belongs to."""
        if config.in_dim != WAN_2_1.channels:
            raise UserError(
                f"The model has latents of {config.in_dim} channels, but only those of {WAN_2_1.channels} can be tuned "
                f"here (Wan 2.1's): choose a Wan 2.1, or a FullDiT on it."
            )
        own = fingerprint(load_vae(self.vae))
        if self.checkpoint is not None and self.wan is not None:
            conditions = read_condition_file(self.checkpoint)
            shapes = to_wan(parse_header(self.wan).shapes)
            check_base_shapes(shapes, conditions, self.wan)
            check_vae(read_tensors(self.vae), conditions, self.vae)
        elif self.checkpoint is not None and config.vae_fingerprint not in ("", own):
            raise UserError(
                f"'{self.checkpoint.name}' was trained with the VAE {config.vae_fingerprint[:12]}, but "
                f"'{self.vae.name}' is {own[:12]}. Choose the VAE that came with the checkpoint."
            )

    def file(self, config: FullDiTConfig, folder: Path, seed: int) -> Path:
        """Return the file that the trainer goes on from: the checkpoint, or a condition file in a folder with new
        tokenizers and no LoRA, which is made where it is not yet."""
        if self.checkpoint is not None:
            return self.checkpoint
        assert self.wan is not None
        path = folder / "start.safetensors"
        if not path.exists():
            write_condition_file(path, _new_conditions(self.wan, self.vae, config, seed))
        return path


def config_of_wan(path: Path) -> FullDiTConfig:
    """Return the config of a FullDiT on a plain Wan, from the header of its file. Raises UserError for another file."""
    shapes = to_wan(parse_header(path).shapes)
    layers, dim, ffn, channels, text = wan_sizes(shapes)
    if not layers or not dim:
        raise UserError(f"'{path.name}' cannot be tuned. {detect(shapes).sentence}")
    check_plain(shapes, path)
    return replace(
        PRESETS["wan-1.3b"],
        dim=dim,
        ffn_dim=ffn,
        num_layers=layers,
        num_heads=max(1, dim // HEAD),
        text_dim=text,
        in_dim=channels,
        out_dim=channels,
    )


def _new_conditions(wan: Path, vae: Path, config: FullDiTConfig, seed: int) -> ConditionFile:
    """Return tokenizers that begin as those of a new training, and no LoRA, as the condition file of a plain Wan."""
    state = to_wan(dequantize(read_tensors(wan), read_metadata(wan), wan))
    network = FullDiT(replace(config, num_layers=1))  # tokenizers are the same beside any number of blocks
    patches = {name: state[f"patch_embedding.{name}"].float() for name in ("weight", "bias")}
    network.patch_embedding.load_state_dict(patches)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        initialize_tokenizers(network)
    own = {name: value for name, value in network.state_dict().items() if OWN.fullmatch(name)}
    return ConditionFile(config, own, {}, sample_wan(state), sample_vae(read_tensors(vae)), wan.name)
