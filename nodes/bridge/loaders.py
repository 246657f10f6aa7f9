"""Checkpoint files as the host's MODEL, CLIP and VAE, each with the factory that core asks for to load it again.

`Any` marks these objects: comfy.model_patcher.ModelPatcher, comfy.sd.CLIP and comfy.sd.VAE.
"""

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
from ...models.config import FullDiTConfig
from ...models.devices import pick_dtype
from ...models.vae import fingerprint, load_vae
from ...models.vae.vae_file import read_metadata as vae_metadata
from ...models.weights.checkpoint import TEXT, read_camera_motion_range, read_config
from ...models.weights.tensor_file import load_strict, read_tensors
from ...models.weights.tensor_file import read_metadata as file_metadata
from .base_model import HostConfig
from .clip import ByteTokenizer, encoder_class
from .fast_vae import use_fast_convolutions
from .network import KEEP_AFTER_RUN

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_all(checkpoint: Path, vae: Path, precision: str = "default") -> tuple[Any, Any, Any]:
    """Return (MODEL, CLIP, VAE).

    Raises UserError for files that are missing, pickled, truncated, of something else, or not a pair.
    """
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
    """Return the preview colors in a VAE file's metadata, as `latent_format` takes them; None if it has none."""
    try:
        metadata = vae_metadata(vae)
    except ValueError:  # other people's metadata need not be JSON
        return None
    factors, bias = metadata.get("latent_rgb_factors"), metadata.get("latent_rgb_factors_bias")
    return {"factors": factors, "bias": bias} if factors and bias else None


def load_model_patcher(
    path: str, precision: str, preview: Mapping[str, Any] | None, disable_dynamic: bool = False
) -> Any:
    """Return the ModelPatcher of a checkpoint, condition tokenizers included. Core's factory for a second copy, too.

    precision: a key of PRECISIONS, or "default" for the host's choice. preview: see `preview_of`.
    """
    config = read_config(path)
    weights = {name: value for name, value in read_tensors(path).items() if not name.startswith(TEXT)}
    _check(FullDiT(config, device="meta"), weights, path, "model that its config describes")
    patcher = make_patcher(host_config(config, weights, precision, preview), weights, disable_dynamic)
    patcher.model.camera_motion_range = read_camera_motion_range(path)  # Camera Preview warns of movements beyond
    patcher.cached_patcher_init = (load_model_patcher, (path, precision, preview))
    return patcher


def make_patcher(host: HostConfig, weights: dict[str, torch.Tensor], disable_dynamic: bool = False) -> Any:
    """Return the ModelPatcher of a host's config with these weights in it, which are taken out of the dictionary."""
    management = comfy.model_management
    load_device, offload_device = management.get_torch_device(), management.unet_offload_device()
    model = host.get_model(weights)
    plain_class = comfy.model_patcher.ModelPatcher
    patcher_class = plain_class if disable_dynamic else getattr(comfy.model_patcher, "CoreModelPatcher", plain_class)
    patcher = patcher_class(model, load_device=load_device, offload_device=offload_device)
    if not management.is_device_cpu(offload_device):
        model.to(offload_device)
    model.load_model_weights(weights, "", assign=patcher.is_dynamic())
    patcher.add_callback(CallbacksMP.ON_PRE_RUN, _start_run)
    patcher.add_callback(CallbacksMP.ON_CLEANUP, _trim_caches)
    patcher.add_callback(CallbacksMP.ON_DETACH, _free_caches)
    return patcher


def host_config(
    config: FullDiTConfig,
    weights: Mapping[str, torch.Tensor],
    precision: str,
    preview: Mapping[str, Any] | None,
    quantized: Any = None,
) -> HostConfig:
    """Return the host's config of a checkpoint, with the precision to compute in.

    quantized: what core found of quantized layers among the weights (`comfy.utils.detect_layer_quantization`).
    """
    management = comfy.model_management
    host = HostConfig(config, preview)
    host.quant_config = quantized
    device = management.get_torch_device()
    dtype = PRECISIONS.get(precision) or management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(weights),
        supported_dtypes=host.supported_inference_dtypes,
        weight_dtype=None if quantized else comfy.utils.weight_dtype(weights),
    )
    # Quantized layers are of no format to compute in: core then picks one for the device.
    cast = management.unet_manual_cast(None if quantized else dtype, device, host.supported_inference_dtypes)
    host.set_inference_dtype(dtype, cast, device=device)
    return host


def _start_run(patcher: Any) -> None:
    """Let K/V caches of earlier runs make room for those of this one."""
    patcher.model.diffusion_model.kv_caches.start_run()


def _trim_caches(patcher: Any) -> None:
    """Keep the conditions' K/V caches after a run, for the next prompt or seed, only if they are small."""
    patcher.model.diffusion_model.kv_caches.trim(KEEP_AFTER_RUN)


def _free_caches(patcher: Any, unpatch_all: bool) -> None:
    """Free the K/V caches when the model leaves its device; a clone that takes its place keeps them."""
    if unpatch_all:
        patcher.model.diffusion_model.kv_caches.trim(0)


def load_host_clip(path: str, disable_dynamic: bool = False) -> Any:
    """Return the checkpoint's text encoder as a CLIP; None if it uses UMT5, which core's loaders load."""
    config = read_config(path)
    if config.text != "bytes":
        return None
    weights = {name[len(TEXT) :]: value for name, value in read_tensors(path).items() if name.startswith(TEXT)}
    _check(TextEncoder(dim=config.text_dim, device="meta"), weights, path, "text encoder of the miniature")
    target = comfy.supported_models_base.ClipTarget(ByteTokenizer, encoder_class(config.text_dim))
    # Half precision, core's default for text, costs the small encoder more than it saves.
    clip = comfy.sd.CLIP(
        target, state_dict=[weights], model_options={"dtype": torch.float32}, disable_dynamic=disable_dynamic
    )
    clip.patcher.cached_patcher_init = (load_clip_patcher, (path,))
    return clip


def load_clip_patcher(path: str, disable_dynamic: bool = False) -> Any:
    """Load the text encoder again: core's factory for a second copy."""
    return load_host_clip(path, disable_dynamic).patcher


def load_host_vae(path: str) -> Any:
    """Return a VAE file in the host's stock class. Raises UserError as our own strict loading of it does."""
    file_metadata(path)  # raises for a file that is not safetensors
    vae_fingerprint = fingerprint(load_vae(path))
    device = comfy.model_management.vae_device()
    on_cpu = comfy.model_management.is_device_cpu(device)
    # On a CPU the host would take float32, and torch's 3D convolutions of few channels are many times slower in it.
    vae = comfy.sd.VAE(sd=read_tensors(path), dtype=pick_dtype(device) if on_cpu else None)
    vae.throw_exception_if_invalid()
    if on_cpu:
        use_fast_convolutions(vae)
    vae.fulldit_fingerprint = vae_fingerprint
    vae.patcher.cached_patcher_init = (load_vae_patcher, (path,))
    return vae


def load_vae_patcher(path: str, disable_dynamic: bool = False) -> Any:
    """Load the VAE again: core's factory for a second copy."""
    return load_host_vae(path).patcher


def _check(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], path: str, content: str) -> None:
    """Raise UserError unless keys and shapes fit exactly; core's own loading would only warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # copying into tensors without storage does nothing, which is the point
        load_strict(module, weights, path, content)
