"""A condition file and a plain Wan model become a FullDiT; and a training's weights become a condition file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...control.errors import UserError
from ..backbone.transformer import FullDiT
from ..config import FullDiTConfig
from ..families.detect import detect
from .condition_file import OWN, ConditionFile, lora_layer_names
from .key_maps import to_wan
from .lora_layers import lora_state
from .open_weights import check_plain
from .quantized import dequantize
from .shards import parse_headers, read_shards, shard_paths
from .tensor_file import PathLike, load_strict
from .weight_sample import WeightSample, sample_vae, sample_wan

_SIZES = ("blocks", "width", "feed-forward width", "input channels", "text width")


def attach(
    base: PathLike, conditions: ConditionFile, device: Any = "cpu", dtype: torch.dtype = torch.float32
) -> FullDiT:
    """Return the network that a Wan file (its parts, or their folder) and a condition file make, ready to use.

    The LoRA is added to the weights. Raises UserError for files that are damaged or something else, and for a base of
    another kind or size than the condition file was trained on, or with other weights.
    """
    header = parse_headers(shard_paths(base))
    check_base_shapes(to_wan(header.shapes), conditions, base)
    state = to_wan(read_shards(base))
    check_base(state, conditions, base)
    weights = dequantize(state, header.metadata, base)
    # Every weight comes from the files: random ones to begin with would cost the most time of all.
    model = FullDiT(conditions.config, device="meta", dtype=dtype).to_empty(device=device)
    load_strict(model, {**weights, **conditions.own}, base, "model that the condition file describes")
    _add_lora(model, weights, conditions.lora)
    return model.eval()


@torch.no_grad()
def _add_lora(model: FullDiT, weights: Mapping[str, torch.Tensor], lora: Mapping[str, torch.Tensor]) -> None:
    """Set the layers that a LoRA changes to the sum of `weights` and the change, computed in float32."""
    for layer in lora_layer_names(lora):
        down, up, alpha = (lora[f"{layer}.{tail}"].float() for tail in ("lora_A.weight", "lora_B.weight", "alpha"))
        changed = weights[f"{layer}.weight"].float() + up @ down * (alpha / down.shape[0])
        model.get_parameter(f"{layer}.weight").copy_(changed)


def check_base_shapes(shapes: Mapping[str, tuple[int, ...]], conditions: ConditionFile, base: PathLike) -> None:
    """Raise UserError unless weights with these shapes (original keys) are a plain Wan of the condition file's size."""
    came, expected = wan_sizes(shapes), _sizes_of(conditions.config)
    if not came[0] or not came[1]:
        raise UserError(f"'{Path(base).name}' cannot be the base of a condition file. {detect(shapes).sentence}")
    check_plain(shapes, base)
    odd = [name for name, a, b in zip(_SIZES, came, expected, strict=True) if a != b]
    if odd:
        raise UserError(
            f"'{conditions.name}' belongs to a Wan with {_in_words(expected, odd)}, but '{Path(base).name}' "
            f"has {_in_words(came, odd)}. Choose the Wan that it was trained on, or a condition file for this one."
        )


def check_base(state: Mapping[str, torch.Tensor], conditions: ConditionFile, base: PathLike) -> None:
    """Raise UserError where weights (original keys, any number format) are not those of the condition file's base."""
    if not sample_wan(state).agrees_with(conditions.base):
        expert = conditions.config.expert
        own, other = (f", the {expert} expert of a pair", "the other expert, ") if expert else ("", "")
        raise UserError(
            f"'{conditions.name}' was trained on {conditions.base_name}{own}, but '{Path(base).name}' holds other "
            f"weights of the same size ({other}a model that was trained further, or another kind). Choose the file of "
            f"{conditions.base_name}, in any number format."
        )


