"""Checkpoint files as the host's MODEL, CLIP and VAE, each with the factory that core asks for to load it again."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models_base
import comfy.utils
import torch
from comfy.patcher_extension import CallbacksMP

from ...control.errors import UserError
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.text import TextEncoder
from ...models.devices import pick_dtype
from ...models.vae import fingerprint, load_vae
from ...models.vae.vae_file import read_metadata as vae_metadata
from ...models.weights.checkpoint import TEXT, read_camera_motion_range, read_config
from ...models.weights.tensor_file import load_strict, read_tensors
from ...models.weights.tensor_file import read_metadata as file_metadata
from .base_model import HostConfig
from .clip import ByteTokenizer, encoder_class
from .network import KEEP_AFTER_RUN

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_all(checkpoint: Path, vae: Path, precision: str = "default") -> tuple[Any, Any, Any]:
    """(MODEL, CLIP, VAE). Raises UserError for files that are missing, pickled, cut short, foreign or not a pair."""
    config = read_config(checkpoint)
    autoencoder = load_host_vae(str(vae))
    if config.vae_fingerprint and autoencoder.fulldit_fingerprint != config.vae_fingerprint:
        raise UserError(
            f"'{checkpoint.name}' was trained with the VAE {config.vae_fingerprint[:12]}, but '{vae.name}' is "
            f"{autoencoder.fulldit_fingerprint[:12]}: its latents would mean nothing to the model. "
            f"Choose the VAE that came with the checkpoint."
        )
    model = load_model_patcher(str(checkpoint), precision, preview_of(vae))
    return model, load_host_clip(str(checkpoint)), autoencoder


def preview_of(vae: Path) -> Mapping[str, Any] | None:
    """The preview colors in a VAE file's metadata, where it has them."""
    try:
        known = vae_metadata(vae)
    except ValueError:  # other people's metadata need not be JSON
        return None
    factors, bias = known.get("latent_rgb_factors"), known.get("latent_rgb_factors_bias")
    return {"factors": factors, "bias": bias} if factors and bias else None


def load_model_patcher(path: str, precision: str, preview: Any, disable_dynamic: bool = False) -> Any:
    """The ModelPatcher of a checkpoint, condition tokenizers included. Also core's factory for a second copy of it."""
    config = read_config(path)
    weights = {name: value for name, value in read_tensors(path).items() if not name.startswith(TEXT)}
    _check(FullDiT(config, device="meta"), weights, path, "model that its config describes")

    management = comfy.model_management
    load_device, offload_device = management.get_torch_device(), management.unet_offload_device()
    host = HostConfig(config, preview)
    dtype = FORMATS.get(precision) or management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(weights),
        supported_dtypes=host.supported_inference_dtypes,
        weight_dtype=comfy.utils.weight_dtype(weights),
    )
    cast = management.unet_manual_cast(dtype, load_device, host.supported_inference_dtypes)
    host.set_inference_dtype(dtype, cast, device=load_device)

    model = host.get_model(weights)
    model.camera_motion_range = read_camera_motion_range(path)  # Camera Preview warns of what lies beyond
    plain = comfy.model_patcher.ModelPatcher
    kind = plain if disable_dynamic else getattr(comfy.model_patcher, "CoreModelPatcher", plain)
    patcher = kind(model, load_device=load_device, offload_device=offload_device)
    if not management.is_device_cpu(offload_device):
        model.to(offload_device)
    model.load_model_weights(weights, "", assign=patcher.is_dynamic())
    patcher.cached_patcher_init = (load_model_patcher, (path, precision, preview))
    patcher.add_callback(CallbacksMP.ON_CLEANUP, _after_run)
    return patcher


def _after_run(patcher: Any) -> None:
    """Keep the K/V of conditions for the next prompt or seed only where it is small."""
    patcher.model.diffusion_model.kv_caches.trim(KEEP_AFTER_RUN, spared=0)


def load_host_clip(path: str, disable_dynamic: bool = False) -> Any:
    """The checkpoint's text encoder as a comfy.sd.CLIP; None for one that wants UMT5, which core's loaders give."""
    config = read_config(path)
    if config.text != "bytes":
        return None
    words = {name[len(TEXT) :]: value for name, value in read_tensors(path).items() if name.startswith(TEXT)}
    _check(TextEncoder(dim=config.text_dim, device="meta"), words, path, "text encoder of the miniature")
    target = comfy.supported_models_base.ClipTarget(ByteTokenizer, encoder_class(config.text_dim))
    # Half precision, core's default for text, costs the small encoder more than it saves.
    clip = comfy.sd.CLIP(
        target, state_dict=[words], model_options={"dtype": torch.float32}, disable_dynamic=disable_dynamic
    )
    clip.patcher.cached_patcher_init = (load_clip_patcher, (path,))
    return clip


def load_clip_patcher(path: str, disable_dynamic: bool = False) -> Any:
    """Core's factory for a second copy of the text encoder."""
    return load_host_clip(path, disable_dynamic).patcher


def load_host_vae(path: str) -> Any:
    """A VAE file in the host's stock class, after our own strict reading of it."""
    file_metadata(path)  # says what is wrong with a file that is none of safetensors
    mark = fingerprint(load_vae(path))
    device = comfy.model_management.vae_device()
    # On a CPU the host would take float32, in which 3D convolutions of few channels are many times slower.
    dtype = pick_dtype(device) if comfy.model_management.is_device_cpu(device) else None
    vae = comfy.sd.VAE(sd=read_tensors(path), dtype=dtype)
    vae.throw_exception_if_invalid()
    vae.fulldit_fingerprint = mark
    vae.patcher.cached_patcher_init = (load_vae_patcher, (path,))
    return vae


def load_vae_patcher(path: str, disable_dynamic: bool = False) -> Any:
    """Core's factory for a second copy of the VAE."""
    return load_host_vae(path).patcher


def _check(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], path: str, what: str) -> None:
    """Raise UserError unless keys and shapes fit exactly; core's own loading would only warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # copying into tensors without storage does nothing, which is the point
        load_strict(module, weights, path, what)
