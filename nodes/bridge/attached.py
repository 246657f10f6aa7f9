"""A plain Wan with a condition file on it as the host's MODEL: core's formats for the base, core's patches for LoRA."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.sd
import comfy.utils
import torch

from ...control.camera.motion_range import CameraMotionRange
from ...control.errors import UserError
from ...models.backbone.transformer import FullDiT
from ...models.families.pickled import explain_pickle
from ...models.geometry import WAN_2_1
from ...models.vae import fingerprint
from ...models.weights.attach import check_base, check_base_shapes, check_vae
from ...models.weights.condition_file import ConditionFile, read_condition_file
from ...models.weights.key_maps import to_wan
from ...models.weights.lora_keys import CORE
from ...models.weights.quantized import METADATA, dequantize
from ...models.weights.shards import parse_headers, read_shards, shard_paths
from ...models.weights.tensor_file import PickledFile, check_finite, read_tensors
from .loaders import host_config, load_host_vae, make_patcher, preview_of

# What core keeps beside the weight of a quantized layer.
_BESIDE = (
    *("comfy_quant", "input_scale", "weight_scale", "weight_scale_2"),
    *("weight_s_rel", "weight_s_channel", "weight_codebook"),
)


def load_attached(base: Path, condition_file: Path, vae: Path, precision: str = "default") -> tuple[Any, None, Any]:
    """Return (MODEL, None, VAE) of a plain Wan, a condition file and the VAE of both; core's loaders have the CLIP.

    Raises UserError for files that are damaged or something else, and for those that do not belong together.
    """
    conditions = read_condition_file(condition_file)
    try:
        check_base_shapes(to_wan(parse_headers(shard_paths(base)).shapes), conditions, base)
    except PickledFile as error:
        raise explain_pickle(base, error) from error
    check_vae(read_tensors(vae), conditions, vae)
    autoencoder = load_host_vae(str(vae)) if conditions.config.in_dim == WAN_2_1.channels else _load_other_vae(str(vae))
    arguments = (str(base), str(condition_file), precision, preview_of(vae), autoencoder.fulldit_fingerprint)
    return load_attached_patcher(*arguments), None, autoencoder


def _load_other_vae(path: str) -> Any:
    """Return a VAE file that is not Wan 2.1's, as core loads it."""
    vae = comfy.sd.VAE(sd=read_tensors(path))
    vae.throw_exception_if_invalid()
    vae.fulldit_fingerprint = fingerprint(vae.first_stage_model)
    vae.patcher.cached_patcher_init = (_load_other_vae_patcher, (path,))
    return vae


def _load_other_vae_patcher(path: str, disable_dynamic: bool = False) -> Any:
    """Load the VAE again: core's factory for a second copy."""
    return _load_other_vae(path).patcher


def load_attached_patcher(
    base: str,
    condition_file: str,
    precision: str,
    preview: Mapping[str, Any] | None,
    vae_fingerprint: str,
    disable_dynamic: bool = False,
) -> Any:
    """Return the ModelPatcher of a plain Wan with a condition file on it. Core's factory for a second copy, too.

    vae_fingerprint: of the VAE at hand, which the MODEL then asks for. The rest is as `load_model_patcher` has it.
    """
    conditions = read_condition_file(condition_file)
    config = replace(conditions.config, vae_fingerprint=vae_fingerprint)
    weights, quantized = _read_base(base)
    check_base(weights, conditions, base)
    weights |= conditions.own
    _check_names(weights, FullDiT(config, device="meta").state_dict(), base)
    check_finite(weights, base)
    host = host_config(config, weights, precision, preview, quantized)
    patcher = make_patcher(host, weights, disable_dynamic)
    patcher.model.camera_motion_range = _motion_range(conditions)
    patcher.model.vae_sample = conditions.vae
    _add_lora(patcher, conditions)
    patcher.cached_patcher_init = (load_attached_patcher, (base, condition_file, precision, preview, vae_fingerprint))
    return patcher


def _read_base(path: str) -> tuple[dict[str, torch.Tensor], Any]:
    """Return the weights of a Wan file under the original keys as core loads them, and what core found of quantized
    layers. Hosts without quantized layers get plain tensors."""
    metadata = parse_headers(shard_paths(path)).metadata
    weights = to_wan(read_shards(path))
    convert = getattr(comfy.utils, "convert_old_quants", None)
    find = getattr(comfy.utils, "detect_layer_quantization", None)
    if convert is None or find is None:
        return dequantize(weights, metadata, path), None
    entry = {METADATA: metadata[METADATA]} if METADATA in metadata else {}
    weights, _ = convert(weights, "", metadata=entry)
    weights = to_wan(weights)  # layers that the metadata names with the file's prefix
    return weights, find(weights, "")


def _check_names(weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], base: str) -> None:
    """Raise UserError, naming the first, for weights that are missing, unknown or of another shape."""
    quantized = {name.removesuffix(".comfy_quant") for name in weights if name.endswith(".comfy_quant")}
    for name, value in expected.items():
        if name not in weights:
            raise UserError(f"'{base}' lacks '{name}'. Download or copy it again.")
        packed = name.removesuffix(".weight") in quantized and name.endswith(".weight")
        if not packed and weights[name].shape != value.shape:
            raise UserError(
                f"'{base}' has '{name}' of shape {tuple(weights[name].shape)}; {tuple(value.shape)} was expected. "
                f"Download or copy it again."
            )
    for name in weights.keys() - expected.keys():
        layer, _, tail = name.rpartition(".")
        if layer not in quantized or tail not in _BESIDE:
            raise UserError(f"'{base}' has '{name}', which a plain Wan model does not have. Choose the plain model.")


def _add_lora(patcher: Any, conditions: ConditionFile) -> None:
    """Put the LoRA of a condition file onto a MODEL as core's patches. Raises UserError unless core takes all."""
    lora = {CORE + name: value for name, value in conditions.lora.items()}
    targets = comfy.lora.model_lora_keys_unet(patcher.model, {})
    patches = comfy.lora.load_lora(lora, targets, log_missing=False)
    taken: Collection[Any] = patcher.add_patches(patches, 1.0)
    layers = sum(name.endswith(".alpha") for name in lora)
    if len(taken) != layers:
        raise UserError(
            f"ComfyUI took {len(taken)} of the {layers} layers that '{conditions.name}' changes: update ComfyUI."
        )


def _motion_range(conditions: ConditionFile) -> CameraMotionRange | None:
    """Return the range of camera movement that a condition file was trained on; None where it does not say."""
    try:
        return CameraMotionRange.from_json(json.loads(conditions.extra.get("camera_reach", "null")))
    except (ValueError, TypeError):
        return None