def check_vae(state: Mapping[str, torch.Tensor], conditions: ConditionFile, vae: PathLike) -> None:
    """Raise UserError where a VAE's weights are not those of the VAE that the condition file was trained with."""
    if not sample_vae(state).agrees_with(conditions.vae):
        channels = conditions.config.in_dim
        usual = "wan2.2_vae.safetensors" if channels == 48 else "wan_2.1_vae.safetensors"
        raise UserError(
            f"'{conditions.name}' was trained with another VAE than '{Path(vae).name}', whose latents would mean "
            f"nothing to the model. Choose that of its base, which is usually called {usual}."
        )


def wan_sizes(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Return _SIZES of a Wan by its shapes; 0 for one that is not told."""
    blocks = {int(match[1]) for name in shapes if (match := re.match(r"blocks\.(\d+)\.", name))}
    patch = shapes.get("patch_embedding.weight", ())
    ffn, text = shapes.get("blocks.0.ffn.0.weight", ()), shapes.get("text_embedding.0.weight", ())
    width, channels = patch[:2] if len(patch) == 5 else (0, 0)
    return len(blocks), width, ffn[0] if ffn else 0, channels, text[1] if len(text) == 2 else 0


def _sizes_of(config: FullDiTConfig) -> tuple[int, ...]:
    """Return _SIZES of the model that a config describes."""
    return config.num_layers, config.dim, config.ffn_dim, config.in_dim, config.text_dim


def _in_words(sizes: tuple[int, ...], named: list[str]) -> str:
    """Return the sizes of these names: '30 blocks and width 1536'."""
    words = [
        f"{n} {name}" if name in ("blocks", "input channels") else f"{name} {n}"
        for name, n in zip(_SIZES, sizes, strict=True)
        if name in named
    ]
    return " and ".join(words)


def condition_file_of(
    trained: Mapping[str, torch.Tensor],
    base: Mapping[str, torch.Tensor],
    vae: Mapping[str, torch.Tensor],
    config: FullDiTConfig,
    alphas: Mapping[str, float],
    base_name: str,
    extra: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.bfloat16,
) -> ConditionFile:
    """Return the condition file of a training.

    trained: the state of a FullDiT with LoRAs in it (lora_layers.py); of the frozen weights, all, some or none. base,
    vae: the states that the training began from and that made its latents. alphas: by the layers with a LoRA. dtype: of
    the LoRA's matrices; the rest stays as it is, since tokenizers compute in float32. Raises UserError where weights
    are missing, and where those of the base were trained themselves, which a condition file does not hold.
    """
    base = to_wan(base)
    lora = lora_state(trained, alphas)
    for name, value in trained.items():
        layer, _, tail = name.rpartition(".")
        if OWN.fullmatch(name) or name in lora or (layer in alphas and tail == "weight_scale"):
            continue
        if name not in base or not _same(value, base[name]):
            what = "was trained itself" if name in base else "is not of the base"
            raise UserError(
                f"'{name}' {what}, but a condition file holds tokenizers and LoRA alone: train with LoRA, or save a "
                f"whole checkpoint."
            )
    return conditions_of(trained, sample_wan(base), sample_vae(vae), config, alphas, base_name, extra, dtype)


def conditions_of(
    trained: Mapping[str, torch.Tensor],
    base: WeightSample,
    vae: WeightSample,
    config: FullDiTConfig,
    alphas: Mapping[str, float],
    base_name: str,
    extra: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.bfloat16,
) -> ConditionFile:
    """Return what `condition_file_of` does, of a training in which nothing but tokenizers and LoRAs can have changed.

    base, vae: samples of what the training began from. Raises UserError where weights are missing.
    """
    own = {name: value for name, value in trained.items() if OWN.fullmatch(name)}
    lora = lora_state(trained, alphas)
    lora = {name: value if name.endswith(".alpha") else value.to(dtype) for name, value in lora.items()}
    return ConditionFile(replace(config, vae_fingerprint=""), own, lora, base, vae, base_name, extra or {})


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors are one, stored in two number formats or one; fp8 is not compared."""
    if one.dtype.itemsize == 1 or other.dtype.itemsize == 1:
        return True
    one, other = one.detach().cpu(), other.cpu()
    return torch.equal(one.to(other.dtype), other) or torch.equal(other.to(one.dtype), one)
