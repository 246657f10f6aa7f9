"""A condition file: what makes a FullDiT of a plain Wan model, in one small safetensors file.

It holds the condition tokenizers with their type and slot vectors (`tokenizers.*`), the predictors of importance where
blocks select condition tokens (`blocks.0.importance.*`), the LoRA of the blocks under the keys that ComfyUI reads
(`diffusion_model.blocks.0.self_attn.q.lora_A.weight`, `lora_B.weight` and `alpha`), and samples of the base and of the
VAE that it was trained with (weight_sample.py). The metadata has the config of the model that base and file make
together (config.py), and the base's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...control.errors import UserError
from ..backbone.transformer import FullDiT
from ..config import FullDiTConfig
from .lora_keys import CORE
from .lora_layers import TARGETS
from .tensor_file import PathLike, check_finite, parse_header, read_tensors, write_tensors
from .weight_sample import WeightSample

FORMAT = "fulldit-conditions"
OWN = re.compile(r"tokenizers\..+|text_type|blocks\.\d+\.importance\..+")  # names of the weights that Wan does not have
_BASE, _VAE = "base_sample", "vae_sample"
_MATRICES = ("lora_A.weight", "lora_B.weight")
_NUMBERS = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, eq=False)
class ConditionFile:
    """What a file holds.

    config: of the whole model. own: the weights that Wan does not have, under the network's names. lora: A, B and alpha
    of every changed layer under the network's names, without prefix. base, vae: samples of those it was trained with;
    base_name: the base in words. extra: further metadata, which is information (`training`, `camera_reach`, `license`).
    name: of the file, for errors.
    """

    config: FullDiTConfig
    own: Mapping[str, torch.Tensor]
    lora: Mapping[str, torch.Tensor]
    base: WeightSample
    vae: WeightSample
    base_name: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    name: str = "the condition file"


def is_condition_file(metadata: Mapping[str, str]) -> bool:
    """Return whether a file with this metadata is a condition file."""
    return metadata.get("format") == FORMAT


def write_condition_file(path: PathLike, conditions: ConditionFile) -> None:
    """Write a condition file, whole or not at all. Raises UserError for one that could not be read back."""
    _check(conditions, path)
    tensors = {
        **conditions.own,
        **{CORE + name: value for name, value in conditions.lora.items()},
        _BASE: conditions.base.to_tensor(),
        _VAE: conditions.vae.to_tensor(),
    }
    metadata = {"format": FORMAT, "config": conditions.config.to_json(), "base": conditions.base_name}
    for name, value in conditions.extra.items():
        metadata[name] = value if isinstance(value, str) else json.dumps(value)
    write_tensors(path, tensors, metadata)


def read_condition_config(path: PathLike) -> FullDiTConfig:
    """Return the config of a condition file, from its header. Raises UserError for any other file."""
    metadata = parse_header(path).metadata
    if not is_condition_file(metadata):
        raise UserError(
            f"'{path}' is not a condition file (its format is {metadata.get('format', 'not said')!r}, "
            f"{FORMAT!r} was expected). Choose one that a training on Wan has made; a whole FullDiT checkpoint is used "
            f"without a Wan file."
        )
    try:
        return FullDiTConfig.from_json(metadata.get("config", ""))
    except UserError as error:
        raise UserError(f"'{path}': {error.clause}") from error


def read_condition_file(path: PathLike) -> ConditionFile:
    """Return what a condition file holds.

    Raises UserError for files that are missing, pickled, cut short or something else, and for weights that are missing,
    unknown, of another shape or number format, or NaN.
    """
    config = read_condition_config(path)
    tensors = read_tensors(path)
    metadata = dict(parse_header(path).metadata)
    for name in ("format", "config"):
        metadata.pop(name)
    base, vae = (_sample(tensors, name, path) for name in (_BASE, _VAE))
    conditions = ConditionFile(
        config=config,
        own={name: value for name, value in tensors.items() if not name.startswith(CORE)},
        lora={name.removeprefix(CORE): value for name, value in tensors.items() if name.startswith(CORE)},
        base=base,
        vae=vae,
        base_name=metadata.pop("base", "its base"),
        extra=metadata,
        name=Path(path).name,
    )
    _check(conditions, path)
    return conditions


def _sample(tensors: dict[str, torch.Tensor], name: str, path: PathLike) -> WeightSample:
    """Take a sample out of a file's tensors and return it."""
    rows = tensors.pop(name, None)
    if rows is None or rows.ndim != 2 or rows.shape[0] != 2 or not rows.dtype.is_floating_point:
        raise UserError(f"'{path}' lacks '{name}', which says what it belongs to. Download or copy it again.")
    return WeightSample.from_tensor(rows)


def _check(conditions: ConditionFile, path: PathLike) -> None:
    """Raise UserError, naming the first, for weights that are not what the config says."""
    expected = {
        name: tuple(value.shape) for name, value in FullDiT(conditions.config, device="meta").state_dict().items()
    }
    own = {name: shape for name, shape in expected.items() if OWN.fullmatch(name)}
    wanted = {**own, **_lora_shapes(conditions.lora, expected, path)}
    tensors = {**conditions.own, **conditions.lora}
    for name in [*wanted, *tensors]:
        if name not in tensors:
            raise UserError(f"'{path}' lacks '{name}', which its config describes. Download or copy it again.")
        if name not in wanted:
            raise UserError(f"'{path}' has '{name}', which its config does not describe. Use a file made for it.")
        value = tensors[name]
        if tuple(value.shape) != wanted[name]:
            raise UserError(
                f"'{path}' has '{name}' of shape {tuple(value.shape)}, but its config says {wanted[name]}. Download or "
                f"copy it again."
            )
        if value.dtype not in _NUMBERS:
            kind = str(value.dtype).removeprefix("torch.")
            raise UserError(f"'{path}' has '{name}' in {kind}; float32, bfloat16 or float16 was expected.")
    check_finite(tensors, path)


def _lora_shapes(
    lora: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int, ...]], path: PathLike
) -> dict[str, tuple[int, ...]]:
    """Return the shapes that a LoRA must have, whose rank is what it says itself."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in lora_layer_names(lora):
        if not TARGETS.fullmatch(layer) or f"{layer}.weight" not in expected:
            raise UserError(f"'{path}' has a LoRA of '{layer}', which the model of its config does not have.")
        out, into = expected[f"{layer}.weight"]
        down = lora.get(f"{layer}.lora_A.weight")
        rank = int(down.shape[0]) if down is not None and down.ndim else 1
        shapes |= {f"{layer}.lora_A.weight": (rank, into), f"{layer}.lora_B.weight": (out, rank), f"{layer}.alpha": ()}
    return shapes


def lora_layer_names(lora: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the layers that a LoRA changes, in the order of its keys."""
    layers = {}
    for name in lora:
        tail = next((f".{tail}" for tail in (*_MATRICES, "alpha") if name.endswith(f".{tail}")), "")
        layers[name.removesuffix(tail) if tail else name] = True
    return list(layers)
